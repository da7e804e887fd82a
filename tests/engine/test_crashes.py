"""Workers, PostgreSQL and Temporal go away in the middle of a run: it goes on, and nothing is paid twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from temporalio.client import Client
from temporalio.worker import Worker

from aistudio.embedded.postgres import DATABASE, Postgres
from aistudio.embedded.temporal import Temporal
from aistudio.engine import reconciler, worker
from aistudio.engine.client import EngineUnavailable, RunState, connect
from aistudio.engine.record import NodeRecord
from aistudio.engine.tools import Tools
from aistudio.engine.workflow import HEARTBEAT_TIMEOUT
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import EventType
from aistudio.graph.scheduler import Scheduler, Step
from aistudio.llm.client import ModelClient
from aistudio.nodes.context import NodeContext
from aistudio.settings import Settings
from aistudio.store import events, executions, migrations
from aistudio.store.database import Database
from tests.engine.runs import ASK, Studio, asking, graph, of, told, working
from tests.support.model_server import ModelServer


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@contextmanager
def worker_process(
    database_url: str, temporal_address: str, server: ModelServer, module: str = "worker_main"
) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "OPENAI_API_KEY": "sk-test-0123456789",
        "OPENAI_BASE_URL": server.base_url,
    }
    with subprocess.Popen([sys.executable, "-m", f"tests.engine.{module}"], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def starts(found: list, node_id: str) -> list[int]:  # type: ignore[type-arg]
    return [event.attempt for event in of(found, EventType.NODE_STARTED, node_id)]


async def observer(client: Client, database: Database) -> Studio:
    """A studio that starts and reads runs, with nobody at work in this process."""
    context = working(client, database)
    studio = await context.__aenter__()
    await context.__aexit__(None, None, None)
    return studio


async def test_a_killed_worker_costs_the_node_it_was_at_and_nothing_else(
    temporal_address: str, database: Database, server: ModelServer
) -> None:
    studio = await observer(await Client.connect(temporal_address), database)
    raw = graph("t>a", "a>b", "t>z", "b>c", "z>c", a="first", b="[[slow:0.1]] second", c="third", z="side")
    with ExitStack() as stack:
        first = stack.enter_context(worker_process(database.url, temporal_address, server))
        execution_id = await studio.start(raw, "hello")
        assert await asyncio.to_thread(
            server.wait_for,
            lambda calls: any("second" in call.system and call.words > 0 for call in calls),
            60,
        )
        await studio.until(execution_id, EventType.NODE_COMPLETED, "z")
        first.kill()
        killed = time.monotonic()
        stack.enter_context(worker_process(database.url, temporal_address, server))
        found = await studio.end(execution_id)
    assert time.monotonic() - killed < 30
    assert told(found)[-1] == "execution_completed"
    assert [starts(found, name) for name in "abcz"] == [[1], [1, 2], [1], [1]]
    assert sorted(call.system.split()[-1] for call in server.calls) == [
        "first",
        "second",
        "second",
        "side",
        "third",
    ]
    assert "retrying b" not in told(found)


async def test_a_worker_killed_between_storing_and_reporting_costs_no_second_call(
    temporal_address: str, database: Database, server: ModelServer
) -> None:
    studio = await observer(await Client.connect(temporal_address), database)
    with ExitStack() as stack:
        first = stack.enter_context(worker_process(database.url, temporal_address, server, "dying_worker"))
        execution_id = await studio.start(graph("t>a", "a>b", a="first", b="second"), "hello")
        assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        assert told(await studio.events(execution_id))[-1] == "completed a"
        stack.enter_context(worker_process(database.url, temporal_address, server))
        found = await studio.end(execution_id)
    assert told(found)[-1] == "execution_completed"
    assert [call.system for call in server.calls] == ["first", "second"]
    assert [starts(found, name) for name in "tab"] == [[1], [1], [1]]
    async with database.connect() as connection:
        ledger = await connection.execute(
            text("SELECT node_id, outcome FROM model_calls ORDER BY started_at")
        )
        assert [tuple(row) for row in ledger] == [("a", "ok"), ("b", "ok")]


async def test_an_answer_outlives_its_nodes_time_while_postgresql_is_away(
    tmp_path: Path, temporal_address: str, server: ModelServer
) -> None:
    """Neither it nor its cost is lost, and nobody asks again."""
    postgres = Postgres(tmp_path)
    postgres.start()
    migrations.upgrade(postgres.url)
    database = Database(postgres.url)
    settings = Settings(
        _env_file=None, openai_api_key=SecretStr("sk-test-0123456789"), openai_base_url=server.base_url
    )
    raw = graph("t>a", a="[[delay:1]] [[cost:0.5]]")
    raw["nodes"][1]["timeout_seconds"] = 3
    try:
        async with working(await Client.connect(temporal_address), database, settings) as studio:
            execution_id = await studio.start(raw)
            assert await asyncio.to_thread(server.wait_for, lambda calls: len(calls) == 1)
            await asyncio.to_thread(postgres.stop)
            assert await asyncio.to_thread(server.wait_for, lambda calls: calls[0].completed)
            await asyncio.sleep(4)
            await asyncio.to_thread(postgres.start)
            found = await studio.end(execution_id)
        assert told(found)[-1] == "execution_completed"
        assert starts(found, "a") == [1]
        assert len(server.calls) == 1
        run = await executions.load_snapshot(database, execution_id)
        assert run is not None
        assert run.cost_usd == 0.5
    finally:
        await database.close()
        postgres.stop()


async def test_a_worker_thought_lost_that_was_faster_costs_no_second_call(
    temporal_address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node settles after the next attempt has looked and before it begins."""
    real = NodeRecord.begin

    async def outrun(self: NodeRecord, attempt: int) -> bool:
        if self._node.id == "a":
            await events.complete_node(
                database, self._execution_id, "a", attempt=1, output={"text": "faster"}, duration_ms=1
            )
        return await real(self, attempt)

    monkeypatch.setattr(NodeRecord, "begin", outrun)
    async with working(await Client.connect(temporal_address), database) as studio:
        execution_id = await studio.write(graph("t>a", "a>b"))
        lost = events.NewEvent(type=EventType.NODE_STARTED, node_id="a", attempt=1)
        await events.append(database, execution_id, [lost])
        await studio.submit(execution_id)
        found = await studio.end(execution_id)
        assert studio.acts.attempts == {"b": [1]}
    assert told(found)[-3:] == ["started b", "completed b", "execution_completed"]


