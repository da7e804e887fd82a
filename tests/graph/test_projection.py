"""Sections 3.8 to 3.10 and 4 of the contract: what a run's events say about where it stands."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from graph_kinds import KINDS, agent, chain, decision, edge, graph, trigger
from graph_strategies import BRANCHES, documents, picks, play, workflows
from hypothesis import given
from hypothesis import strategies as st

from aistudio.graph.definition import Workflow
from aistudio.graph.events import Event, EventType, ExecutionStatus, NodeStatus
from aistudio.graph.projection import ExecutionState, NodeState, Projection, project
from aistudio.graph.validation import validate

ERROR = {"code": "timeout", "message": "It took too long."}


def event(kind: str, node_id: str | None = None, attempt: int = 1, **payload: Any) -> Event:
    return Event(
        execution_id="x",
        sequence=1,
        type=EventType(kind),
        node_id=node_id,
        attempt=attempt if node_id else 0,
        timestamp="",
        payload=payload,
    )


def numbered(events: Iterable[Event]) -> list[Event]:
    return [
        one.model_copy(update={"sequence": number, "timestamp": f"2026-01-01T00:00:{number:02}Z"})
        for number, one in enumerate(events, 1)
    ]


def state(raw: dict[str, Any], *events: Event) -> ExecutionState:
    return project(Workflow.model_validate(raw), KINDS, numbered([event("execution_started"), *events]))


def statuses(raw: dict[str, Any], *events: Event) -> dict[str, str]:
    return {node_id: node.status.value for node_id, node in state(raw, *events).nodes.items()}


def completed(node_id: str, **output: Any) -> Event:
    return event("node_completed", node_id, output=output or {"response": "x"}, duration_ms=1)


def started(node_id: str, attempt: int = 1) -> Event:
    return event("node_started", node_id, attempt, ready_at="")


LINE = chain(trigger(), agent("a"), agent("b"))
FORK = graph(
    [trigger(), decision("d", "yes", "no"), agent("y"), agent("n"), {"id": "ask", "kind": "approval"}],
    [edge("start", "d"), edge("d", "y", "yes"), edge("d", "n", "no"), edge("start", "ask")],
)


def test_before_anything_happened() -> None:
    idle = {node_id: NodeState() for node_id in ("start", "a", "b")}
    assert project(Workflow.model_validate(LINE), KINDS, []) == ExecutionState(
        status=ExecutionStatus.PENDING,
        error=None,
        started_at=None,
        finished_at=None,
        last_sequence=0,
        nodes=idle,
    )


def test_a_run_from_start_to_end() -> None:
    events = [started("start"), completed("start", input="hi"), started("a"), completed("a")]
    events += [started("b"), completed("b"), event("execution_completed")]
    assert statuses(LINE) == {"start": "queued", "a": "idle", "b": "idle"}
    assert state(LINE).status == "pending"
    assert statuses(LINE, *events[:1]) == {"start": "running", "a": "idle", "b": "idle"}
    assert state(LINE, *events[:1]).status == "running"
    assert statuses(LINE, *events[:2]) == {"start": "completed", "a": "queued", "b": "idle"}
    assert statuses(LINE, *events[:5]) == {"start": "completed", "a": "completed", "b": "running"}
    end = state(LINE, *events)
    assert end.status == "completed"
    assert end.error is None
    assert (end.started_at, end.finished_at) == ("2026-01-01T00:00:02Z", "2026-01-01T00:00:08Z")
    assert end.last_sequence == 8
    assert end.nodes["start"] == NodeState(
        status=NodeStatus.COMPLETED,
        attempt=1,
        started_at="2026-01-01T00:00:02Z",
        finished_at="2026-01-01T00:00:03Z",
        output={"input": "hi"},
    )


def test_a_decision_queues_what_its_branch_leads_to() -> None:
    events = [started("start"), completed("start"), started("d"), completed("d", branch="no")]
    after = statuses(FORK, *events)
    assert after == {"start": "completed", "d": "completed", "y": "idle", "n": "queued", "ask": "queued"}
    skipped = state(FORK, *events, event("node_skipped", "y", 0, reason="branch_not_taken"))
    assert skipped.nodes["y"] == NodeState(status=NodeStatus.SKIPPED)
    assert skipped.nodes["n"].status == "queued"


def test_a_node_out_of_reach_is_idle_until_its_skip_is_written() -> None:
    raw = graph([trigger(), agent("lost")])
    assert statuses(raw) == {"start": "queued", "lost": "idle"}
    skip = event("node_skipped", "lost", 0, reason="not_connected")
    assert statuses(raw, skip) == {"start": "queued", "lost": "skipped"}
    assert state(raw, skip).status == "pending"


def test_retries() -> None:
    first = [started("start"), completed("start"), started("a")]
    again = event("node_retrying", "a", 1, error=ERROR, max_attempts=3)
    waiting = state(LINE, *first, again)
    assert waiting.nodes["a"].status == "retrying"
    assert waiting.nodes["a"].error == ERROR
    assert waiting.status == "running"
    second = state(LINE, *first, again, started("a", 2)).nodes["a"]
    assert (second.status, second.attempt, second.error) == ("running", 2, None)
    assert second.started_at == "2026-01-01T00:00:04Z"
    assert second.finished_at is None


def test_waiting_is_a_run_in_which_somebody_waits_and_nobody_works() -> None:
    events = [started("start"), completed("start"), started("ask"), event("node_waiting", "ask", message="?")]
    assert statuses(FORK, *events)["ask"] == "waiting"
    assert statuses(FORK, *events)["d"] == "queued"
    assert state(FORK, *events).status == "running"
    events += [started("d")]
    assert state(FORK, *events).status == "running"
    retry = event("node_retrying", "d", error=ERROR)
    assert state(FORK, *events, retry).status == "running"
    events += [completed("d", branch="yes"), started("y"), completed("y")]
    assert state(FORK, *events).status == "waiting"
    resumed = event("node_resumed", "ask", decision="approve", by="ada")
    assert state(FORK, *events, resumed).status == "running"
    assert state(FORK, *events, resumed).nodes["ask"].status == "running"


def test_a_failure_that_ends_the_run() -> None:
    raw = graph([trigger(), agent("a"), agent("b"), agent("c")], [edge("start", n) for n in "abc"])
    events = [started("start"), completed("start"), started("a"), started("b")]
    events += [event("node_failed", "a", error=ERROR, absorbed=False)]
    failed = state(raw, *events)
    assert failed.nodes["a"].status == "failed"
    assert failed.nodes["a"].error == ERROR
    assert failed.nodes["a"].output is None
    assert failed.nodes["a"].finished_at == "2026-01-01T00:00:06Z"
    assert failed.nodes["c"].status == "idle"
    events += [event("node_cancelled", "b"), event("execution_failed", error=ERROR)]
    end = state(raw, *events)
    assert (end.status, end.error) == ("failed", ERROR)
    assert [node.status for node in end.nodes.values()] == ["completed", "failed", "cancelled", "idle"]
    assert end.nodes["b"].finished_at is not None


@pytest.mark.parametrize(("policy", "queued"), [("continue", "good"), ("route", "bad")])
def test_an_absorbed_failure_is_an_output_and_goes_on(policy: str, queued: str) -> None:
    nodes = [trigger(), agent("a", on_error=policy), agent("good"), agent("bad")]
    raw = graph(nodes, [edge("start", "a"), edge("a", "good"), edge("a", "bad", "error")])
    events = [started("start"), completed("start"), started("a")]
    after = state(raw, *events, event("node_failed", "a", error=ERROR, absorbed=True))
    assert after.nodes["a"].status == "failed"
    assert after.nodes["a"].error == ERROR
    assert after.nodes["a"].output == {"error": ERROR}
    assert [name for name, node in after.nodes.items() if node.status == "queued"] == [queued]
    assert after.status == "running"


def test_cancelling() -> None:
    events = [started("start"), completed("start"), started("ask"), event("node_waiting", "ask")]
    events += [event("execution_cancelling", by="ada")]
    now = state(FORK, *events)
    assert now.status == "cancelling"
    assert {name: node.status for name, node in now.nodes.items()} == {
        "start": "completed",
        "d": "idle",
        "y": "idle",
        "n": "idle",
        "ask": "waiting",
    }
    late = state(FORK, *events, completed("ask", decision="approved"))
    assert late.status == "cancelling"
    assert late.nodes["ask"].status == "completed"
    events += [event("node_cancelled", "ask"), event("execution_cancelled")]
    end = state(FORK, *events)
    assert (end.status, end.error) == ("cancelled", None)
    assert end.nodes["ask"].status == "cancelled"
    assert end.finished_at == "2026-01-01T00:00:08Z"


def test_what_completes_late_while_cancelling_queues_nothing() -> None:
    events = [started("start"), event("execution_cancelling", by="ada"), completed("start")]
    assert statuses(LINE, *events) == {"start": "completed", "a": "idle", "b": "idle"}


def test_cancelled_before_anything_started() -> None:
    cancelling = state(LINE, event("execution_cancelling", by="ada"))
    assert cancelling.status == "cancelling"
    assert {node.status for node in cancelling.nodes.values()} == {"idle"}
    assert (
        state(LINE, event("execution_cancelling", by="a"), event("execution_cancelled")).status == "cancelled"
    )


def test_kept_and_pinned_nodes_complete_without_a_start() -> None:
    kept = [event("node_completed", "start", 0, output={"input": "x"}, reused_from="other")]
    kept += [event("node_completed", "a", 0, output={"response": "y"}, pinned=True)]
    now = state(LINE, *kept)
    assert statuses(LINE, *kept) == {"start": "completed", "a": "completed", "b": "queued"}
    assert now.status == "pending"
    assert (now.nodes["a"].attempt, now.nodes["a"].started_at) == (0, None)


def test_a_kept_node_may_be_told_before_those_above_it() -> None:
    kept = event("node_completed", "b", 0, output={"response": "y"}, reused_from="other")
    assert statuses(LINE, kept) == {"start": "queued", "a": "idle", "b": "completed"}
    events = [kept, started("start"), completed("start"), started("a"), completed("a")]
    assert statuses(LINE, *events) == {"start": "completed", "a": "completed", "b": "completed"}


def test_a_pinned_decision_goes_where_its_output_says() -> None:
    pinned = event("node_completed", "d", 0, output={"branch": "yes"}, pinned=True)
    assert statuses(FORK, started("start"), completed("start"), pinned)["y"] == "queued"
    odd = event("node_completed", "d", 0, output="yes", pinned=True)
    assert statuses(FORK, started("start"), completed("start"), odd)["y"] == "idle"


def test_a_large_output_is_shown_as_its_event_carries_it() -> None:
    preview = {"preview": "abc", "size": 100_000, "href": "/api/executions/x/nodes/start/output"}
    now = state(LINE, started("start"), event("node_completed", "start", output=preview))
    assert now.nodes["start"].output == preview
    assert now.nodes["a"].status == "queued"


def test_a_kind_or_node_that_is_no_longer_known_raises_nothing() -> None:
    raw = graph([trigger(), {"id": "x", "kind": "gone"}, agent("a")], [edge("start", "x"), edge("x", "a")])
    events = [started("start"), completed("start"), started("x"), completed("x"), started("ghost")]
    assert statuses(raw, *events) == {"start": "completed", "x": "completed", "a": "idle"}


def test_a_state_once_given_does_not_change() -> None:
    projection = Projection(Workflow.model_validate(LINE), KINDS)
    before = projection.state()
    copy = replace(before, nodes={name: replace(node) for name, node in before.nodes.items()})
    for one in numbered([event("execution_started"), started("start"), completed("start")]):
        projection.apply(one)
    assert before == copy
    assert projection.state() != before


@given(documents())
def test_the_random_workflows_of_these_tests_are_valid(raw: dict[str, Any]) -> None:
    assert validate(raw, KINDS).workflow is not None


def told(workflow: Workflow, choices: list[int]) -> tuple[list[Event], list[frozenset[str]]]:
    """A whole run's events, and after each of them the nodes that are ready and not started."""
    run = play(workflow, choices)
    events = [event("execution_started")]
    queued = [frozenset(run.steps[0].ready)]

    def tell(one: Event, ready: Iterable[str] = ()) -> None:
        events.append(one)
        gone = {one.node_id} if one.type == "node_started" else set()
        queued.append((queued[-1] | set(ready)) - gone)

    for skip in run.steps[0].skipped:
        tell(event("node_skipped", skip.node_id, 0, reason=skip.reason))
    for node_id, step in zip(run.order, run.steps[1:], strict=True):
        tell(started(node_id))
        if node_id in run.failed:
            tell(event("node_failed", node_id, error=ERROR, absorbed=True), step.ready)
        else:
            branch = next((port for port in run.live[node_id] if port in BRANCHES), None)
            tell(completed(node_id, **({"branch": branch} if branch else {})), step.ready)
        for skip in step.skipped:
            tell(event("node_skipped", skip.node_id, 0, reason=skip.reason))
    tell(event("execution_completed"))
    return numbered(events), queued


