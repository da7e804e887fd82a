"""Editing drafts piece by piece."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistudio.studio.drafts import (
    MAX_DRAFT_BYTES,
    MAX_INPUT_BYTES,
    apply,
    check_draft,
    check_input,
    name_of,
    named,
    parse_patch,
)
from aistudio.studio.errors import StudioError
from tests.studio.serving import runnable


def patched(draft: dict[str, Any], **patch: Any) -> dict[str, Any]:
    before = copy.deepcopy(draft)
    after = apply(draft, parse_patch(patch))
    assert draft == before, "an edit makes a new draft"
    return after


def test_each_part_of_a_patch() -> None:
    draft = {**runnable(), "unknown": {"kept": True}}
    assert patched(draft) == draft
    assert patched(draft, name="N", description="D", variables={"v": 1}) == {
        **draft,
        "name": "N",
        "description": "D",
        "variables": {"v": 1},
    }
    start, answer, show = draft["nodes"]
    moved = {**answer, "position": {"x": 1, "y": 2}}
    new = {"id": "new", "kind": "trigger"}
    assert patched(draft, nodes=[new, moved])["nodes"] == [start, moved, show, new]
    assert patched(draft, removed_nodes=["answer", "nobody"])["nodes"] == [start, show]
    assert patched(draft, node_order=["show", "start"])["nodes"] == [show, start, answer]
    first, second = draft["edges"]
    third = {"id": "e3", "source": "show", "target": "answer"}
    assert patched(draft, edges=[third], removed_edges=[first["id"]])["edges"] == [second, third]
    assert patched({}, nodes=[new], edges=[third]) == {"nodes": [new], "edges": [third]}
    renamed = patched(
        draft, removed_nodes=["answer"], nodes=[{**answer, "id": "reply"}], node_order=["reply"]
    )
    assert [node["id"] for node in renamed["nodes"]] == ["reply", "start", "show"]


def test_an_edge_without_an_id_is_called_by_its_ends() -> None:
    plain = {"source": "a", "target": "b"}
    routed = {"source": "a", "source_port": "error", "target": "b"}
    draft = {"edges": [plain, routed]}
    assert patched(draft, removed_edges=["a:out>b"])["edges"] == [routed]
    assert patched(draft, removed_edges=["a:error>b"])["edges"] == [plain]
    assert patched(draft, edges=[{**routed, "note": 1}])["edges"] == [plain, {**routed, "note": 1}]


def test_parts_that_are_no_parts_stay_where_they_are() -> None:
    odd = [None, 7, {"kind": "trigger"}, {"id": 7}, "text"]
    draft = {"nodes": [*odd, {"id": "a"}, {"id": "a", "twin": True}]}
    assert patched(draft, nodes=[{"id": "a", "new": 1}])["nodes"] == [
        *odd,
        {"id": "a", "new": 1},
        {"id": "a", "twin": True},
    ]
    assert patched(draft, removed_nodes=["a"])["nodes"] == odd


@pytest.mark.parametrize(
    ("draft", "patch"),
    [
        ({"nodes": {}}, {"nodes": [{"id": "a"}]}),
        ({"edges": None}, {"removed_edges": ["a"]}),
        ({}, {"nodes": [{"kind": "trigger"}]}),
        ({}, {"nodes": ["a"]}),
        ({}, {"nodes": {"id": "a"}}),
        ({}, {"nmae": "x"}),
        ({}, {"name": 7}),
        ({}, {"node_order": [7]}),
    ],
)
def test_a_wrong_patch_is_refused(draft: Any, patch: Any) -> None:
    with pytest.raises(StudioError) as caught:
        patched(draft, **patch)
    assert (caught.value.status, caught.value.code) == (422, "invalid_request")


PARTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(), max_size=8)


@given(before=PARTS, after=PARTS, order=st.randoms())
def test_a_difference_leads_from_one_draft_to_the_other(
    before: dict[str, int], after: dict[str, int], order: Any
) -> None:
    nodes = {
        name: [{"id": key, "value": value} for key, value in parts.items()]
        for name, parts in (("before", before), ("after", after))
    }
    order.shuffle(nodes["after"])
    patch = {
        "nodes": [node for node in nodes["after"] if node not in nodes["before"]],
        "removed_nodes": [key for key in before if key not in after],
        "node_order": [node["id"] for node in nodes["after"]],
    }
    assert patched({"nodes": nodes["before"]}, **patch)["nodes"] == nodes["after"]


def test_names() -> None:
    assert named({"a": 1, "name": "old", "b": 2}, None) == {"a": 1, "name": "old", "b": 2}
    assert list(named({"a": 1, "name": "old", "b": 2}, "new").items()) == [
        ("a", 1),
        ("name", "new"),
        ("b", 2),
    ]
    assert [name_of(draft) for draft in ({"name": "n"}, {}, {"name": None}, {"name": 7})] == ["n", "", "", ""]


def test_limits_count_bytes() -> None:
    frame = len('{"a":""}')
    check_draft({"a": "x" * (MAX_DRAFT_BYTES - frame)})
    check_draft({"a": "é" * ((MAX_DRAFT_BYTES - frame) // 2)})
    check_input("é" * (MAX_INPUT_BYTES // 2))
    check_input({"a": "x" * (MAX_INPUT_BYTES - frame)})
    for check, value in (
        (check_draft, {"a": "x" * (MAX_DRAFT_BYTES - frame + 1)}),
        (check_draft, {"a": "é" * (MAX_DRAFT_BYTES // 2)}),
        (check_input, "é" * (MAX_INPUT_BYTES // 2) + "x"),
        (check_input, {"a": "x" * (MAX_INPUT_BYTES - frame + 1)}),
    ):
        with pytest.raises(StudioError) as caught:
            check(value)  # type: ignore[operator]
        assert (caught.value.status, caught.value.code) == (413, "too_large")


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, {"a": [float("nan")]}, {"a": float("inf")}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(StudioError) as caught:
        check_input(value)
    assert (caught.value.status, caught.value.code) == (422, "invalid_request")
