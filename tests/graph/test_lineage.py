"""Sections 3.5 to 3.7 of the contract: what a node sees of what is above it."""

import pytest
from graph_kinds import KINDS, agent, chain, decision, edge, graph, trigger
from graph_strategies import picks, play, workflows
from hypothesis import given

from aistudio.graph.definition import Node, Workflow
from aistudio.graph.lineage import absorbed_ports, live_ancestors, live_predecessors, topological_order


def workflow(nodes: list[object], edges: list[object]) -> Workflow:
    return Workflow.model_validate(graph(nodes, edges))


DIAMOND = workflow(
    [agent("end"), decision("d", "yes", "no"), agent("b"), agent("a"), trigger(), agent("aside")],
    [
        edge("start", "d"),
        edge("start", "aside"),
        edge("d", "a", "yes"),
        edge("d", "b", "no"),
        edge("a", "end"),
        edge("b", "end"),
        edge("a", "end"),
        edge("start", "end"),
    ],
)


def test_topological_order_takes_the_first_in_nodes_order_whose_predecessors_are_out() -> None:
    assert topological_order(DIAMOND) == ["start", "d", "b", "a", "end", "aside"]
    assert topological_order(workflow([trigger("z"), trigger("a"), trigger("m")], [])) == ["z", "a", "m"]


def test_ancestors_are_those_on_live_paths() -> None:
    live = {"start": ("out",), "d": ("yes",), "a": ("out",), "b": ()}
    assert live_ancestors(DIAMOND, "end", live) == ["start", "d", "a"]
    assert live_ancestors(DIAMOND, "a", live) == ["start", "d"]
    assert live_ancestors(DIAMOND, "start", live) == []


def test_a_node_beside_the_path_is_no_ancestor_even_when_it_completed() -> None:
    live = {"start": ("out",), "d": ("yes",), "a": ("out",), "aside": ("out",)}
    assert "aside" not in live_ancestors(DIAMOND, "end", live)


def test_a_completed_node_behind_a_dead_edge_is_no_ancestor() -> None:
    nodes = [trigger(), agent("a"), decision("d", "yes", "no"), agent("end")]
    edges = [edge("start", "a"), edge("a", "d"), edge("d", "end", "no"), edge("start", "end")]
    live = {"start": ("out",), "a": ("out",), "d": ("yes",)}
    assert live_ancestors(workflow(nodes, edges), "end", live) == ["start"]


def test_the_order_is_that_of_the_graph_not_of_the_run() -> None:
    """A predecessor that was skipped holds its place in the order all the same."""
    nodes = [trigger(), agent("b"), agent("c"), decision("x", "yes", "no"), agent("end")]
    edges = [edge("start", "b"), edge("start", "c"), edge("start", "x"), edge("x", "b", "no")]
    raw = workflow(nodes, [*edges, edge("b", "end"), edge("c", "end")])
    live = {"start": ("out",), "x": ("yes",), "b": ("out",), "c": ("out",)}
    assert live_ancestors(raw, "end", live) == ["start", "c", "b"]


def test_direct_predecessors_over_live_edges_in_nodes_order() -> None:
    live = {"start": ("out",), "d": ("no",), "b": ("out",)}
    assert live_predecessors(DIAMOND, "end", live) == ["b", "start"]
    assert live_predecessors(DIAMOND, "end", {**live, "a": ("error",)}) == ["b", "start"]
    assert live_predecessors(DIAMOND, "start", live) == []
    assert live_predecessors(DIAMOND, "end", {}) == []


@pytest.mark.parametrize(
    ("raw", "ports"),
    [
        (agent("a"), ()),
        (agent("a", on_error="fail"), ()),
        (agent("a", on_error="continue"), ("out",)),
        (agent("a", on_error="route"), ("error",)),
        (decision("d", "yes", "no", on_error="continue"), ("yes", "no")),
        (decision("d", "yes", "no", on_error="route"), ("error",)),
        ({"id": "h", "kind": "approval", "on_error": "continue"}, ("approved", "rejected")),
    ],
)
def test_ports_after_a_failure(raw: dict[str, object], ports: tuple[str, ...]) -> None:
    node = Node.model_validate(raw)
    assert absorbed_ports(node, KINDS[node.kind]) == ports


def test_a_thousand_in_a_row() -> None:
    names = [f"n{index}" for index in range(999)]
    long = Workflow.model_validate(chain(trigger(), *(agent(name) for name in names)))
    live = {node.id: ("out",) for node in long.nodes}
    assert live_ancestors(long, names[-1], live) == ["start", *names[:-1]]


@given(workflows(), picks)
def test_ancestors_come_after_their_own_and_predecessors_are_among_them(
    graph: Workflow, choices: list[int]
) -> None:
    run = play(graph, choices)
    position = {node_id: index for index, node_id in enumerate(topological_order(graph))}
    assert all(position[edge.source] < position[edge.target] for edge in graph.edges)
    for node in graph.nodes:
        ancestors = live_ancestors(graph, node.id, run.live)
        assert ancestors == sorted(ancestors, key=position.__getitem__)
        assert set(live_predecessors(graph, node.id, run.live)) <= set(ancestors)
        assert set(ancestors) <= set(run.order)
        assert bool(ancestors) == (node.id in run.order and node.kind != "trigger")
