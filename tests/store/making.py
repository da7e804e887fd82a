"""Short words for what store tests make over and over."""

import os
import signal
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aistudio.embedded.postgres import Postgres
from aistudio.graph.events import Event, EventType
from aistudio.store import events, executions, workflows
from aistudio.store.database import Database
from aistudio.store.events import NewEvent
from aistudio.store.executions import Execution
from aistudio.store.model_calls import ModelCall

OWNER = "owner"
GRAPH: dict[str, Any] = {"schema": 1, "nodes": [], "edges": []}


async def new_run(database: Database) -> str:
    """A run of a new workflow, which holds `execution_started` and no more."""
    workflow = await workflows.create(database, OWNER, name="Flow", graph=GRAPH)
    run_id, _ = await executions.create(
        database, OWNER, workflow_id=workflow.id, version=None, graph=workflow.graph
    )
    return run_id


def kill(server: Postgres) -> None:
    """End the server the hard way; return when it is gone."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)


def started(node_id: str, attempt: int = 1) -> NewEvent:
    return NewEvent(type=EventType.NODE_STARTED, node_id=node_id, attempt=attempt)


def of_node(event_type: EventType, node_id: str, attempt: int = 1) -> NewEvent:
    return NewEvent(type=event_type, node_id=node_id, attempt=attempt)


async def complete(database: Database, run_id: str, node_id: str, **details: Any) -> list[Event]:
    return await events.complete_node(
        database, run_id, node_id, attempt=1, output={"response": "ok"}, duration_ms=5, details=details
    )


def a_call(run_id: str, node_id: str = "a") -> ModelCall:
    """A model call that begins."""
    return ModelCall(
        id=str(uuid.uuid4()),
        execution_id=run_id,
        node_id=node_id,
        attempt=1,
        number=1,
        model="asked",
        simulated=False,
        started_at=datetime.now(UTC),
    )


def ended(call: ModelCall, cost_usd: float | None = 0.1) -> ModelCall:
    """The call with its answer: 10 tokens in, 3 out."""
    return replace(
        call,
        model="answered\0",
        finished_at=datetime.now(UTC),
        outcome="ok",
        input_tokens=10,
        output_tokens=3,
        cost_usd=cost_usd,
    )


async def row(database: Database, run_id: str) -> Execution:
    found = await executions.get(database, OWNER, run_id)
    assert found is not None
    return found


def told(written: list[Event]) -> list[tuple[int, str, str | None]]:
    return [(event.sequence, event.type.value, event.node_id) for event in written]
