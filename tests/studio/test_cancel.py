"""A cancel is through within a second, whatever the run is doing at that moment (contract, 3.9)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest

from aistudio.graph.events import TERMINAL_EVENTS, Event, EventType
from aistudio.store import executions, workflows
from aistudio.store.database import Database
from aistudio.studio.errors import StudioError
from aistudio.studio.studio import Studio
from tests.studio.serving import LOCAL, edge, node, worker_on
from tests.support.model_server import ModelServer
from tests.support.web_server import WebServer, hang

# A second is promised and an idle machine needs a tenth of it; a busy one shall not fail the test.
HARD_LIMIT = 3.0
CANCELLED = EventType.EXECUTION_CANCELLED


@pytest.fixture
async def model(database_url: str, temporal_address: str) -> AsyncIterator[ModelServer]:
    """The endpoint of the worker's model; HTTP nodes may call this machine."""
    with ModelServer(interval=0.02) as running:
        endpoint = {"openai_api_key": "test-key", "openai_base_url": running.base_url}
        async with worker_on(
            database_url, temporal_address, http_node_allow_hosts=("127.0.0.1",), **endpoint
        ):
            yield running


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """A trigger and nodes in a row."""
    names = ["start", *(one["id"] for one in nodes)]
    wires = [edge(a, b) for a, b in pairwise(names)]
    return {"schema": 1, "name": "Cancelled", "nodes": [node("start", "trigger"), *nodes], "edges": wires}


def agent(prompt: str, name: str = "a") -> dict[str, Any]:
    return node(name, "ai_agent", system_prompt=prompt)


async def start(studio: Studio, raw: dict[str, Any]) -> str:
    workflow = await studio.workflows.create(LOCAL, raw)
    return await studio.starts.execute(LOCAL, workflow["id"])


async def told_until(studio: Studio, execution_id: str, wanted: EventType | None) -> list[Event]:
    """The run's events up to one of this type; up to its end when that is null."""
    seen: list[Event] = []
    async with asyncio.timeout(30), aclosing(studio.executions.watch(LOCAL, execution_id, 0)) as watching:
        async for told in watching:
            if isinstance(told, Event):
                seen.append(told)
                if told.type is wanted:
                    break
    return seen


async def cancel(studio: Studio, execution_id: str) -> list[str]:
    """Cancel a run and see how it ends: what came after the cancelling was written."""
    ending = asyncio.create_task(told_until(studio, execution_id, None))
    await asyncio.sleep(0)
    began = time.monotonic()
    await studio.executions.cancel(LOCAL, execution_id)
    events = await ending
    took = time.monotonic() - began
    print(f"cancelled after {took:.3f} s")  # noqa: T201 - shown by `pytest -rP`
    assert took < HARD_LIMIT
    words = [f"{event.type} {event.node_id}" if event.node_id else str(event.type) for event in events]
    assert words.count("execution_cancelling") == 1
    return words[words.index("execution_cancelling") + 1 :]


async def test_before_temporal_has_heard_of_it(studio: Studio, database: Database) -> None:
    """Its web process died in between; no worker and no reconciler is there to help."""
    raw = graph(agent("x"))
    workflow = await workflows.create(database, LOCAL.owner_id, name="", graph=raw)
    execution_id, _ = await executions.create(
        database, LOCAL.owner_id, workflow_id=workflow.id, version=None, graph=raw
    )
    assert await cancel(studio, execution_id) == [CANCELLED]


async def test_before_the_start(studio: Studio, model: ModelServer) -> None:
    execution_id = await start(studio, graph(agent("[[endless]]")))
    *stopped, end = await cancel(studio, execution_id)
    assert end == CANCELLED
    assert set(stopped) <= {"node_completed start", "node_cancelled start", "node_cancelled a"}


