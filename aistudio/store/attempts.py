"""How often a node of a run has been tried."""

from dataclasses import dataclass

from sqlalchemy import text

from aistudio.graph.events import EventType
from aistudio.store.database import Source, reading
from aistudio.store.encoding import escape, parse_id


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """A node's attempts so far.

    Attributes:
        last: the highest attempt that was started; 0 when none was.
        failed: how many of them failed and are to be repeated. The others were cut off, as by a crash.
        settled: whether the node completed, failed for good, was skipped or cancelled.
    """

    last: int
    failed: int
    settled: bool


READ = text("""
SELECT
    coalesce(max(attempt), 0) AS last,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM events AS retried
        WHERE retried.execution_id = started.execution_id
            AND retried.key = started.node_id || ':' || started.attempt || cast(:retrying AS text)
    )) AS failed,
    EXISTS (
        SELECT FROM events
        WHERE execution_id = :execution_id AND node_id = :node_id
            AND type IN ('node_completed', 'node_failed', 'node_skipped', 'node_cancelled')
    ) AS settled
FROM events AS started
WHERE execution_id = :execution_id AND node_id = :node_id AND type = 'node_started'
""")


async def of(source: Source, execution_id: str, node_id: str) -> Attempts:
    """The node's attempts, whoever owns the run: for the engine."""
    found = {
        "execution_id": parse_id(execution_id),
        "node_id": escape(node_id),
        "retrying": f":{EventType.NODE_RETRYING}",
    }
    async with reading(source) as connection:
        row = (await connection.execute(READ, found)).one()
    return Attempts(**row._mapping)
