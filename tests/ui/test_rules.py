"""The browser's copy of the connection rules and of the draft's patches, held to the server's."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aistudio.studio.drafts import apply, parse_patch
from tests.ui.node import call

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "connections.json").read_text())


def test_connections_are_refused_for_the_same_reasons_as_on_the_server() -> None:
    assert len(VECTORS) >= 15
    said = call("rules.js", "m.refusal(it.graph.nodes, it.graph.edges, it.connect)", VECTORS)
    assert {vector["name"]: reason for vector, reason in zip(VECTORS, said, strict=True)} == {
        vector["name"]: vector["reason"] for vector in VECTORS
    }


ids = st.sampled_from("abcdefg")
parts = st.lists(
    st.fixed_dictionaries({"id": ids, "title": st.sampled_from(["one", "two"])}),
    unique_by=lambda part: str(part["id"]),
)
graphs = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "y"]), "description": st.just(""), "variables": st.just({})}
    | {"nodes": parts, "edges": parts}
)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(graphs, graphs), min_size=40, max_size=60))
def test_a_patch_leads_from_one_draft_to_the_other(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    """Server and browser agree on what a patch does. The order of nodes has a meaning, that of edges none."""
    patches = call("patch.js", "m.diff(it[0], it[1])", pairs)
    applied = call("patch.js", "m.apply(it[0], m.diff(it[0], it[1]))", pairs)
    for (before, after), patch, there in zip(pairs, patches, applied, strict=True):
        here = apply(before, parse_patch(patch))
        for result in (here, there):
            assert result["nodes"] == after["nodes"]
            assert by_id(result["edges"]) == by_id(after["edges"])
            assert result["name"] == after["name"]


def by_id(parts: Any) -> dict[str, Any]:
    return {part["id"]: part for part in parts}


def test_patches_that_touch_the_same_node_are_not_disjoint() -> None:
    node = {"id": "a", "title": "one"}
    said = call(
        "patch.js",
        "m.areDisjoint(it[0], it[1])",
        [
            [{"nodes": [node]}, {"nodes": [node]}],
            [{"nodes": [node]}, {"removed_nodes": ["a"]}],
            [{"nodes": [node]}, {"edges": [node]}],
            [{"name": "x"}, {"nodes": [node]}],
            [{"name": "x"}, {"name": "y"}],
        ],
    )
    assert said == [False, False, True, True, False]
