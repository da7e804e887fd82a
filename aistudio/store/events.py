"""The events of a run: written by one statement under the row's lock, read in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import JsonValue
from sqlalchemy import Integer, Row, Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from aistudio.graph.events import SETTLING_EVENTS, TERMINAL_EVENTS, Event, EventType, ExecutionStatus
from aistudio.store import results
from aistudio.store.database import Source, reading, writing_to
from aistudio.store.encoding import dumps, escape, iso, parse_id
from aistudio.store.notices import CHANNEL, MAX_BYTES
from aistudio.store.tables import AnyText
from aistudio.store.tables import events as table

StatusOf: TypeAlias = Callable[[Sequence[Event]], ExecutionStatus]
"""Tells a run's status from all of its events."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An output to keep, whole, with the event that tells of it; JSON's null is one, too."""

    output: JsonValue


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event to append. Its sequence and timestamp are given by the database."""

    type: EventType
    node_id: str | None = None
    attempt: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)
    stored: Stored | None = None

    @property
    def key(self) -> str:
        """The fact's name within its run; a second event with the same key is not written."""
        return str(self.type) if self.node_id is None else f"{self.node_id}:{self.attempt}:{self.type}"


# One round trip: take the row's lock, leave out what may not or need not be written, number the rest from the
# row's last sequence, write it, keep the outputs that come with it, bring the row up to date, and notify.
#
# While the statement waits for the lock another appender may commit. The locked row is then the newest, but
# every other table is still seen as of the statement's start, so what is already there cannot be told: such a
# statement (`stale`) writes nothing, and `append` repeats it with the lock in hand.
APPEND = text("""
WITH run AS MATERIALIZED (
    SELECT id, owner_id, status, last_sequence FROM executions WHERE id = :execution_id FOR NO KEY UPDATE
),
view AS MATERIALIZED (
    SELECT run.*, run.last_sequence <> seen.last_sequence AS stale
    FROM run JOIN executions AS seen ON seen.id = :execution_id
),
offered AS (
    SELECT
        CASE WHEN ends THEN 'execution_cancelled' ELSE offer.key END AS key,
        CASE WHEN ends THEN 'execution_cancelled' ELSE offer.type END AS type,
        offer.node_id, offer.attempt,
        CASE WHEN ends THEN '{}' ELSE offer.payload END AS payload,
        offer.output, offer.place
    FROM unnest(
        CAST(:keys AS text[]), CAST(:types AS text[]), CAST(:node_ids AS text[]), CAST(:attempts AS int[]),
        CAST(:payloads AS text[]), CAST(:outputs AS text[])
    ) WITH ORDINALITY AS offer(key, type, node_id, attempt, payload, output, place)
    CROSS JOIN view
    -- Once cancelling is written, the end is cancelled.
    CROSS JOIN LATERAL (SELECT
        view.status = 'cancelling' AND offer.type IN ('execution_completed', 'execution_failed') AS ends
    ) AS verdict
),
fresh AS MATERIALIZED (
    SELECT
        view.id AS execution_id, view.owner_id, offered.*, clock_timestamp() AS timestamp,
        CAST(view.last_sequence + row_number() OVER (ORDER BY place) AS int) AS sequence
    FROM offered CROSS JOIN view
    WHERE NOT view.stale
        AND view.status NOT IN ('completed', 'failed', 'cancelled')
        AND NOT EXISTS (
            SELECT FROM events WHERE events.execution_id = :execution_id AND events.key = offered.key
        )
        AND NOT EXISTS (
            SELECT FROM events
            WHERE events.execution_id = :execution_id AND events.node_id = offered.node_id
                AND events.type IN ('node_completed', 'node_failed', 'node_skipped', 'node_cancelled')
        )
        AND (
            view.status <> 'cancelling'
            OR offered.type IN ('node_skipped', 'execution_cancelled')
            OR offered.type IN ('node_resumed', 'node_completed', 'node_failed', 'node_cancelled')
            AND EXISTS (
                SELECT FROM events
                WHERE events.execution_id = :execution_id AND events.node_id = offered.node_id
                    AND events.type = 'node_started'
                OFFSET 0 -- keeps the planner from reading every run's events into a hash
            )
        )
),
written AS (
    INSERT INTO events (
        execution_id, sequence, owner_id, key, type, node_id, attempt, timestamp, payload
    )
    SELECT execution_id, sequence, owner_id, key, type, node_id, attempt, timestamp, CAST(payload AS json)
    FROM fresh
    RETURNING execution_id, sequence, type, node_id, attempt, timestamp, payload
),
kept AS (
    INSERT INTO node_results (execution_id, node_id, owner_id, attempt, type, output)
    SELECT execution_id, node_id, owner_id, attempt, type, CAST(output AS json)
    FROM fresh
    WHERE output IS NOT NULL
),
cleared AS (
    DELETE FROM delta_chunks
    WHERE execution_id = :execution_id
        AND node_id = ANY (ARRAY(SELECT node_id FROM fresh WHERE output IS NOT NULL))
),
-- How many nodes are at work and how many wait for a human. Only runs that have a waiting node need to know.
-- Nodes that are about to start have no event yet: whether there are any is what `StatusOf` knows.
latest AS (
    SELECT DISTINCT ON (node_id) type
    FROM (
        SELECT node_id, type, sequence FROM events
        WHERE execution_id = :execution_id AND node_id IS NOT NULL AND (
            EXISTS (SELECT FROM events WHERE execution_id = :execution_id AND type = 'node_waiting')
            OR EXISTS (SELECT FROM fresh WHERE type = 'node_waiting')
        )
        UNION ALL
        SELECT node_id, type, sequence FROM fresh WHERE node_id IS NOT NULL
    ) AS told
    ORDER BY node_id, sequence DESC
),
tally AS (
    SELECT
        count(*) FILTER (WHERE type IN ('node_started', 'node_retrying', 'node_resumed')) AS active,
        count(*) FILTER (WHERE type = 'node_waiting') AS waiting
    FROM latest
),
total AS (
    SELECT
        max(sequence) AS last_sequence,
        max(timestamp) AS timestamp,
        min(timestamp) FILTER (WHERE type = 'node_started') AS started_at,
        max(type) FILTER (
            WHERE type IN ('execution_completed', 'execution_failed', 'execution_cancelled')
        ) AS terminal,
        bool_or(type = 'execution_cancelling') AS cancelling
    FROM fresh
    HAVING count(*) > 0
),
updated AS (
    UPDATE executions SET
        last_sequence = total.last_sequence,
        status = CASE
            WHEN total.terminal IS NOT NULL THEN replace(total.terminal, 'execution_', '')
            WHEN total.cancelling OR executions.status = 'cancelling' THEN 'cancelling'
            WHEN tally.waiting > 0 AND tally.active = 0 THEN 'waiting'
            WHEN executions.status = 'pending' AND total.started_at IS NULL THEN 'pending'
            ELSE 'running'
        END,
        started_at = coalesce(executions.started_at, total.started_at),
        finished_at = CASE WHEN total.terminal IS NOT NULL THEN total.timestamp END,
        error = CASE WHEN total.terminal = 'execution_failed' THEN CAST(:error AS json) END
    FROM total CROSS JOIN tally
    WHERE executions.id = :execution_id
    RETURNING executions.status
)
SELECT
    view.stale, told.*, (SELECT status FROM updated) AS status,
    CASE WHEN told.sequence IS NOT NULL THEN pg_notify(
        :channel,
        CASE WHEN octet_length(told.notice) <= :max_bytes THEN told.notice
            ELSE told.execution_id || ' ' || told.sequence END
    ) END
FROM view LEFT JOIN (
    SELECT written.*, written.execution_id || ' ' || json_build_object(
        'execution_id', execution_id, 'sequence', sequence, 'type', type, 'node_id', node_id,
        'attempt', attempt,
        'timestamp', to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'payload', payload
    ) AS notice
    FROM written ORDER BY sequence
) AS told ON true
""").columns(execution_id=Uuid(as_uuid=False), node_id=AnyText)

