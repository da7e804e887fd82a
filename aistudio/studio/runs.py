"""A run as it stands, read at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from aistudio.graph.definition import Workflow
from aistudio.graph.events import Event
from aistudio.graph.kinds import Kinds
from aistudio.graph.projection import NodeState, project
from aistudio.store import deltas, events, executions
from aistudio.store.database import Database
from aistudio.store.encoding import iso
from aistudio.studio.views import ErrorView, EventView, ExecutionSummary, ExecutionView, NodeView


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run with everything that has happened in it.

    Attributes:
        view: what it looks like now.
        events: all of its events, from the first.
    """

    view: ExecutionView
    events: Sequence[Event]


async def read_run(database: Database, kinds: Kinds, owner_id: str, execution_id: str) -> Run | None:
    """The run, or null when the owner has none with this id."""
    async with database.snapshot() as connection:
        row = await executions.get(connection, owner_id, execution_id)
        if row is None:
            return None
        told = await events.read(connection, execution_id, limit=None)
        texts = await deltas.texts(connection, execution_id)
    state = project(Workflow.model_validate(row.graph), kinds, told)
    view: ExecutionView = {
        **summarize(row),
        "status": state.status,
        "started_at": state.started_at,
        "graph": as_object(row.graph),
        "nodes": {name: _node(node, texts.get(name)) for name, node in state.nodes.items()},
    }
    return Run(view=view, events=told)


def summarize(row: executions.ExecutionSummary) -> ExecutionSummary:
    """The run as its row tells it."""
    return {
        "id": row.id,
        "workflow_id": row.workflow_id,
        "version": row.version,
        "status": row.status,
        "input": row.input if row.has_input else None,
        "error": _error(row.error),
        "created_at": iso(row.created_at),
        "started_at": _iso(row.started_at),
        "finished_at": _iso(row.finished_at),
        "usage": {"input_tokens": row.input_tokens, "output_tokens": row.output_tokens},
        "cost_usd": row.cost_usd,
        "last_sequence": row.last_sequence,
        "rerun_of": row.rerun_of,
    }


def event_view(event: Event) -> EventView:
    """The event as JSON."""
    return {
        "execution_id": event.execution_id,
        "sequence": event.sequence,
        "type": event.type,
        "node_id": event.node_id,
        "attempt": event.attempt,
        "timestamp": event.timestamp,
        "payload": event.payload,
    }


def as_object(graph: JsonValue) -> dict[str, JsonValue]:
    """A stored graph: nothing but an object is ever stored."""
    assert isinstance(graph, dict)
    return graph


def _node(state: NodeState, streamed: tuple[int, str] | None) -> NodeView:
    # The text of an attempt that has not shown up among the events yet comes with its own delta.
    text = streamed[1] if streamed is not None and streamed[0] == state.attempt else ""
    return {
        "status": state.status,
        "attempt": state.attempt,
        "started_at": state.started_at,
        "finished_at": state.finished_at,
        "output": state.output,
        "error": _error(state.error),
        "text": text,
        "offset": len(text),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _error(error: dict[str, str] | None) -> ErrorView | None:
    return None if error is None else {"code": error["code"], "message": error["message"]}
