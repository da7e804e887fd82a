"""What a re-run keeps (contract, section 5)."""

from collections.abc import Callable
from typing import Any

import pytest
from graph_kinds import KINDS, agent, decision, edge, graph, trigger

from aistudio.graph import reuse
from aistudio.graph.definition import Workflow
from aistudio.graph.events import Event, EventType

EXECUTION = "0f0e0d0c-0000-4000-8000-000000000000"


def raw() -> dict[str, Any]:
    """start → which → yes | no; start → side; yes and side → end."""
    nodes = [
        trigger(),
        decision("which", "yes", "no"),
        agent("yes"),
        agent("no"),
        agent("side"),
        agent("end"),
    ]
    edges = [edge("start", "which"), edge("start", "side"), edge("which", "yes", "yes")]
    edges += [edge("which", "no", "no"), edge("yes", "end"), edge("side", "end")]
    return graph(nodes, edges)


def workflow(change: Callable[[dict[str, Any]], None] = lambda raw: None) -> Workflow:
    document = raw()
    change(document)
    return Workflow.model_validate(document)


def event(kind: EventType, node_id: str | None, **payload: Any) -> Event:
    return Event(
        execution_id=EXECUTION,
        sequence=1,
        type=kind,
        node_id=node_id,
        attempt=1,
        timestamp="2026-11-24T00:00:00Z",
        payload=payload,
    )


TOLD = [
    event(EventType.EXECUTION_STARTED, None),
    event(EventType.NODE_COMPLETED, "start", output={"input": ""}),
    event(EventType.NODE_COMPLETED, "which", output={"branch": "yes"}),
    event(EventType.NODE_SKIPPED, "no", reason="branch_not_taken"),
    event(EventType.NODE_STARTED, "yes"),
    event(EventType.NODE_FAILED, "yes", error={"code": "timeout", "message": "Slow."}, absorbed=True),
    event(EventType.NODE_COMPLETED, "side", output={"response": "s"}),
    event(EventType.NODE_COMPLETED, "end", output={"response": "e"}),
]


def kept(from_node: str | None, now: Workflow | None = None) -> list[str | None]:
    return [one.node_id for one in reuse.kept(now or workflow(), TOLD, from_node, workflow())]


def test_a_whole_run_keeps_nothing() -> None:
    assert kept(None) == []


def test_what_is_at_or_below_the_node_runs_again_and_so_does_what_failed() -> None:
    assert kept("end") == ["start", "which", "no", "side"]
    assert kept("side") == ["start", "which", "no"]
    assert kept("which") == ["start", "side"]
    assert kept("start") == []


def node_of(document: dict[str, Any], node_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in document["nodes"] if node["id"] == node_id)
    return found


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda d: node_of(d, "side")["config"].update(system_prompt="Other."), ["start", "which", "no"]),
        (lambda d: node_of(d, "side").update(kind="visualize", config={}), ["start", "which", "no"]),
        (lambda d: node_of(d, "start").update(config={"input": "Other."}), []),
        (lambda d: d["edges"].append(edge("side", "which")), ["start", "side"]),
        (lambda d: d["nodes"].append(agent("new")), ["start", "which", "no", "side"]),
        (lambda d: d.update(variables={"x": 1}), []),
        (lambda d: node_of(d, "start").update(title="Other"), ["start"]),
        # What nobody's answer depends on.
        (lambda d: node_of(d, "side").update(position={"x": 9, "y": 9}), ["start", "which", "no", "side"]),
        (lambda d: node_of(d, "side").update(retry={"max_attempts": 9}), ["start", "which", "no", "side"]),
        (lambda d: d.update(name="Other", description="Other"), ["start", "which", "no", "side"]),
    ],
)
def test_on_a_draft_only_what_is_as_it_was_is_kept(change: Callable[..., None], left: list[str]) -> None:
    assert kept("end", workflow(change)) == left


def test_a_part_is_a_node_and_its_upstream() -> None:
    part = reuse.part(workflow(), "yes")
    assert [node.id for node in part.nodes] == ["start", "which", "yes"]
    assert [(one.source, one.target) for one in part.edges] == [("start", "which"), ("which", "yes")]


def test_the_ports_that_events_tell_of() -> None:
    ports = reuse.known_ports(workflow(), KINDS, TOLD)
    assert ports == {"start": ("out",), "which": ("yes",), "no": (), "side": ("out",), "end": ("out",)}


def test_ports_hidden_behind_a_preview_are_not_guessed() -> None:
    carried = {"preview": "{", "size": 70_000, "href": "/api"}
    assert (
        reuse.known_ports(workflow(), KINDS, [event(EventType.NODE_COMPLETED, "which", output=carried)]) == {}
    )


def test_a_thousand_nodes_are_compared_in_no_time() -> None:
    nodes = [trigger(), *(agent(f"n{number}") for number in range(999))]
    names = ["start", *(f"n{number}" for number in range(999))]
    edges = [edge(a, b) for place, a in enumerate(names) for b in names[place + 1 : place + 5]]
    whole = Workflow.model_validate(graph(nodes, edges))
    assert reuse.unchanged(whole, whole) == set(names)
