"""Servers that stop, hang and come back under a studio that keeps serving."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from aistudio.embedded.postgres import Postgres
from aistudio.embedded.temporal import Temporal
from aistudio.store import migrations
from aistudio.studio.errors import StudioError
from aistudio.studio.studio import Studio
from tests.studio.serving import LOCAL, runnable, studio_on


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres", {"fsync": "off"})
    server.start()
    migrations.upgrade(server.url)
    yield server
    server.stop()


@pytest.fixture
def temporal(tmp_path: Path) -> Iterator[Temporal]:
    server = Temporal(tmp_path / "temporal")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def studio(postgres: Postgres, temporal: Temporal) -> AsyncIterator[Studio]:
    async with studio_on(postgres.url, temporal.address) as opened:
        yield opened


def send(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a server and to all of its children."""
    assert pid is not None
    server = psutil.Process(pid)
    for process in [server, *server.children(recursive=True)]:
        process.send_signal(number)


async def refused(studio: Studio, workflow_id: str) -> StudioError:
    with pytest.raises(StudioError) as caught:
        await studio.starts.execute(LOCAL, workflow_id)
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    return caught.value


async def test_postgresql_stops_and_returns(studio: Studio, postgres: Postgres) -> None:
    workflow = await studio.workflows.create(LOCAL, runnable())
    workflow_id = workflow["id"]
    await studio.require_schema()
    postgres.stop()
    with pytest.raises(StudioError) as caught:
        await studio.workflows.edit(LOCAL, workflow_id, 1, {"name": "typed meanwhile"})
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    assert "PostgreSQL" in caught.value.message
    assert "PostgreSQL" in (await refused(studio, workflow_id)).message
    health = await studio.health()
    assert "PostgreSQL" in health["checks"]["database"]
    assert "PostgreSQL" in health["checks"]["schema"]
    await studio.require_schema()

    await asyncio.to_thread(postgres.start)
    edited = await studio.workflows.edit(LOCAL, workflow_id, 1, {"name": "typed meanwhile"})
    assert edited == {"revision": 2, "problems": []}
    assert (await studio.health())["status"] == "ok"
    assert await studio.starts.execute(LOCAL, workflow_id)


async def test_temporal_stops_and_returns(studio: Studio, temporal: Temporal) -> None:
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    first = await studio.starts.execute(LOCAL, workflow_id)
    temporal.stop()
    assert "Temporal" in (await refused(studio, workflow_id)).message
    assert [item["id"] for item in (await studio.executions.list(LOCAL))["items"]] == [first]
    await studio.executions.cancel(LOCAL, first)
    assert (await studio.executions.get(LOCAL, first))["status"] == "cancelling"
    await asyncio.to_thread(temporal.start)
    async with asyncio.timeout(15):
        while (await studio.health())["status"] != "ok":  # noqa: ASYNC110 - nobody tells when it is back
            await asyncio.sleep(0.1)
    assert await studio.starts.execute(LOCAL, workflow_id)


async def test_health_does_not_wait_for_servers_that_hang(
    studio: Studio, postgres: Postgres, temporal: Temporal
) -> None:
    assert (await studio.health())["status"] == "ok"
    try:
        for pid in (postgres.pid, temporal.pid):
            send(pid, signal.SIGSTOP)
            while psutil.Process(pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        began = time.monotonic()
        health = await studio.health()
        assert time.monotonic() - began < 4
    finally:
        send(postgres.pid, signal.SIGCONT)
        send(temporal.pid, signal.SIGCONT)
    assert health["status"] == "unavailable"
    assert "PostgreSQL" in health["checks"]["database"]
    assert "Temporal" in health["checks"]["temporal"]
    async with asyncio.timeout(15):
        while (await studio.health())["status"] != "ok":  # noqa: ASYNC110 - nobody tells when it is back
            await asyncio.sleep(0.1)


async def test_a_studio_opens_before_its_servers(postgres: Postgres, temporal: Temporal) -> None:
    postgres.stop()
    temporal.stop()
    async with studio_on(postgres.url, temporal.address) as studio:
        health = await studio.health()
        assert set(health["checks"]) == {"database", "schema", "temporal"}
        assert "ok" not in health["checks"].values()
        assert studio.catalog.node_kinds()
        with pytest.raises(StudioError):
            await studio.require_schema()
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(temporal.start)
        async with asyncio.timeout(15):
            while (await studio.health())["status"] != "ok":  # noqa: ASYNC110 - nobody tells when it is back
                await asyncio.sleep(0.1)
        await studio.require_schema()
        workflow = await studio.workflows.create(LOCAL, runnable())
        assert await studio.starts.execute(LOCAL, workflow["id"])


async def test_a_database_without_the_schema(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "empty", {"fsync": "off"})
    server.start()
    try:
        async with studio_on(server.url, "127.0.0.1:1") as studio:
            health = await studio.health()
            assert health["checks"]["database"] == "ok"
            assert "migrate" in health["checks"]["schema"]
            for asked in (studio.require_schema(), studio.workflows.list(LOCAL)):
                with pytest.raises(StudioError) as caught:
                    await asked
                assert (caught.value.status, caught.value.details) == (503, {"server": "schema"})
            await asyncio.to_thread(migrations.upgrade, server.url)
            await studio.require_schema()
            assert (await studio.workflows.list(LOCAL))["items"] == []
    finally:
        server.stop()
