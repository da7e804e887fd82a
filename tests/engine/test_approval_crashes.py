"""A node waits for a human while workers, PostgreSQL and Temporal come and go."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import Client

from aistudio.embedded.postgres import Postgres
from aistudio.embedded.temporal import Temporal
from aistudio.engine import client as engine_client
from aistudio.engine.client import EngineUnavailable, connect
from aistudio.engine.messages import NodeOutcome
from aistudio.engine.record import NodeRecord
from aistudio.graph.events import Event, EventType
from aistudio.settings import Settings
from aistudio.store import migrations
from aistudio.store.database import Database
from tests.engine.runs import ASK, asking, of, told, working


async def test_a_wait_outlives_worker_and_temporal_and_time_that_passed_meanwhile_counts(
    tmp_path: Path, database: Database
) -> None:
    temporal = Temporal(tmp_path)
    temporal.start()
    settings = Settings(_env_file=None, temporal_address=temporal.address)
    try:
        async with working(await connect(settings), database) as studio:
            patient = await studio.start(asking())
            hasty = await studio.start(asking(config={"wait_seconds": 1.5, "on_timeout": "approve"}))
            await studio.until(patient, EventType.NODE_WAITING, "ask")
            waiting = await studio.until(hasty, EventType.NODE_WAITING, "ask")
        await asyncio.to_thread(temporal.stop)
        with pytest.raises(EngineUnavailable):
            await studio.decide(patient, ASK, "approve")
        expires_at = datetime.fromisoformat(waiting.payload["expires_at"])
        await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds())
        await asyncio.to_thread(temporal.start)
        async with working(await connect(settings), database) as studio:
            found = await studio.end(hasty)
            assert of(found, EventType.NODE_RESUMED, "ask")[0].payload["by"] == "timeout"
            assert await studio.decide(patient, ASK, "approve")
            found = await studio.end(patient)
        assert told(found)[3:7] == ["started ask", "waiting ask", "resumed ask", "completed ask"]
        assert told(found)[-1] == "execution_completed"
    finally:
        temporal.stop()


async def test_a_worker_that_dies_as_soon_as_it_has_asked_asks_no_second_time(
    temporal_address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = NodeRecord.wait

    def die(self: NodeRecord, asked: Event) -> NodeOutcome:
        monkeypatch.setattr(NodeRecord, "wait", real)
        raise RuntimeError("killed")

    monkeypatch.setattr(NodeRecord, "wait", die)
    async with working(await Client.connect(temporal_address), database) as studio:
        execution_id = await studio.start(asking())
        await studio.until(execution_id, EventType.NODE_WAITING, "ask")
        assert await studio.decide(execution_id, ASK, "approve")
        found = await studio.end(execution_id)
    assert told(found)[3:7] == ["started ask", "waiting ask", "resumed ask", "completed ask"]


async def test_a_decision_that_is_taken_is_written_when_postgresql_is_back(
    tmp_path: Path, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = Postgres(tmp_path)
    postgres.start()
    migrations.upgrade(postgres.url)
    database = Database(postgres.url)
    monkeypatch.setattr(engine_client, "PATIENCE", 1.0)
    try:
        async with working(await Client.connect(temporal_address), database) as studio:
            execution_id = await studio.start(asking())
            await studio.until(execution_id, EventType.NODE_WAITING, "ask")
            await asyncio.to_thread(postgres.stop)
            assert await studio.decide(execution_id, ASK, "approve")
            assert not await studio.decide(execution_id, ASK, "reject")
            await asyncio.to_thread(postgres.start)
            found = await studio.end(execution_id)
        assert of(found, EventType.NODE_COMPLETED, "ask")[0].payload["output"]["decision"] == "approved"
    finally:
        await database.close()
        postgres.stop()
