"""RETENTION_DAYS makes a worker delete what is old, at its start and again and again."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from aistudio.engine import retention
from aistudio.engine.client import connect
from aistudio.engine.worker import run_worker
from aistudio.graph.events import EventType
from aistudio.llm.client import ModelClient
from aistudio.settings import Settings
from aistudio.store import events, executions
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from tests.store.making import OWNER, new_run


async def ended(database: Database, days: int) -> str:
    """A run that ended so many days ago."""
    run_id = await new_run(database)
    await events.finish(database, run_id, EventType.EXECUTION_CANCELLED)
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE executions SET finished_at = finished_at - :age WHERE id = :id"),
            {"age": timedelta(days=days), "id": run_id},
        )
    return run_id


async def gone(database: Database, run_id: str) -> None:
    """Wait until the run is deleted."""
    async with asyncio.timeout(20):
        while await executions.get_summary(database, OWNER, run_id):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def test_a_worker_prunes_at_its_start(database: Database, temporal_address: str) -> None:
    young, old = await ended(database, 29), await ended(database, 31)
    settings = Settings(_env_file=None, temporal_address=temporal_address, retention_days=30)
    model = ModelClient(settings)
    working = asyncio.create_task(run_worker(await connect(settings), database, model, settings))
    await gone(database, old)
    working.cancel()
    await asyncio.wait([working])
    await model.aclose()
    assert await executions.get_summary(database, OWNER, young) is not None


async def test_it_prunes_again_whatever_went_wrong(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, troubles = retention.prune, [DatabaseUnavailable("away"), ValueError("broken")]

    async def prune(database: Database, age: timedelta) -> object:
        if troubles:
            raise troubles.pop(0)
        return await real(database, age)

    monkeypatch.setattr(retention, "prune", prune)
    monkeypatch.setattr(retention, "PERIOD", 0.02)
    monkeypatch.setattr(retention, "PAUSE_AFTER_ERROR", 0.02)
    pruning = asyncio.create_task(retention.prune_for_ever(database, timedelta(days=30)))
    await gone(database, await ended(database, 31))
    await gone(database, await ended(database, 31))
    pruning.cancel()
    await asyncio.wait([pruning])
    told = [record.getMessage() for record in caplog.records if record.name == "aistudio.engine.retention"]
    assert told == ["Old runs could not be deleted: away", "Old runs could not be deleted"]