@pytest.mark.parametrize("prompt", ["[[delay:30]]", "[[hang:0]]", "[[endless]]"])
async def test_in_a_model_call_which_is_aborted(studio: Studio, model: ModelServer, prompt: str) -> None:
    execution_id = await start(studio, graph(agent(prompt), agent("never", "b")))
    words = 1 if "endless" in prompt else 0
    assert await asyncio.to_thread(model.wait_for, lambda calls: bool(calls) and calls[0].words >= words)
    began = time.time()
    assert await cancel(studio, execution_id) == ["node_cancelled a", CANCELLED]
    assert await asyncio.to_thread(model.wait_for, lambda calls: calls[0].ended_at is not None)
    (call,) = model.calls
    assert call.disconnected
    assert call.ended_at is not None
    assert call.ended_at - began < HARD_LIMIT


async def test_in_a_web_request_which_is_hung_up(studio: Studio, model: ModelServer) -> None:
    async with WebServer() as web:
        web["/"] = hang
        execution_id = await start(studio, graph(node("a", "http_request", method="GET", url=web.url)))
        await asyncio.wait_for(web.asked.wait(), 20)
        assert await cancel(studio, execution_id) == ["node_cancelled a", CANCELLED]
        await asyncio.wait_for(web.left.wait(), HARD_LIMIT)


async def test_between_two_attempts(studio: Studio, model: ModelServer) -> None:
    execution_id = await start(studio, graph(agent("[[status:503 retry_after=3000]]")))
    await told_until(studio, execution_id, EventType.NODE_RETRYING)
    assert await cancel(studio, execution_id) == ["node_cancelled a", CANCELLED]
    assert len(model.calls) == 1


async def test_while_a_human_is_waited_for(studio: Studio, model: ModelServer) -> None:
    raw = graph(node("a", "approval", message="Go on?"))
    execution_id = await start(studio, raw)
    await told_until(studio, execution_id, EventType.NODE_WAITING)
    assert await cancel(studio, execution_id) == ["node_cancelled a", CANCELLED]
    with pytest.raises(StudioError):
        await studio.executions.decide(LOCAL, execution_id, "a", "approve")


async def test_while_an_output_waits_to_be_stored(
    studio: Studio, model: ModelServer, database: Database
) -> None:
    """It has been paid for, so it is stored; what comes after it does not begin."""
    execution_id = await start(studio, graph(agent("[[delay:0.3]] [[text:paid]]"), agent("never", "b")))
    assert await asyncio.to_thread(model.wait_for, lambda calls: bool(calls))
    async with database.begin() as connection:
        # Whoever writes to the run waits for this.
        await connection.exec_driver_sql("SELECT FROM executions FOR NO KEY UPDATE")
        assert await asyncio.to_thread(model.wait_for, lambda calls: calls[0].completed)
        await asyncio.sleep(0.2)
        cancelling = asyncio.create_task(cancel(studio, execution_id))
        await asyncio.sleep(0.3)
    rest = await cancelling
    run = await studio.executions.get(LOCAL, execution_id)
    assert rest[-1] == CANCELLED
    assert run["nodes"]["a"]["output"] == {"response": "paid"}
    assert run["nodes"]["b"]["status"] in ("idle", "cancelled")
    assert len(model.calls) == 1


async def test_at_any_moment_up_to_the_last_event(studio: Studio, model: ModelServer) -> None:
    """Either the end or the cancel is first; nothing comes after the end, and nobody waits."""

    async def cancelled_after(pause: float) -> str:
        execution_id = await start(studio, graph(agent("[[text:a]]"), node("b", "visualize")))
        await asyncio.sleep(pause)
        expected = CANCELLED
        try:
            await cancel(studio, execution_id)
        except StudioError:
            expected = EventType.EXECUTION_COMPLETED
        events = await told_until(studio, execution_id, None)
        assert [event.type for event in events if event.type in TERMINAL_EVENTS] == [expected]
        assert events[-1].type is expected
        run = await studio.executions.get(LOCAL, execution_id)
        assert run["status"] == expected.removeprefix("execution_")
        return expected

    ends = [await cancelled_after(pause / 1000) for pause in range(0, 300, 15)]
    assert ends[0] == CANCELLED