async def test_a_decision_goes_to_the_worker_that_follows_a_killed_one(
    temporal_address: str, database: Database, server: ModelServer
) -> None:
    studio = await observer(await Client.connect(temporal_address), database)
    with ExitStack() as stack:
        first = stack.enter_context(worker_process(database.url, temporal_address, server))
        raw = asking(yes={"kind": "visualize"}, no={"kind": "visualize"})
        execution_id = await studio.start(raw, "it")
        await studio.until(execution_id, EventType.NODE_WAITING, "ask")
        first.kill()
        with pytest.raises(EngineUnavailable, match="worker"):
            await studio.decide(execution_id, ASK, "approve")
        stack.enter_context(worker_process(database.url, temporal_address, server))
        # The one that was refused for want of a worker may have been delivered by then: one of them counts.
        async with asyncio.timeout(30):
            while True:
                with suppress(EngineUnavailable):
                    await studio.decide(execution_id, ASK, "approve")
                    break
        found = await studio.end(execution_id)
    assert told(found)[3:7] == ["started ask", "waiting ask", "resumed ask", "completed ask"]
    assert told(found)[-1] == "execution_completed"


async def test_a_worker_that_stops_in_order_hands_its_nodes_on(
    temporal_address: str, database: Database
) -> None:
    client = await Client.connect(temporal_address)
    begun = asyncio.Event()

    async def hang(context: NodeContext) -> dict[str, str]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async with working(client, database) as first:
        first.acts["a"] = [hang]
        execution_id = await first.start(graph("t>a", "a>b"))
        await begun.wait()
    stopped = time.monotonic()
    assert "cancelled a" not in told(await first.events(execution_id))
    async with working(client, database) as second:
        found = await second.end(execution_id)
    # Faster than a lost heartbeat: the worker said that it stopped.
    assert time.monotonic() - stopped < 4
    assert starts(found, "a") == [1, 2]
    assert told(found)[-1] == "execution_completed"


async def test_an_answer_is_not_lost_while_postgresql_is_away(tmp_path: Path, temporal_address: str) -> None:
    postgres = Postgres(tmp_path)
    postgres.start()
    migrations.upgrade(postgres.url)
    database = Database(postgres.url)
    answered = asyncio.Event()

    async def answer(context: NodeContext) -> dict[str, str]:
        await asyncio.to_thread(postgres.stop)
        answered.set()
        return {"text": "paid for"}

    try:
        async with working(await Client.connect(temporal_address), database) as studio:
            studio.acts["a"] = [answer]
            execution_id = await studio.start(graph("t>a", "a>b"))
            await answered.wait()
            # Longer than Temporal would wait for a heartbeat.
            await asyncio.sleep(HEARTBEAT_TIMEOUT.total_seconds() + 1)
            await asyncio.to_thread(postgres.start)
            found = await studio.end(execution_id)
        assert studio.acts.attempts == {"a": [1], "b": [1]}
        assert told(found)[-1] == "execution_completed"
        assert of(found, EventType.NODE_COMPLETED, "a")[0].payload["output"] == {"text": "paid for"}
    finally:
        await database.close()
        postgres.stop()


