"""Hostile documents: what is too large, too deep or not JSON, and how long judging takes."""

import json
import time
from typing import Any

import pytest
from graph_kinds import KINDS, agent, decision, edge, graph, trigger
from hypothesis import given, settings
from hypothesis import strategies as st

from aistudio.graph.limits import MAX_DEPTH, MAX_EDGES, MAX_NODES, MAX_SIZE
from aistudio.graph.problems import MAX_PER_PART
from aistudio.graph.validation import Validation, validate

SECONDS = 5.0
"""Many times what judging takes: a shared machine may be slow, something quadratic takes minutes."""


def judge(raw: Any) -> Validation:
    begun = time.perf_counter()
    result = validate(raw, KINDS)
    assert time.perf_counter() - begun < SECONDS
    assert (result.workflow is None) == any(problem.severity == "error" for problem in result.problems)
    json.dumps([problem.model_dump(mode="json") for problem in result.problems]).encode()
    return result


def places(raw: Any) -> list[tuple[str, str]]:
    return [(problem.code.value, problem.path) for problem in judge(raw).problems]


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for level in range(depth):
        value = {"in": value} if level % 2 else [value]
    return value


def sized(size: int) -> dict[str, Any]:
    raw = graph([trigger()], description="")
    raw["description"] = "é" * ((size - len(json.dumps(raw, separators=(",", ":")))) // 2)
    rest = size - len(json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode())
    raw["description"] += "x" * rest
    return raw


def test_a_thousand_nodes_are_allowed_and_one_more_is_not() -> None:
    nodes = [trigger(f"t{index}") for index in range(MAX_NODES)]
    assert places(graph(nodes)) == []
    assert places(graph([*nodes, trigger("one")])) == [("too_large", "nodes")]


def test_five_thousand_edges_are_allowed_and_one_more_is_not() -> None:
    edges = [edge("start", "a", id=str(index)) for index in range(MAX_EDGES)]
    nodes = [trigger(), agent("a")]
    assert places(graph(nodes, edges)) == []
    assert places(graph(nodes, [*edges, edge("start", "a")])) == [("too_large", "edges")]


def test_a_mebibyte_of_json_is_allowed_and_one_byte_more_is_not() -> None:
    assert places(sized(MAX_SIZE)) == []
    assert places(sized(MAX_SIZE + 1)) == [("too_large", "")]


def test_all_limits_are_told_and_nothing_else_is_looked_at() -> None:
    raw = graph([3] * (MAX_NODES + 1), [4] * (MAX_EDGES + 1), name="x" * MAX_SIZE, colour="red")
    assert places(raw) == [("too_large", "nodes"), ("too_large", "edges"), ("too_large", "")]


def test_how_deep_a_document_may_be() -> None:
    allowed = MAX_DEPTH - 2  # the document and its variables are levels, too
    assert places(graph([trigger()], variables={"deep": nested(allowed)})) == []
    assert places(graph([trigger()], variables={"deep": nested(allowed + 1)})) == [("invalid_config", "")]


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_deep_json_is_refused_wherever_it_is(depth: int) -> None:
    deep = nested(depth)
    assert places(deep) == [("invalid_config", "")]
    for key in ("schema", "name", "variables", "nodes", "edges", "unknown"):
        assert places({key: deep}) == [("invalid_config", "")]
    assert places(graph([trigger(config={"input": deep})])) == [("invalid_config", "")]


@pytest.mark.parametrize(
    "number",
    [float("inf"), float("-inf"), float("nan"), 10**5_000],
    ids=["inf", "-inf", "nan", "5001 digits"],
)
def test_a_number_that_json_text_cannot_carry_is_refused(number: float) -> None:
    raw = graph([trigger(), agent("a", pinned_output=[0, {"x": number}])], [edge("start", "a")])
    assert places(raw) == [("invalid_config", "pinned_output.1.x")]
    assert judge(raw).problems[0].node_id == "a"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (graph([trigger()], name="\ud800"), "name"),
        (graph([trigger()], variables={"\udfff": 1}), "variables"),
        (graph([trigger("\ud800")]), "id"),
        (graph([trigger()], [{"id": "\ud800", "source": "start", "target": "start"}]), "id"),
    ],
)
def test_half_of_a_unicode_pair_is_refused(raw: Any, path: str) -> None:
    assert places(raw) == [("invalid_config", path)]


