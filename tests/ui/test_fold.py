"""The browser's fold of a run's events, held to the server's projection."""

from typing import Any

from aistudio.graph.definition import Workflow
from aistudio.graph.events import Event, EventType
from aistudio.graph.projection import project
from aistudio.nodes.registry import specs
from tests.ui.node import call

ASK = {"id": "ask", "kind": "approval"}
SHOWN = [{"id": name, "kind": "visualize"} for name in ("a", "b", "yes", "no")]
GRAPH: dict[str, Any] = {
    "nodes": [{"id": "start", "kind": "trigger"}, ASK, *SHOWN],
    "edges": [
        {"source": "start", "target": "ask"},
        {"source": "start", "target": "a"},
        {"source": "a", "target": "b"},
        {"source": "ask", "source_port": "approved", "target": "yes"},
        {"source": "ask", "source_port": "rejected", "target": "no"},
    ],
}
OUTPUT = {"decision": "approved", "comment": "", "by": "ada"}
FOLD = """
(() => {
    const begin = { status: null, sequence: 0, nodes: {}, sources: m.sourcesOf(it.graph), log: [] };
    let run = begin;
    return it.events.map((event) => {
        run = m.foldEvent(run, event);
        const nodes = Object.entries(run.nodes).map(([id, node]) => [id, node.status]);
        return { status: run.status, nodes: Object.fromEntries(nodes) };
    });
})()
"""


def told(*facts: tuple[str, str | None, dict[str, Any]]) -> list[Event]:
    return [
        Event(
            execution_id="x",
            sequence=place,
            type=EventType(kind),
            node_id=node_id,
            attempt=1,
            timestamp=f"2026-01-01T00:00:{place:02}Z",
            payload=payload,
        )
        for place, (kind, node_id, payload) in enumerate(facts, start=1)
    ]


RUN = told(
    ("execution_started", None, {}),
    ("node_started", "start", {}),
    ("node_completed", "start", {"output": {}}),
    ("node_started", "ask", {}),
    ("node_waiting", "ask", {"message": "?", "expires_at": None}),
    ("node_started", "a", {}),
    ("node_completed", "a", {"output": {}}),
    ("node_started", "b", {}),
    ("node_completed", "b", {"output": {}}),
    ("node_resumed", "ask", OUTPUT),
    ("node_completed", "ask", {"output": OUTPUT}),
    ("node_started", "yes", {}),
    ("node_skipped", "no", {"reason": "branch_not_taken"}),
    ("node_completed", "yes", {"output": {}}),
    ("execution_completed", None, {}),
)


def test_browser_and_server_see_the_same_run_after_every_event() -> None:
    events = [event.model_dump(mode="json") for event in RUN]
    [folded] = call("fold.js", FOLD, [{"graph": GRAPH, "events": events}])
    workflow = Workflow.model_validate(GRAPH)
    seen = set()
    for place, now in enumerate(folded, start=1):
        state = project(workflow, specs(), RUN[:place])
        assert now["status"] == state.status, RUN[place - 1]
        seen.add(now["status"])
        for node_id, status in now["nodes"].items():
            assert status == state.nodes[node_id].status, RUN[place - 1]
    assert seen == {"pending", "running", "waiting", "completed"}


def test_a_wire_is_taken_when_its_port_is_the_one_that_was_chosen() -> None:
    def node(**more: Any) -> dict[str, Any]:
        return {"status": "completed", **more}

    cases: list[tuple[Any, str, str | None, bool]] = [
        (node(output=OUTPUT), "approved", "decision", True),
        (node(output=OUTPUT), "rejected", "decision", False),
        (node(output=OUTPUT), "error", "decision", False),
        (node(output={"preview": "{"}, details={"branch": "left"}), "left", "branch", True),
        # What a node that chooses nothing has put out means nothing.
        (node(output={"branch": "left", "decision": "no"}), "out", None, True),
        ({"status": "waiting"}, "approved", "decision", False),
        (None, "out", None, False),
    ]
    said = call("fold.js", "m.isTaken(...it)", [case[:3] for case in cases])
    assert said == [case[3] for case in cases]


def test_a_failure_takes_the_wires_that_its_policy_goes_on_by() -> None:
    absorbed, final = ({"status": "failed", "absorbed": one} for one in (True, False))
    cases: list[tuple[Any, str, str, bool]] = [
        (absorbed, "out", "continue", True),
        (absorbed, "error", "continue", False),
        (absorbed, "out", "route", False),
        (absorbed, "error", "route", True),
        (final, "out", "fail", False),
        (final, "error", "fail", False),
    ]
    said = call("fold.js", "m.isTaken(it[0], it[1], null, it[2])", [case[:3] for case in cases])
    assert said == [case[3] for case in cases]