SET_STATUS = text("UPDATE executions SET status = :status WHERE id = :execution_id")

LOCK = text("SELECT FROM executions WHERE id = :execution_id FOR NO KEY UPDATE")

READ = (
    select(
        table.c.execution_id,
        table.c.sequence,
        table.c.type,
        table.c.node_id,
        table.c.attempt,
        table.c.timestamp,
        table.c.payload,
    )
    .where(table.c.execution_id == bindparam("this"))
    .order_by(table.c.sequence)
)
READ_AFTER = READ.where(table.c.sequence > bindparam("after")).limit(bindparam("rows"))
READ_SETTLING = READ.where(table.c.node_id == bindparam("node_id"), table.c.type.in_(sorted(SETTLING_EVENTS)))
READ_WAITING = READ.where(
    table.c.node_id == bindparam("node_id"), table.c.type == EventType.NODE_WAITING
).limit(1)

# Nodes that began and have not settled, with their newest attempt.
OPEN_NODES = text("""
SELECT node_id, max(attempt) AS attempt FROM events
WHERE execution_id = :execution_id AND type = 'node_started'
    AND NOT EXISTS (
        SELECT FROM events AS settled
        WHERE settled.execution_id = events.execution_id AND settled.node_id = events.node_id
            AND settled.type IN ('node_completed', 'node_failed', 'node_skipped', 'node_cancelled')
    )
GROUP BY node_id ORDER BY min(sequence)
""").columns(node_id=AnyText, attempt=Integer)


