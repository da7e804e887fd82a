"""Runs: their rows, with the graph as it was when they were started."""

import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import JsonValue
from sqlalchemy import Interval, Row, bindparam, func, insert, select, text

from aistudio.graph.events import TERMINAL_STATUSES, Event, EventType, ExecutionStatus
from aistudio.store import events, idempotency, paging, results
from aistudio.store.database import Source, reading, writing, writing_to
from aistudio.store.encoding import parse_id
from aistudio.store.events import NewEvent
from aistudio.store.idempotency import Claim
from aistudio.store.notices import CANCELS
from aistudio.store.paging import Page
from aistudio.store.tables import executions


@dataclass(frozen=True, kw_only=True)
class ExecutionSummary:
    """A run as lists show it.

    Attributes:
        version: the workflow's version that runs; null for the draft.
        has_input: tells an input of JSON null from none.
        input_tokens: of all its model calls, those of failed attempts included.
        cost_usd: of all its model calls, in US dollars; null when the price of one is unknown.
        last_sequence: of its newest event.
        rerun_of: the run whose nodes it kept.
    """

    id: str
    owner_id: str
    workflow_id: str
    version: int | None
    status: ExecutionStatus
    has_input: bool
    input: JsonValue
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    last_sequence: int
    rerun_of: str | None


