"""Runs that PostgreSQL and Temporal disagree about are put right."""

import asyncio
from datetime import timedelta

import pytest

from aistudio.engine.client import Engine, EngineUnavailable, RunState
from aistudio.engine.messages import RunTask
from aistudio.engine.reconciler import UNREADABLE, reconcile, reconcile_for_ever
from aistudio.graph.events import EventType
from aistudio.nodes.context import NodeContext
from aistudio.store import events, executions
from aistudio.store.events import NewEvent
from tests.engine.runs import OWNER, Studio, graph, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = timedelta(0)


@pytest.fixture
async def nothing_open(real_studio: Studio) -> None:
    """What earlier tests left is not this test's business."""
    for run in await executions.unfinished(real_studio.database):
        await events.finish(real_studio.database, run.id, EventType.EXECUTION_CANCELLED)


async def round_of(studio: Studio, young: timedelta = AT_ONCE) -> dict[str, tuple[str, str | None]]:
    """What was found amiss with which run, and what was done."""
    found = await reconcile(studio.engine, studio.database, studio.tools.specs, young=young)
    return {repair.execution_id: (repair.found, repair.done) for repair in found.repairs}


async def hang(context: NodeContext) -> dict[str, str]:
    await asyncio.Event().wait()
    return {}


async def test_a_run_that_was_never_submitted_is_started(real_studio: Studio) -> None:
    execution_id = await real_studio.write(graph("t>a"))
    assert await round_of(real_studio, timedelta(minutes=1)) == {}
    assert await real_studio.engine.describe(execution_id) is RunState.MISSING
    assert await round_of(real_studio) == {
        execution_id: ("pending here, missing in Temporal", "started it in Temporal")
    }
    assert told(await real_studio.end(execution_id))[-1] == "execution_completed"
    assert await round_of(real_studio) == {}


async def test_several_reconcilers_start_it_once(real_studio: Studio) -> None:
    execution_id = await real_studio.write(graph("t>a"))
    await asyncio.gather(*(round_of(real_studio) for _ in range(5)))
    found = told(await real_studio.end(execution_id))
    assert found.count("started a") == 1
    assert found[-1] == "execution_completed"


async def test_a_run_that_was_terminated_in_temporal_fails(real_studio: Studio) -> None:
    real_studio.acts["a"] = [hang]
    execution_id = await real_studio.start(graph("t>a", "a>b"))
    await real_studio.until(execution_id, EventType.NODE_STARTED, "a")
    await real_studio.client.get_workflow_handle(execution_id).terminate()
    assert await round_of(real_studio) == {
        execution_id: ("running here, terminated in Temporal", "wrote that it is failed")
    }
    found = await real_studio.events(execution_id)
    assert told(found)[-2:] == ["cancelled a", "execution_failed"]
    assert found[-1].payload["error"] == {
        "code": "internal",
        "message": "The run was terminated in Temporal.",
    }


async def test_a_cancelled_row_is_cancelled_in_temporal_again(real_studio: Studio) -> None:
    real_studio.acts["a"] = [hang]
    execution_id = await real_studio.start(graph("t>a"))
    await real_studio.until(execution_id, EventType.NODE_STARTED, "a")
    await executions.request_cancel(real_studio.database, OWNER, execution_id)
    assert await round_of(real_studio) == {
        execution_id: ("cancelling here, running in Temporal", "asked Temporal to cancel it")
    }
    assert told(await real_studio.end(execution_id))[-2:] == ["cancelled a", "execution_cancelled"]


async def test_a_cancelled_row_that_was_never_submitted_ends_cancelled(real_studio: Studio) -> None:
    execution_id = await real_studio.write(graph("t>a"))
    await executions.request_cancel(real_studio.database, OWNER, execution_id)
    assert await round_of(real_studio) == {
        execution_id: ("cancelling here, missing in Temporal", "wrote that it is cancelled")
    }
    assert told(await real_studio.events(execution_id))[-1] == "execution_cancelled"
    assert await real_studio.engine.describe(execution_id) is RunState.MISSING


