"""Stopping a run: who gets an event, and that cancelled is final (contract, 3.8 to 3.10)."""

import asyncio

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import EventType
from aistudio.nodes.context import NodeContext
from aistudio.store import events, executions
from tests.engine.runs import OWNER, Studio, graph, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def hang(context: NodeContext) -> dict[str, str]:
    await asyncio.Event().wait()
    return {}


async def status_in_temporal(studio: Studio, execution_id: str) -> WorkflowExecutionStatus | None:
    handle = studio.client.get_workflow_handle(execution_id)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return (await handle.describe()).status


async def test_running_and_retrying_nodes_are_cancelled_and_the_others_stay_idle(
    real_studio: Studio,
) -> None:
    studio = real_studio
    studio.acts["a"] = [hang]
    studio.acts["b"] = [NodeError(ErrorCode.TIMEOUT, "Slow.", retryable=True, retry_after=3000)]
    execution_id = await studio.start(graph("t>a", "t>b", "t>c", "a>d", "c>e", "d>e"))
    await studio.until(execution_id, EventType.NODE_RETRYING, "b")
    await studio.until(execution_id, EventType.NODE_STARTED, "a")
    await studio.until(execution_id, EventType.NODE_COMPLETED, "c")
    await studio.cancel(execution_id)
    found = await studio.end(execution_id)
    words = told(found)
    end = words[words.index("execution_cancelling") :]
    assert end[0] == "execution_cancelling"
    assert sorted(end[1:3]) == ["cancelled a", "cancelled b"]
    assert end[3:] == ["execution_cancelled"]
    assert all(event.attempt == 1 for event in found if event.type is EventType.NODE_CANCELLED)
    assert studio.acts.attempts.keys() == {"a", "b", "c"}
    assert await status_in_temporal(studio, execution_id) is WorkflowExecutionStatus.CANCELED
    run = await executions.load_snapshot(studio.database, execution_id)
    assert run is not None
    assert run.status == "cancelled"


async def test_a_worker_hears_of_a_cancel_from_postgresql_alone(real_studio: Studio) -> None:
    studio = real_studio
    aborted = asyncio.Event()

    async def call(context: NodeContext) -> dict[str, str]:
        try:
            await asyncio.Event().wait()
        finally:
            aborted.set()
        return {}

    studio.acts["a"] = [call]
    execution_id = await studio.start(graph("t>a", "a>b"))
    await studio.until(execution_id, EventType.NODE_STARTED, "a")
    # Temporal is told nothing, as when it is away.
    await executions.request_cancel(studio.database, OWNER, execution_id)
    async with asyncio.timeout(5):
        await aborted.wait()
    await studio.until(execution_id, EventType.EXECUTION_CANCELLED)
    await studio.engine.cancel(execution_id)
    words = told(await studio.end(execution_id))
    assert words[-3:] == ["execution_cancelling", "cancelled a", "execution_cancelled"]
    assert await status_in_temporal(studio, execution_id) is WorkflowExecutionStatus.CANCELED


async def test_a_skip_that_was_decided_before_is_written(real_studio: Studio) -> None:
    studio = real_studio

    async def finish(context: NodeContext) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_STARTED, "a")
        return {"branch": "left"}

    studio.acts["a"], studio.acts["f"] = [hang], [finish]
    execution_id = await studio.start(graph("t>a", "t>f", "f.left", "f.right>b", "b>c", "a>c"))
    await studio.until(execution_id, EventType.NODE_COMPLETED, "f")
    await studio.until(execution_id, EventType.NODE_SKIPPED, "b")
    await studio.cancel(execution_id)
    words = told(await studio.end(execution_id))
    assert words[-4:] == ["skipped b", "execution_cancelling", "cancelled a", "execution_cancelled"]


async def test_queued_nodes_get_no_event(real_studio: Studio) -> None:
    studio = real_studio
    names = [f"n{number}" for number in range(53)]
    for name in names:
        studio.acts[name] = [hang]
    execution_id = await studio.start(graph(*(f"t>{name}" for name in names)))
    for name in names[:50]:
        await studio.until(execution_id, EventType.NODE_STARTED, name)
    await studio.cancel(execution_id)
    found = await studio.end(execution_id)
    cancelled = {event.node_id for event in found if event.type is EventType.NODE_CANCELLED}
    assert cancelled == set(names[:50])
    assert not {"n50", "n51", "n52"} & {event.node_id for event in found}
    assert told(found)[-1] == "execution_cancelled"


