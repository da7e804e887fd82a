"""What the workflow and its activities tell each other, kept small: it all stays in Temporal's history.

Nodes travel as their places in the graph's `nodes`, ports as places among the ports a node's edges name
(see `routes`), so that no graph's messages come near 64 KiB. Configurations, prompts and outputs stay
in PostgreSQL.
"""

from dataclasses import dataclass, field
from typing import Literal

TASK_QUEUE = "aistudio"

# What `ApplicationError.type` says when the run may not go on: it ended, or is being cancelled.
STOPPED = "stopped"
# What it says when a decision comes for a node that does not wait for one.
NOT_WAITING = "node_not_waiting"

Outcome = Literal["completed", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A node whose result is there when the run starts, and its live ports."""

    node: int
    live: list[int]


@dataclass(frozen=True, kw_only=True)
class RunTask:
    """A whole run, as the workflow's input.

    Attributes:
        execution_id: the row in PostgreSQL; also the Temporal workflow id.
        routes: for every node, for every port its edges name, the nodes they lead to.
        triggers: the nodes a run starts from.
        timeouts: for every node, the seconds one attempt may take.
        names: node ids for people who read the history; empty when they are long or cannot be printed.
        waits: whether a node may wait for a human, and the run so take for ever.
        kept: the nodes that have settled before the run starts.
    """

    execution_id: str
    routes: list[list[list[int]]]
    triggers: list[int]
    timeouts: list[int]
    names: list[str] = field(default_factory=list)
    waits: bool = False
    kept: list[Kept] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Skips:
    """Skipped nodes whose events are still to be written, by reason."""

    branch_not_taken: list[int] = field(default_factory=list)
    not_connected: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a human decided about a node that waits, with their words and their name."""

    node: int
    decision: Literal["approve", "reject"]
    comment: str
    by: str


@dataclass(frozen=True, kw_only=True)
class NodeTask:
    """One node to run, or to go on with after it waited.

    Attributes:
        ready_at: since when it could start or go on, ISO 8601 UTC.
        skips: those decided before it.
        decision: what it waited for; null when the time was up.
    """

    execution_id: str
    node: int
    ready_at: str
    skips: Skips = field(default_factory=Skips)
    decision: Decision | None = None


@dataclass(frozen=True, kw_only=True)
class SkipTask:
    """Skips decided at a moment when no node starts that could carry them."""

    execution_id: str
    skips: Skips


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A node asks a human; `expires_at` is ISO 8601 UTC, null when it waits for ever."""

    expires_at: str | None


@dataclass(frozen=True, kw_only=True)
class NodeOutcome:
    """A node that settled, or waits for a human.

    Attributes:
        node_id: for people who read the history.
        live: which of its ports are live.
        wait: what it waits for; null when it settled.
    """

    node_id: str
    live: list[int]
    wait: Wait | None = None


@dataclass(frozen=True, kw_only=True)
class RunError:
    """Why a run failed: a code of the contract and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class FinishTask:
    """How a run ends, as far as the workflow knows; `error` belongs to `failed`."""

    execution_id: str
    outcome: Outcome
    skips: Skips
    error: RunError | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended in PostgreSQL, which may differ when a cancel came first."""

    outcome: Outcome
    error: RunError | None = None
