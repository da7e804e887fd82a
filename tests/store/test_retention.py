"""What is old goes, whole and in small pieces; what is young or unfinished stays."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from aistudio.graph.events import EventType
from aistudio.store import deltas, events, executions, idempotency, model_calls, retention, workflows
from aistudio.store.database import Database
from aistudio.store.idempotency import Claim
from aistudio.store.retention import Pruned, prune
from aistudio.store.tables import metadata
from tests.store.making import GRAPH, OWNER, a_call, complete, ended, started

MONTH = timedelta(days=30)


async def aged(database: Database, statement: str, **values: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text(statement), values)


async def rows(database: Database) -> dict[str, int]:
    async with database.connect() as connection:
        return {
            table.name: (await connection.execute(text(f"SELECT count(*) FROM {table.name}"))).scalar_one()
            for table in metadata.sorted_tables
        }


async def a_run(database: Database, workflow_id: str, days: int, *, ends: bool = True) -> str:
    """A run that began and, if it did, ended so many days ago, with something in every table."""
    claim = Claim(route="execute", key=f"{workflow_id}{days}{ends}", body=b"")
    run_id, _ = await executions.create(
        database, OWNER, workflow_id=workflow_id, version=1, graph=GRAPH, claim=claim
    )
    await events.append(database, run_id, [started("a"), started("b")])
    await model_calls.end(database, ended(a_call(run_id)))
    await complete(database, run_id, "a")
    await deltas.append(database, run_id, "b", 1, 0, "half a sen")
    if ends:
        await events.finish(database, run_id, EventType.EXECUTION_FAILED)
    age = f"interval '{days} days 1 minute'"
    await aged(
        database,
        f"UPDATE executions SET created_at = created_at - {age}, finished_at = finished_at - {age} "
        "WHERE id = :id",
        id=run_id,
    )
    return run_id


async def a_workflow(database: Database, *, deleted: int | None = None) -> str:
    """A published workflow, perhaps deleted so many days ago."""
    workflow = await workflows.create(database, OWNER, name="Flow", graph=GRAPH)
    await workflows.publish(database, OWNER, workflow.id)
    if deleted is not None:
        await aged(
            database,
            f"UPDATE workflows SET deleted_at = now() - interval '{deleted} days 1 minute' WHERE id = :id",
            id=workflow.id,
        )
    return workflow.id


async def test_old_runs_go_with_everything_that_hangs_on_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 2)
    workflow_id = await a_workflow(database)
    young = await a_run(database, workflow_id, 29)
    unfinished = await a_run(database, workflow_id, 400, ends=False)
    kept = await rows(database)
    for days in (30, 31, 40, 50, 365):
        await a_run(database, workflow_id, days)
    assert await prune(database, MONTH) == Pruned(executions=5, workflows=0, idempotency_keys=0)
    assert await rows(database) == kept
    assert all(number for number in kept.values())
    assert [run.id for run in (await executions.list_page(database, OWNER)).items] == [young, unfinished]
    assert await prune(database, MONTH) == Pruned(executions=0, workflows=0, idempotency_keys=0)


async def test_a_deleted_workflow_goes_after_its_last_run(database: Database) -> None:
    old, with_run, young = [await a_workflow(database, deleted=days) for days in (30, 30, 29)]
    await a_run(database, with_run, 1)
    await a_run(database, old, 60)
    assert await prune(database, MONTH) == Pruned(executions=1, workflows=1, idempotency_keys=0)
    async with database.connect() as connection:
        left = (await connection.execute(text("SELECT id::text FROM workflows"))).scalars().all()
    assert set(left) == {with_run, young}


async def test_an_idempotency_key_goes_when_it_has_expired(database: Database) -> None:
    workflow_id = await a_workflow(database)
    await a_run(database, workflow_id, 1)
    await aged(database, "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 minute'")
    await a_run(database, workflow_id, 0)
    assert await prune(database, MONTH) == Pruned(executions=0, workflows=0, idempotency_keys=1)
    claim = Claim(route="execute", key=f"{workflow_id}0True", body=b"")
    assert await idempotency.find(database, OWNER, claim) is not None


async def test_one_process_prunes_at_a_time(database: Database) -> None:
    other = Database(database.url)
    workflow_id = await a_workflow(database)
    await a_run(database, workflow_id, 60)
    async with database.begin() as holder:
        # While this waits for the row, the second finds the first at it.
        await holder.execute(text("SELECT FROM executions FOR UPDATE"))
        first = asyncio.create_task(prune(database, MONTH))
        async with asyncio.timeout(10):
            while not await _waiting(database):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert await prune(other, MONTH) is None
    assert await first == Pruned(executions=1, workflows=0, idempotency_keys=0)
    # Nobody keeps the lock, not even in the pool.
    assert await prune(other, MONTH) is not None
    await other.close()


async def _waiting(database: Database) -> bool:
    async with database.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock')"
            )
        )
        return bool(found.scalar_one())