async def append(
    source: Source, execution_id: str, events: Sequence[NewEvent], *, status_of: StatusOf | None = None
) -> list[Event]:
    """Write events in this order and tell who listens; the ones that were written, in order.

    Left out are: a fact that is already there (same key), anything about a node that has settled, everything
    once the run is terminal, and after `execution_cancelling` everything but skips, the settling of nodes
    that had started, and the end, which is then `execution_cancelled` whatever was asked. The row's
    status, times and error follow in the same transaction; for the status of a run whose nodes may wait that
    takes `status_of`. Safe to repeat after a lost connection.
    """
    this = parse_id(execution_id)
    offered = _offer(events)
    if this is None or not offered:
        return []
    parameters = _parameters(this, offered)
    if isinstance(source, AsyncConnection):
        stale, written = await _append(source, parameters, status_of)
        # The first try took the lock, and inside a transaction keeps it.
        return (await _append(source, parameters, status_of))[1] if stale else written
    async with source.turn(this):
        if status_of is None:
            async with source.connect() as connection:
                stale, written = await _append(connection, parameters)
            if not stale:
                return written
        async with source.begin() as connection:
            await connection.execute(LOCK, {"execution_id": this})
            return (await _append(connection, parameters, status_of))[1]


async def complete_node(
    source: Source,
    execution_id: str,
    node_id: str,
    *,
    attempt: int,
    output: JsonValue,
    duration_ms: int,
    details: Mapping[str, Any] | None = None,
    before: Sequence[NewEvent] = (),
    status_of: StatusOf | None = None,
) -> list[Event]:
    """Keep a node's output and write its `node_completed`, and drop its delta chunks, all or nothing.

    `details` go into the payload as they are (model, usage, cost_usd, first_token_ms, branch, pinned,
    reused_from). `before` are events written just ahead in the same transaction. Raises OutputTooLarge.
    """
    completed = NewEvent(
        type=EventType.NODE_COMPLETED,
        node_id=node_id,
        attempt=attempt,
        payload={
            "output": results.in_event(execution_id, node_id, output),
            "duration_ms": duration_ms,
            **(details or {}),
        },
        stored=Stored(output=output),
    )
    return await append(source, execution_id, [*before, completed], status_of=status_of)


def kept(event: Event, execution_id: str) -> NewEvent:
    """A node's settling event, as the run that keeps it tells it: nothing was done, and nothing paid."""
    payload = event.payload
    told: dict[str, Any]
    if event.type is EventType.NODE_COMPLETED and event.node_id is not None:
        told = {key: payload[key] for key in ("branch", "model") if key in payload}
        output = results.moved(payload["output"], event.execution_id, execution_id, event.node_id)
        payload = {"output": output, "duration_ms": 0, "reused_from": event.execution_id, **told}
    return NewEvent(type=event.type, node_id=event.node_id, payload=payload)


async def fail_node(
    source: Source,
    execution_id: str,
    node_id: str,
    *,
    attempt: int,
    code: str,
    message: str,
    absorbed: bool,
    status_of: StatusOf | None = None,
) -> list[Event]:
    """Write a node's `node_failed`; an absorbed error is kept as the node's output as well."""
    error = {"code": code, "message": message}
    failed = NewEvent(
        type=EventType.NODE_FAILED,
        node_id=node_id,
        attempt=attempt,
        payload={"error": error, "absorbed": absorbed},
        stored=Stored(output={"error": dict(error)}) if absorbed else None,
    )
    return await append(source, execution_id, [failed], status_of=status_of)