async def test_a_run_goes_on_after_temporal_was_away(tmp_path: Path, database: Database) -> None:
    temporal = Temporal(tmp_path)
    temporal.start()
    away = asyncio.Event()

    async def work(context: NodeContext) -> dict[str, str]:
        await asyncio.to_thread(temporal.stop)
        away.set()
        await asyncio.sleep(1)
        return {}

    try:
        # Which waits until it is healthy: listening is less.
        client = await connect(Settings(_env_file=None, temporal_address=temporal.address))
        async with working(client, database) as studio:
            studio.acts["a"] = [work, {}]
            execution_id = await studio.start(graph("t>a", "a>b"))
            await away.wait()
            await asyncio.to_thread(temporal.start)
            await studio.until(execution_id, EventType.EXECUTION_COMPLETED)
            found = await studio.events(execution_id)
        assert studio.acts.calls("b") == 1
        assert told(found)[-1] == "execution_completed"
    finally:
        temporal.stop()


async def test_a_run_that_the_next_version_decides_otherwise_fails_and_does_not_hang(
    temporal_address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client.connect(temporal_address)
    begun = asyncio.Event()

    async def hang(context: NodeContext) -> dict[str, str]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async with working(client, database) as first:
        first.acts["a"] = [hang]
        execution_id = await first.start(graph("t1>a", "t2>a"))
        await begun.wait()
    real = Scheduler.start

    def turned(self: Scheduler) -> Step:
        step = real(self)
        return Step(ready=step.ready[::-1], skipped=(), done=step.done)

    monkeypatch.setattr(Scheduler, "start", turned)
    async with working(client, database) as second:
        await second.end(execution_id)
        assert await second.engine.describe(execution_id) is RunState.FAILED
        await reconciler.reconcile(second.engine, database, second.tools.specs, young=timedelta(0))
        found = await second.events(execution_id)
    assert found[-1].type is EventType.EXECUTION_FAILED
    assert found[-1].payload["error"]["code"] == "internal"


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_a_run_survives_being_forgotten_between_decisions(
    temporal_address: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    end: str,
) -> None:
    """Every decision is made by replaying the whole history, as after a crash."""
    monkeypatch.setattr(worker, "RUNS_IN_MEMORY", 0)
    hanging = asyncio.Event()

    async def hang(context: NodeContext) -> dict[str, str]:
        hanging.set()
        await asyncio.Event().wait()
        return {}

    async def fail(context: NodeContext) -> dict[str, str]:
        await hanging.wait()
        raise NodeError(ErrorCode.MODEL_AUTH, "No.")

    async with working(await Client.connect(temporal_address), database) as studio:
        studio.acts["f"] = [{"branch": "left"}]
        if end != "completed":
            studio.acts["b"] = [hang]
        if end == "failed":
            studio.acts["c"] = [fail]
        execution_id = await studio.start(graph("t>a", "t>b", "a>f", "f.left>c", "f.right>d", "b>e", "c>e"))
        if end == "cancelled":
            await studio.until(execution_id, EventType.NODE_COMPLETED, "c")
            await studio.cancel(execution_id)
        found = await studio.end(execution_id)
    assert found[-1].type == f"execution_{end}"
    assert told(found).count("skipped d") == 1
    assert not [record for record in caplog.records if "evict" in record.getMessage()]


async def test_a_worker_that_breaks_begins_anew_and_patience_comes_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses = [0.0, 0.0, 0.3, 0.0]

    async def breaking(settings: Settings) -> Client:
        await asyncio.sleep(pauses.pop(0))
        raise ValueError("broken")

    monkeypatch.setattr(worker, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(worker, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(worker, "connect", breaking)
    settings = Settings(_env_file=None, database_url=SecretStr(database_url))
    at_work = asyncio.create_task(worker.work(settings))
    async with asyncio.timeout(10):
        while pauses:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    at_work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await at_work
    said = [record.getMessage() for record in caplog.records if record.exc_info]
    assert [line.rpartition("again in ")[2] for line in said[:3]] == ["0.1 s", "0.2 s", "0.1 s"]


async def test_a_worker_waits_for_the_schema_and_is_built_again_when_it_breaks(
    postgres_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"empty_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    database = Database(postgres_url.replace(f"/{DATABASE}?", f"/{name}?"))
    settings = Settings(_env_file=None)
    model = ModelClient(settings)
    built: list[Tools] = []
    real = worker.build_worker

    def breaking(client: Client, tools: Tools, drain: timedelta) -> Worker:
        built.append(tools)
        if len(built) == 1:
            raise RuntimeError("broken")
        return real(client, tools, drain)

    monkeypatch.setattr(worker, "build_worker", breaking)
    client = await Client.connect(temporal_address)
    at_work = asyncio.create_task(worker.run_worker(client, database, model, settings))
    await asyncio.sleep(0.3)
    assert not built
    await asyncio.to_thread(migrations.upgrade, database.url)
    studio = await observer(client, database)
    execution_id = await studio.start(graph("t"))
    assert told(await studio.end(execution_id))[-1] == "execution_completed"
    assert len(built) == 2
    at_work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await at_work
    await model.aclose()
    await database.close()