def test_nonsense_by_the_thousand_is_told_up_to_a_limit() -> None:
    unknown = {f"key{index}": index for index in range(50_000)}
    assert len(places(graph([trigger()]) | unknown)) == MAX_PER_PART
    assert len(places(graph([trigger(config=unknown), trigger("b", title=1)]))) == MAX_PER_PART + 1


@pytest.mark.parametrize(
    "prompt",
    [
        "{{a." * 250_000,
        "{{a.}}" * 150_000,
        "{" * 1_000_000,
        "{{" + "a" * 1_000_000,
        "{{a" + ".b" * 400_000,
        "{{a.b" + " " * 1_000_000,
        "{{ " * 300_000,
        "{{a.b|default:'" * 60_000,
        "{{a.b |" * 100_000,
        "{{a.b?" * 100_000 + "}}",
        "".join(f"{{{{a.b{index}}}}}" for index in range(70_000)),
    ],
    ids=lambda prompt: prompt[:16],
)
def test_no_text_makes_looking_for_references_slow(prompt: str) -> None:
    judge(graph([trigger(), agent("a", prompt)], [edge("start", "a")]))


def test_a_graph_of_the_largest_size_is_judged_quickly() -> None:
    names = [f"n{index}" for index in range(MAX_NODES)]
    prompt = " ".join(f"{{{{nodes.n{index}.response}}}}" for index in range(1, 6))
    nodes = [trigger("n0"), *(agent(name) for name in names[1:10]), *(agent(n, prompt) for n in names[10:])]
    edges = [edge(names[i], names[i + step]) for i in range(MAX_NODES) for step in range(1, 7)
             if i + step < MAX_NODES][:MAX_EDGES - 200]  # fmt: skip
    edges += [edge(a, b) for a, b in zip(names[-200:], names[-199:], strict=False)]
    assert places(graph(nodes, edges)) == []
    backwards = [{"source": wire["target"], "target": wire["source"]} for wire in edges]
    assert ("cycle", "") in places(graph(nodes, edges[:2_500] + backwards[:2_500]))


def test_many_branches_and_many_edges_from_them() -> None:
    branches = [f"b{index}" for index in range(5_000)]
    edges = [edge("d", "a", branch) for branch in branches[:-1]]
    raw = graph([trigger(), decision("d", *branches), agent("a")], [edge("start", "d"), *edges])
    assert places(raw) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
@settings(deadline=None)
def test_no_json_makes_it_raise(raw: Any) -> None:
    judge(raw)


def near(*usual: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(usual) | json_values


names = st.sampled_from(["a", "b", "c", "", "\ud800", "error"])
conditions = st.fixed_dictionaries(
    {},
    optional={
        "left": near("{{nodes.a.x}}", "{{a.}}"),
        "operator": near("equals", "is_empty"),
        "right": near("x"),
        "join": near("and", "or"),
    },
)
branches = st.fixed_dictionaries(
    {},
    optional={
        "id": names | json_values,
        "label": near("x"),
        "conditions": st.lists(conditions) | json_values,
    },
)
configs = st.fixed_dictionaries(
    {},
    optional={
        "system_prompt": near("{{nodes.b.response}}", "{{trigger.input}}", "{{x.y}}"),
        "branches": st.lists(branches, max_size=3) | json_values,
        "fields": near({"a": "{{nodes.c.x?}}"}),
        "input": near("text"),
    },
)
raw_nodes = st.fixed_dictionaries(
    {},
    optional={
        "id": names | json_values,
        "kind": near(*KINDS),
        "config": configs | json_values,
        "retry": near({"max_attempts": 2}),
        "on_error": near("route"),
        "position": near({"x": 1}),
        "pinned_output": json_values,
    },
)
raw_edges = st.fixed_dictionaries(
    {},
    optional={
        "id": names | json_values,
        "source": names | json_values,
        "target": names | json_values,
        "source_port": names | json_values,
        "target_port": near("in", "out"),
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "schema": near(1),
        "variables": json_values,
        "nodes": st.lists(raw_nodes | json_values, max_size=6) | json_values,
        "edges": st.lists(raw_edges | json_values, max_size=6) | json_values,
        "other": json_values,
    },
)


@given(documents)
@settings(deadline=None, max_examples=300)
def test_nothing_that_resembles_a_workflow_makes_it_raise(raw: Any) -> None:
    judge(raw)