async def test_a_cancel_is_through_within_a_second(real_studio: Studio) -> None:
    studio = real_studio
    aborted = asyncio.Event()

    async def notice(context: NodeContext) -> dict[str, str]:
        try:
            return await hang(context)
        finally:
            aborted.set()

    studio.acts["a"] = [notice]
    execution_id = await studio.start(graph("t>a"))
    await studio.until(execution_id, EventType.NODE_STARTED, "a")
    async with asyncio.timeout(1):
        await studio.cancel(execution_id)
        await aborted.wait()
    assert told(await studio.end(execution_id))[-1] == "execution_cancelled"


async def test_cancelling_that_was_written_first_wins_over_completion(studio: Studio) -> None:
    async def cancel_meanwhile(context: NodeContext) -> dict[str, str]:
        await executions.request_cancel(studio.database, OWNER, execution_id)
        return {"text": "late"}

    studio.acts["a"] = [cancel_meanwhile]
    execution_id = await studio.start(graph("t>a", "a>b"))
    found = await studio.end(execution_id)
    assert told(found)[-3:] == ["execution_cancelling", "completed a", "execution_cancelled"]
    assert studio.acts.calls("b") == 0


async def test_cancelling_that_was_written_first_wins_over_failure(studio: Studio) -> None:
    async def cancel_meanwhile(context: NodeContext) -> dict[str, str]:
        await executions.request_cancel(studio.database, OWNER, execution_id)
        raise NodeError(ErrorCode.MODEL_AUTH, "No.")

    studio.acts["a"] = [cancel_meanwhile]
    execution_id = await studio.start(graph("t>a", "a>b"))
    found = await studio.end(execution_id)
    assert told(found)[-3:] == ["execution_cancelling", "failed a", "execution_cancelled"]
    run = await executions.load_snapshot(studio.database, execution_id)
    assert run is not None
    assert (run.status, run.error) == ("cancelled", None)


async def test_a_run_that_is_cancelled_before_it_starts_calls_nobody(studio: Studio) -> None:
    execution_id = await studio.write(graph("t>a"))
    await executions.request_cancel(studio.database, OWNER, execution_id)
    await studio.submit(execution_id)
    found = await studio.end(execution_id)
    assert told(found) == ["execution_started", "execution_cancelling", "execution_cancelled"]
    assert not studio.acts.attempts


async def test_cancelling_twice_is_cancelling_once(real_studio: Studio) -> None:
    real_studio.acts["a"] = [hang]
    execution_id = await real_studio.start(graph("t>a"))
    await real_studio.until(execution_id, EventType.NODE_STARTED, "a")
    await asyncio.gather(*(real_studio.cancel(execution_id) for _ in range(3)))
    words = told(await real_studio.end(execution_id))
    assert words[-3:] == ["execution_cancelling", "cancelled a", "execution_cancelled"]
    await real_studio.cancel(execution_id)
    assert told(await real_studio.events(execution_id)) == words


async def test_a_cancel_from_temporals_own_page_ends_the_run(real_studio: Studio) -> None:
    real_studio.acts["a"] = [hang]
    execution_id = await real_studio.start(graph("t>a"))
    await real_studio.until(execution_id, EventType.NODE_STARTED, "a")
    await real_studio.client.get_workflow_handle(execution_id).cancel()
    found = await real_studio.end(execution_id)
    assert told(found)[-2:] == ["cancelled a", "execution_cancelled"]


async def test_nothing_is_written_after_the_end(real_studio: Studio) -> None:
    execution_id = await real_studio.start(graph("t>a"))
    before = await real_studio.end(execution_id)
    await events.append(
        real_studio.database,
        execution_id,
        [events.NewEvent(type=EventType.NODE_STARTED, node_id="b", attempt=1)],
    )
    await real_studio.cancel(execution_id)
    assert await real_studio.events(execution_id) == before