class Closed(Engine):
    """Temporal, as if every run had ended there like this."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    async def describe(self, execution_id: str) -> RunState:
        return self._state


@pytest.mark.parametrize(
    ("state", "settled", "terminal"),
    [
        (RunState.COMPLETED, True, EventType.EXECUTION_COMPLETED),
        (RunState.COMPLETED, False, EventType.EXECUTION_FAILED),
        (RunState.FAILED, True, EventType.EXECUTION_FAILED),
        (RunState.TIMED_OUT, False, EventType.EXECUTION_FAILED),
        (RunState.TERMINATED, False, EventType.EXECUTION_FAILED),
        (RunState.CANCELLED, False, EventType.EXECUTION_CANCELLED),
    ],
)
@pytest.mark.usefixtures("nothing_open")
async def test_an_open_row_of_a_closed_run_gets_a_fitting_end(
    real_studio: Studio, state: RunState, settled: bool, terminal: EventType
) -> None:
    database = real_studio.database
    execution_id = await real_studio.write(graph("t"))
    await events.append(
        database, execution_id, [NewEvent(type=EventType.NODE_STARTED, node_id="t", attempt=1)]
    )
    if settled:
        await events.complete_node(database, execution_id, "t", attempt=1, output={}, duration_ms=1)
    specs = real_studio.tools.specs
    helped = await reconcile(Closed(state), database, specs, young=AT_ONCE)
    assert (helped.compared, len(helped.repairs)) == (1, 1)
    found = await real_studio.events(execution_id)
    assert found[-1].type is terminal
    assert found[-2].type is (EventType.NODE_COMPLETED if settled else EventType.NODE_CANCELLED)
    if terminal is EventType.EXECUTION_FAILED:
        assert found[-1].payload["error"]["code"] == "internal"
    assert (await reconcile(Closed(state), database, specs, young=AT_ONCE)).compared == 0
    assert await real_studio.events(execution_id) == found


async def test_a_run_that_cannot_be_read_fails(real_studio: Studio) -> None:
    execution_id = await real_studio.write({"nodes": "none"})
    assert (await round_of(real_studio))[execution_id] == (
        "pending here, missing in Temporal",
        "wrote that it is failed",
    )
    found = await real_studio.events(execution_id)
    assert told(found) == ["execution_started", "execution_failed"]
    assert found[-1].payload["error"] == {"code": "internal", "message": UNREADABLE}


@pytest.mark.usefixtures("nothing_open")
async def test_one_run_that_cannot_be_helped_keeps_nobody_from_it(
    real_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = await real_studio.write(graph("t"))
    execution_id = await real_studio.write(graph("t"))
    start = Engine.start

    async def start_others(engine: Engine, started: str, task: RunTask) -> None:
        if started == stubborn:
            raise LookupError
        await start(engine, started, task)

    monkeypatch.setattr(Engine, "start", start_others)
    helped = await round_of(real_studio)
    assert helped[stubborn] == ("pending here, and comparing it with Temporal failed (LookupError)", None)
    assert helped[execution_id][1] == "started it in Temporal"
    assert told(await real_studio.end(execution_id))[-1] == "execution_completed"
    assert await real_studio.engine.describe(stubborn) is RunState.MISSING


async def test_the_timer_goes_on_while_temporal_is_away(
    real_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistudio.engine.reconciler.PERIOD", 0.05)
    rounds = 0
    enough = asyncio.Event()

    class Away(Closed):
        async def describe(self, execution_id: str) -> RunState:
            nonlocal rounds
            rounds += 1
            if rounds >= 3:
                enough.set()
            raise EngineUnavailable

    monkeypatch.setattr("aistudio.engine.reconciler.YOUNG", AT_ONCE)
    await real_studio.write(graph("t"))
    timer = asyncio.create_task(
        reconcile_for_ever(Away(RunState.MISSING), real_studio.database, real_studio.tools.specs)
    )
    await asyncio.wait_for(enough.wait(), 10)
    timer.cancel()


async def test_engine_knows_where_a_run_stands(real_studio: Studio) -> None:
    engine = real_studio.engine
    real_studio.acts["a"] = [hang]
    execution_id = await real_studio.start(graph("t>a"))
    await real_studio.submit(execution_id)
    assert await engine.describe(execution_id) is RunState.RUNNING
    await real_studio.cancel(execution_id)
    await real_studio.end(execution_id)
    assert await engine.describe(execution_id) is RunState.CANCELLED
    # Starting and cancelling what has ended does nothing.
    await real_studio.submit(execution_id)
    await engine.cancel(execution_id)
    assert await engine.describe(execution_id) is RunState.CANCELLED
    assert await engine.describe("never-heard-of") is RunState.MISSING
    await engine.cancel("never-heard-of")
    assert await engine.healthy()
