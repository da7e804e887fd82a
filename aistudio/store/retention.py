"""Letting go of what is old: runs that ended long ago, and what only they kept."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import TextClause, text

from aistudio.store.database import Database
from aistudio.store.idempotency import KEPT

# Any number will do as long as nobody else takes it.
LOCK_KEY = 7_305_180_143
# Rows of one statement. A run takes thousands of events with it, the others nothing.
RUNS_AT_ONCE = 50
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was deleted: runs with all their events, outputs, calls and texts; deleted workflows that no run
    needed any more; idempotency keys that had expired."""

    executions: int
    workflows: int
    idempotency_keys: int

    def __str__(self) -> str:
        return (
            f"{self.executions:,} runs, {self.workflows:,} deleted workflows and "
            f"{self.idempotency_keys:,} expired idempotency keys"
        )


TAKE_LOCK = text("SELECT pg_try_advisory_lock(:key)")
RELEASE_LOCK = text("SELECT pg_advisory_unlock(:key)")

# Whatever hangs on a run goes with it by ON DELETE CASCADE, but for the chunks, which have no foreign key.
EXECUTIONS = text("""
WITH gone AS (
    DELETE FROM executions WHERE id IN (
        SELECT id FROM executions
        WHERE status IN ('completed', 'failed', 'cancelled')
            AND finished_at < clock_timestamp() - CAST(:age AS interval)
        ORDER BY finished_at LIMIT :rows
    )
    RETURNING id
),
chunks AS (
    DELETE FROM delta_chunks WHERE execution_id IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone
""")
WORKFLOWS = text("""
WITH gone AS (
    DELETE FROM workflows WHERE id IN (
        SELECT id FROM workflows
        WHERE deleted_at < clock_timestamp() - CAST(:age AS interval)
            AND NOT EXISTS (SELECT FROM executions WHERE executions.workflow_id = workflows.id)
        LIMIT :rows
    )
    RETURNING id
)
SELECT count(*) FROM gone
""")
IDEMPOTENCY_KEYS = text("""
WITH gone AS (
    DELETE FROM idempotency_keys WHERE (owner_id, route, key_hash) IN (
        SELECT owner_id, route, key_hash FROM idempotency_keys
        WHERE created_at < clock_timestamp() - CAST(:age AS interval)
        LIMIT :rows
    )
    RETURNING key_hash
)
SELECT count(*) FROM gone
""")


async def prune(database: Database, age: timedelta) -> Pruned | None:
    """Delete runs that ended longer ago than `age`, and deleted workflows as old that no run is left of.

    A run that has not ended stays, however old. It is done in small pieces, each a transaction of its own,
    so that nobody waits; what is not done when it is broken off is done the next time. Null: another process
    is at it. Raises DatabaseUnavailable.
    """
    async with database.connect() as connection:
        if not (await connection.execute(TAKE_LOCK, {"key": LOCK_KEY})).scalar_one():
            return None

        async def all_of(delete: TextClause, older_than: timedelta, rows: int) -> int:
            total = 0
            while True:
                found = await connection.execute(delete, {"age": older_than, "rows": rows})
                gone: int = found.scalar_one()
                total += gone
                if gone < rows:
                    return total

        try:
            pruned = Pruned(
                executions=await all_of(EXECUTIONS, age, RUNS_AT_ONCE),
                workflows=await all_of(WORKFLOWS, age, ROWS_AT_ONCE),
                idempotency_keys=await all_of(IDEMPOTENCY_KEYS, KEPT, ROWS_AT_ONCE),
            )
            await connection.execute(RELEASE_LOCK, {"key": LOCK_KEY})
        except BaseException:
            # The lock is the connection's and ends with it; the pool may not have it back.
            await connection.invalidate()
            raise
    return pruned