async def finish(
    source: Source,
    execution_id: str,
    terminal: EventType,
    *,
    error: Mapping[str, Any] | None = None,
    before: Sequence[NewEvent] = (),
) -> list[Event]:
    """End a run: `before`, `node_cancelled` for every node that began and has not settled, the terminal.

    Nothing can come in between. The terminal of a run that is cancelling is `execution_cancelled`. A run that
    has ended already stays as it is.
    """
    this = parse_id(execution_id)
    if this is None:
        return []
    payload = {} if error is None else {"error": dict(error)}
    async with writing_to(source, this) as connection:
        await connection.execute(LOCK, {"execution_id": this})
        written = await append(connection, this, before)
        opened = (await connection.execute(OPEN_NODES, {"execution_id": this})).all()
        cancelled = [
            NewEvent(type=EventType.NODE_CANCELLED, node_id=row.node_id, attempt=row.attempt)
            for row in opened
        ]
        return written + await append(
            connection, this, [*cancelled, NewEvent(type=terminal, payload=payload)]
        )


async def read(source: Source, execution_id: str, after: int = 0, limit: int | None = 1000) -> list[Event]:
    """Events with a sequence above `after`, in order; all of them when `limit` is null."""
    this = parse_id(execution_id)
    if this is None or after >= 2**31:
        return []
    found = {"this": this, "after": max(after, 0), "rows": limit}
    async with reading(source) as connection:
        return [_event(row) for row in (await connection.execute(READ_AFTER, found)).all()]


async def settling(source: Source, execution_id: str, node_id: str) -> Event | None:
    """The event with which a node settled, or null while it has not."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(READ_SETTLING, {"this": this, "node_id": node_id})).one_or_none()
    return None if row is None else _event(row)


async def waiting(source: Source, execution_id: str, node_id: str) -> Event | None:
    """The event with which a node began to wait for a human, or null when it has not."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(READ_WAITING, {"this": this, "node_id": node_id})).one_or_none()
    return None if row is None else _event(row)


async def _append(
    connection: AsyncConnection, parameters: Mapping[str, Any], status_of: StatusOf | None = None
) -> tuple[bool, list[Event]]:
    rows = (await connection.execute(APPEND, parameters)).all()
    stale = bool(rows and rows[0].stale)
    if status_of is not None and rows and rows[0].status == ExecutionStatus.WAITING:
        this = parameters["execution_id"]
        status = status_of(await read(connection, this, limit=None))
        await connection.execute(SET_STATUS, {"execution_id": this, "status": status})
    return stale, [_event(row) for row in rows if row.sequence is not None]


def _offer(events: Sequence[NewEvent]) -> list[NewEvent]:
    # Among themselves the events keep the same rules that the statement keeps towards what is stored.
    offered: dict[str, NewEvent] = {}
    settled: set[str] = set()
    for event in events:
        if event.key in offered or event.node_id in settled:
            continue
        offered[event.key] = event
        if event.node_id is not None and event.type in SETTLING_EVENTS:
            settled.add(event.node_id)
        if event.type in TERMINAL_EVENTS:
            break
    return list(offered.values())


def _parameters(execution_id: str, events: Sequence[NewEvent]) -> dict[str, Any]:
    stored = [event.stored for event in events]
    failure = events[-1].payload.get("error")
    return {
        "execution_id": execution_id,
        "channel": CHANNEL,
        "max_bytes": MAX_BYTES,
        "keys": [escape(event.key) for event in events],
        "types": [str(event.type) for event in events],
        "node_ids": [None if event.node_id is None else escape(event.node_id) for event in events],
        "attempts": [event.attempt for event in events],
        "payloads": [dumps(dict(event.payload)) for event in events],
        "outputs": [None if kept is None else dumps(kept.output) for kept in stored],
        "error": None if failure is None else dumps(failure),
    }


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(
        execution_id=row.execution_id,
        sequence=row.sequence,
        type=row.type,
        node_id=row.node_id,
        attempt=row.attempt,
        timestamp=iso(row.timestamp),
        payload=row.payload,
    )