@dataclass(frozen=True, kw_only=True)
class Execution(ExecutionSummary):
    """A run with the graph it runs."""

    graph: JsonValue


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A run that has not ended, without what may be large."""

    id: str
    status: ExecutionStatus


CancelOutcome = Literal["cancelling", "already_cancelling", "terminal"]

_SUMMARY = tuple(column for column in executions.c if column is not executions.c.graph)
_OWNED = executions.c.owner_id == bindparam("owner")
_THIS = executions.c.id == bindparam("this")

CREATE = insert(executions).values(status=ExecutionStatus.PENDING.value)
GET = select(*executions.c).where(_THIS, _OWNED)
GET_SUMMARY = select(*_SUMMARY).where(_THIS, _OWNED)
LOAD = select(*executions.c).where(_THIS)
STATUS = select(executions.c.status).where(_THIS)
LOCK_STATUS = select(executions.c.status).where(_THIS, _OWNED).with_for_update(key_share=True)
LIST = select(*_SUMMARY).where(_OWNED)
TELL_WORKERS = text("SELECT pg_notify(:channel, :payload)")
UNFINISHED = (
    select(executions.c.id, executions.c.status)
    .where(
        executions.c.status.not_in(["completed", "failed", "cancelled"]),
        executions.c.created_at <= func.clock_timestamp() - bindparam("age", type_=Interval),
    )
    .order_by(executions.c.created_at)
)


async def create(
    source: Source,
    owner_id: str,
    *,
    workflow_id: str,
    version: int | None,
    graph: JsonValue,
    input: JsonValue = None,
    has_input: bool = False,
    rerun_of: str | None = None,
    claim: Claim | None = None,
    admission: AbstractAsyncContextManager[None] | None = None,
    kept: Sequence[Event] = (),
) -> tuple[str, bool]:
    """A new run with its snapshot and `execution_started`, in one transaction: (its id, True).

    With a claim that an earlier or concurrent request already used: (that one's run, False) and nothing is
    written. The admission is entered once the claim is won and left when everything is written but not yet
    committed: raising in either place it refuses the run, and nothing is there. `kept` are settling events of
    `rerun_of` that are true of the new run, too: they are told again, and its results are copied. Raises
    IdempotencyMismatch.
    """
    execution_id = str(uuid.uuid4())
    values = {
        "id": execution_id,
        "owner_id": owner_id,
        "workflow_id": workflow_id,
        "version": version,
        "graph": graph,
        "input": input,
        "has_input": has_input,
        "rerun_of": rerun_of,
    }
    async with writing(source) as connection:
        if claim is not None:
            earlier = await idempotency.take(connection, owner_id, claim, execution_id)
            if earlier is not None:
                return earlier, False
        async with admission or nullcontext():
            await connection.execute(CREATE, values)
            again = [events.kept(event, execution_id) for event in kept]
            await events.append(
                connection, execution_id, [NewEvent(type=EventType.EXECUTION_STARTED), *again]
            )
            if rerun_of is not None:
                nodes = [event.node_id for event in kept if event.node_id is not None]
                await results.copy(connection, rerun_of, execution_id, nodes)
    return execution_id, True


async def get(source: Source, owner_id: str, execution_id: str) -> Execution | None:
    """The run with its graph, or null when the owner has none with this id."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(GET, {"this": this, "owner": owner_id})).one_or_none()
    return None if row is None else _whole(row)


async def get_summary(source: Source, owner_id: str, execution_id: str) -> ExecutionSummary | None:
    """The run without its graph, or null when the owner has none with this id."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(GET_SUMMARY, {"this": this, "owner": owner_id})).one_or_none()
    return None if row is None else _summary(row)


async def load_snapshot(source: Source, execution_id: str) -> Execution | None:
    """The run with its graph, whoever owns it: for the engine."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(LOAD, {"this": this})).one_or_none()
    return None if row is None else _whole(row)


async def status(source: Source, execution_id: str) -> ExecutionStatus | None:
    """Where the run stands, whoever owns it: for the engine."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        found = (await connection.execute(STATUS, {"this": this})).scalar_one_or_none()
    return None if found is None else ExecutionStatus(found)


async def list_page(
    source: Source,
    owner_id: str,
    *,
    workflow_id: str | None = None,
    statuses: Sequence[ExecutionStatus] = (),
    limit: int = 50,
    cursor: str | None = None,
) -> Page[ExecutionSummary]:
    """The owner's runs, newest first, of one workflow or of all, in these statuses or in any.

    Raises InvalidCursor.
    """
    query = LIST
    if workflow_id is not None:
        known = parse_id(workflow_id)
        if known is None:
            return Page(items=[], next_cursor=None)
        query = query.where(executions.c.workflow_id == known)
    if statuses:
        query = query.where(executions.c.status.in_([str(one) for one in statuses]))
    query = paging.page_of(query, executions, limit, cursor)
    async with reading(source) as connection:
        rows = (await connection.execute(query, {"owner": owner_id})).all()
    return paging.page(rows, limit, _summary)


async def unfinished(source: Source, *, age: timedelta = timedelta(0)) -> list[Unfinished]:
    """Every run of this age that has not ended, oldest first, whoever owns it: for the reconciler."""
    async with reading(source) as connection:
        rows = (await connection.execute(UNFINISHED, {"age": age})).all()
    return [Unfinished(id=row.id, status=ExecutionStatus(row.status)) for row in rows]


async def request_cancel(
    source: Source, owner_id: str, execution_id: str, *, by: str = "user"
) -> CancelOutcome | None:
    """Write `execution_cancelling` unless it is there, and tell workers; null when the owner has no such run.

    Answers `cancelling` (written now), `already_cancelling`, or `terminal` (nothing left to cancel).
    """
    this = parse_id(execution_id)
    if this is None:
        return None
    async with writing_to(source, this) as connection:
        found = await connection.execute(LOCK_STATUS, {"this": this, "owner": owner_id})
        current = found.scalar_one_or_none()
        if current is None:
            return None
        if current in TERMINAL_STATUSES:
            return "terminal"
        if current == ExecutionStatus.CANCELLING:
            return "already_cancelling"
        cancelling = NewEvent(type=EventType.EXECUTION_CANCELLING, payload={"by": by})
        written = await events.append(connection, this, [cancelling])
        await connection.execute(
            TELL_WORKERS, {"channel": CANCELS, "payload": f"{this} {written[-1].sequence}"}
        )
    return "cancelling"


def _summary(row: Row[Any]) -> ExecutionSummary:
    return ExecutionSummary(**{**row._mapping, "status": ExecutionStatus(row.status)})


def _whole(row: Row[Any]) -> Execution:
    return Execution(**{**row._mapping, "status": ExecutionStatus(row.status)})