@given(workflows(), picks)
def test_every_prefix_of_a_run_shows_exactly_its_queue(workflow: Workflow, choices: list[int]) -> None:
    events, queued = told(workflow, choices)
    projection = Projection(workflow, KINDS)
    for one, expected in zip(events, queued, strict=True):
        projection.apply(one)
        now = projection.state()
        assert {name for name, node in now.nodes.items() if node.status == "queued"} == expected
        assert now.last_sequence == one.sequence
    assert now.status == "completed"
    assert {node.status.value for node in now.nodes.values()} <= {"completed", "failed", "skipped"}
    assert now == project(workflow, KINDS, events)


odd_payloads = st.dictionaries(
    st.sampled_from(["error", "output", "absorbed", "reason", "attempt"]),
    st.none() | st.booleans() | st.text() | st.just(ERROR) | st.just({"branch": "yes"}),
)
odd_events = st.builds(
    Event,
    execution_id=st.just("x"),
    sequence=st.integers(1, 99),
    type=st.sampled_from(EventType),
    node_id=st.none() | st.sampled_from(["n0", "n1", "n2", "n3", "ghost", ""]),
    attempt=st.integers(0, 3),
    timestamp=st.just("2026-01-01T00:00:00Z"),
    payload=odd_payloads,
)


@given(workflows(4), st.lists(odd_events, max_size=12))
def test_no_events_whatever_make_it_raise(workflow: Workflow, events: list[Event]) -> None:
    projection = Projection(workflow, KINDS)
    for one in events:
        projection.apply(one)
        assert set(projection.state().nodes) == {node.id for node in workflow.nodes}
