"""What a run tells the world: event types, statuses, and the event itself (contract, sections 3.10 and 4)."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class EventType(StrEnum):
    """Everything that can happen in a run."""

    EXECUTION_STARTED = "execution_started"
    NODE_STARTED = "node_started"
    NODE_RETRYING = "node_retrying"
    NODE_WAITING = "node_waiting"
    NODE_RESUMED = "node_resumed"
    NODE_COMPLETED = "node_completed"
    NODE_FAILED = "node_failed"
    NODE_SKIPPED = "node_skipped"
    NODE_CANCELLED = "node_cancelled"
    EXECUTION_CANCELLING = "execution_cancelling"
    EXECUTION_COMPLETED = "execution_completed"
    EXECUTION_FAILED = "execution_failed"
    EXECUTION_CANCELLED = "execution_cancelled"


TERMINAL_EVENTS = frozenset(
    {EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED, EventType.EXECUTION_CANCELLED}
)
# A node is through after one of these.
SETTLING_EVENTS = frozenset(
    {EventType.NODE_COMPLETED, EventType.NODE_FAILED, EventType.NODE_SKIPPED, EventType.NODE_CANCELLED}
)


class ExecutionStatus(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


TERMINAL_STATUSES = frozenset({ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})


class NodeStatus(StrEnum):
    """Where a node of a run stands; `queued` is ready but not started."""

    IDLE = "idle"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Event(BaseModel):
    """One fact about a run; `sequence` counts from 1 without gaps, `timestamp` is ISO 8601 UTC."""

    model_config = ConfigDict(frozen=True)

    execution_id: str
    sequence: int
    type: EventType
    node_id: str | None = None
    attempt: int = 0
    timestamp: str
    payload: dict[str, Any] = {}


class Delta(BaseModel):
    """A piece of streaming text; `offset` counts Unicode code points from the attempt's first."""

    model_config = ConfigDict(frozen=True)

    execution_id: str
    node_id: str
    attempt: int
    offset: int
    text: str
