"""Reaching Temporal, and saying in time when it cannot be reached."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio.client import Client

from aistudio.embedded.temporal import Temporal
from aistudio.engine.client import Engine, EngineUnavailable, connect, open_engine
from aistudio.engine.messages import Decision, RunTask
from aistudio.settings import Settings

TASK = RunTask(execution_id="x", routes=[[]], triggers=[0], timeouts=[1])
GIVEN: dict[str, tuple[Any, ...]] = {
    "start": (TASK,),
    "decide": (Decision(node=0, decision="approve", comment="", by="ada"),),
}


@pytest.fixture
def silent_address() -> Iterator[str]:
    """Somebody listens there and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def closed_address() -> str:
    """Nobody listens there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(params=["silent", "closed"])
def dead_address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_address"))


@pytest.mark.parametrize("call", ["start", "cancel", "describe", "decide"])
async def test_a_dead_temporal_is_named_within_five_seconds(dead_address: str, call: str) -> None:
    engine = await open_engine(Settings(_env_file=None, temporal_address=dead_address))
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=dead_address):
        await getattr(engine, call)("x", *GIVEN.get(call, ()))
    assert time.monotonic() - begun < 5


async def test_a_dead_temporal_is_not_healthy(dead_address: str) -> None:
    engine = await open_engine(Settings(_env_file=None, temporal_address=dead_address))
    begun = time.monotonic()
    assert not await engine.healthy()
    assert time.monotonic() - begun < 5


async def test_an_engine_that_was_opened_early_works_once_temporal_is_there(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    temporal = Temporal(tmp_path_factory.mktemp("temporal"))
    settings = Settings(_env_file=None, temporal_address=temporal.address)
    engine = await open_engine(settings)
    assert not await engine.healthy()
    waiting = asyncio.create_task(connect(settings))
    try:
        await asyncio.to_thread(temporal.start)
        client = await asyncio.wait_for(waiting, 20)
        assert await engine.healthy()
        assert await Engine(client).healthy()
        await asyncio.to_thread(temporal.stop)
        assert not await engine.healthy()
        await asyncio.to_thread(temporal.start)
        answers = [await engine.healthy() for _ in range(4)]
        assert answers[-1]
    finally:
        temporal.stop()


async def test_temporals_own_variables_are_read(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "default")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:1")
    client: Client = await connect(Settings(_env_file=None, temporal_address=temporal_address))
    assert client.namespace == "default"
    assert client.service_client.config.target_host == temporal_address
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "other")
    engine = await open_engine(Settings(_env_file=None))
    assert engine.address == "elsewhere:1"
