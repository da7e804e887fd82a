"""A run as its events tell it: the state that REST shows and every page rebuilds (contract, 3.10 and 4)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue

from aistudio.graph.definition import Node, Workflow
from aistudio.graph.events import Event, EventType, ExecutionStatus, NodeStatus
from aistudio.graph.kinds import Kinds
from aistudio.graph.lineage import absorbed_ports
from aistudio.graph.scheduler import Scheduler, Step, plan

_BUSY = frozenset({NodeStatus.QUEUED, NodeStatus.RUNNING, NodeStatus.RETRYING})
_TERMINAL = {
    EventType.EXECUTION_COMPLETED: ExecutionStatus.COMPLETED,
    EventType.EXECUTION_FAILED: ExecutionStatus.FAILED,
    EventType.EXECUTION_CANCELLED: ExecutionStatus.CANCELLED,
}


@dataclass(kw_only=True)
class NodeState:
    """Where one node stands.

    Attributes:
        attempt: the latest attempt; 0 when the node was never started.
        started_at: when its first attempt started, ISO 8601 UTC.
        finished_at: when it completed, failed or was cancelled, ISO 8601 UTC.
        output: as its event carries it; a failure that was absorbed is one, too.
        error: why it failed, or why it is being tried again.
    """

    status: NodeStatus = NodeStatus.IDLE
    attempt: int = 0
    started_at: str | None = None
    finished_at: str | None = None
    output: JsonValue = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ExecutionState:
    """Where a run stands; times are ISO 8601 UTC, `started_at` is the first node's."""

    status: ExecutionStatus
    error: dict[str, Any] | None
    started_at: str | None
    finished_at: str | None
    last_sequence: int
    nodes: dict[str, NodeState]


def project(workflow: Workflow, kinds: Kinds, events: Iterable[Event]) -> ExecutionState:
    """The state after these events, which begin with a run's first and leave none out."""
    projection = Projection(workflow, kinds)
    for event in events:
        projection.apply(event)
    return projection.state()


class Projection:
    """Folds a run's events one at a time. An event about something the workflow lacks changes nothing."""

    def __init__(self, workflow: Workflow, kinds: Kinds) -> None:
        self._kinds = kinds
        self._definitions = {node.id: node for node in workflow.nodes}
        self._nodes = {node.id: NodeState() for node in workflow.nodes}
        self._scheduler = Scheduler(plan(workflow, kinds))
        self._begun = False
        self._stopped = False
        self._end: ExecutionStatus | None = None
        self._error: dict[str, Any] | None = None
        self._started_at: str | None = None
        self._finished_at: str | None = None
        self._last_sequence = 0

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        self._last_sequence = event.sequence
        if event.node_id is None:
            self._apply_execution(event)
        elif event.node_id in self._nodes:
            self._apply_node(event, self._definitions[event.node_id], self._nodes[event.node_id])

    def state(self) -> ExecutionState:
        """Where the run stands now; not changed by later events."""
        return ExecutionState(
            status=self._status(),
            error=self._error,
            started_at=self._started_at,
            finished_at=self._finished_at,
            last_sequence=self._last_sequence,
            nodes={node_id: replace(node) for node_id, node in self._nodes.items()},
        )

    def _status(self) -> ExecutionStatus:
        if self._end is not None:
            return self._end
        if self._started_at is None:
            return ExecutionStatus.PENDING
        statuses = {node.status for node in self._nodes.values()}
        waiting = NodeStatus.WAITING in statuses and not statuses & _BUSY
        return ExecutionStatus.WAITING if waiting else ExecutionStatus.RUNNING

    def _apply_execution(self, event: Event) -> None:
        if event.type is EventType.EXECUTION_STARTED and not self._begun:
            self._begun = True
            self._queue(self._scheduler.start())
        elif event.type is EventType.EXECUTION_CANCELLING:
            self._end = ExecutionStatus.CANCELLING
            self._stop()
        elif event.type in _TERMINAL:
            self._end = _TERMINAL[event.type]
            self._error = event.payload.get("error")
            self._finished_at = event.timestamp
            self._stop()

    def _apply_node(self, event: Event, definition: Node, node: NodeState) -> None:
        spec = self._kinds.get(definition.kind)
        node.attempt = max(node.attempt, event.attempt)
        match event.type:
            case EventType.NODE_STARTED:
                node.status = NodeStatus.RUNNING
                node.started_at = node.started_at or event.timestamp
                node.error = None
                self._started_at = self._started_at or event.timestamp
            case EventType.NODE_RETRYING:
                node.status = NodeStatus.RETRYING
                node.error = event.payload.get("error")
            case EventType.NODE_WAITING:
                node.status = NodeStatus.WAITING
            case EventType.NODE_RESUMED:
                node.status = NodeStatus.RUNNING
            case EventType.NODE_COMPLETED:
                node.status = NodeStatus.COMPLETED
                node.finished_at = event.timestamp
                node.output = event.payload.get("output")
                node.error = None
                self._settle(definition.id, spec.live_ports(definition.config, node.output) if spec else ())
            case EventType.NODE_FAILED:
                node.status = NodeStatus.FAILED
                node.finished_at = event.timestamp
                node.error = event.payload.get("error")
                if event.payload.get("absorbed"):
                    node.output = {"error": node.error}
                    self._settle(definition.id, absorbed_ports(definition, spec) if spec else ())
                else:
                    self._stop()
            case EventType.NODE_SKIPPED:
                node.status = NodeStatus.SKIPPED
                self._settle(definition.id, ())
            case EventType.NODE_CANCELLED:
                node.status = NodeStatus.CANCELLED
                node.finished_at = event.timestamp

    def _settle(self, node_id: str, live_ports: tuple[str, ...]) -> None:
        # A skip that the scheduler has worked out is settled there before its event is written.
        if self._begun and not self._scheduler.settled(node_id):
            self._queue(self._scheduler.settle(node_id, live_ports))

    def _queue(self, step: Step) -> None:
        if self._stopped:
            return
        for node_id in step.ready:
            if self._nodes[node_id].status is NodeStatus.IDLE:
                self._nodes[node_id].status = NodeStatus.QUEUED

    def _stop(self) -> None:
        """Nothing starts any more: what was queued is idle."""
        self._stopped = True
        for node in self._nodes.values():
            if node.status is NodeStatus.QUEUED:
                node.status = NodeStatus.IDLE
