"""What becomes of a node that fails, beside what the table says (test_truth_table.py; contract, 3.7)."""

import asyncio
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from aistudio.engine import record
from aistudio.engine.attempt import LOST_LIMIT
from aistudio.engine.client import RunState
from aistudio.engine.messages import FinishTask, NodeTask
from aistudio.engine.reconciler import LEFT_OVER, reconcile
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import Event, EventType
from aistudio.graph.scheduler import Scheduler, Step
from aistudio.nodes.context import NodeContext
from aistudio.store import events
from tests.engine.runs import Studio, graph, of, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-secret-0123456789"


async def sleep_for_ever(context: object) -> dict[str, str]:
    await asyncio.Event().wait()
    return {}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between attempts: the time-skipping server does not skip those."""
    monkeypatch.setattr(record, "pause", lambda *_: 0.01)


RETRYABLE = NodeError(ErrorCode.MODEL_UNAVAILABLE, "The model is away.", retryable=True)
FINAL = NodeError(ErrorCode.MODEL_AUTH, "The key is wrong.")
UNFORESEEN = ValueError(SECRET)


def failing_graph(on_error: str, max_attempts: int) -> dict[str, Any]:
    return graph(
        "t>a",
        "a>b",
        "a.error>c",
        a={
            "on_error": on_error,
            "retry": {"max_attempts": max_attempts},
            "timeout_seconds": 0.2,
        },
    )


def times(found: list[Event], node_id: str, wanted: EventType) -> list[int]:
    return [event.attempt for event in of(found, wanted, node_id)]


@pytest.mark.parametrize(
    ("failed", "retry_after", "seconds"),
    [
        (0, None, 1),
        (1, None, 2),
        (4, None, 16),
        (5, None, 30),
        (99, None, 30),
        (0, 7, 7),
        (3, 0.5, 0.5),
        (0, 0, 0.001),
        (0, -1, 0.001),
        (0, 7200, 7200),
        (0, 1e9, 86_400),
    ],
)
async def test_pauses_double_up_to_thirty_seconds_or_follow_retry_after(
    failed: int, retry_after: float | None, seconds: float
) -> None:
    assert record.pause(failed, retry_after) == seconds


async def test_the_next_attempt_comes_when_it_was_announced(real_studio: Studio) -> None:
    hint, at_once = (
        NodeError(ErrorCode.MODEL_RATE_LIMITED, "Slowly.", retryable=True, retry_after=seconds)
        for seconds in (2, 0)
    )
    real_studio.acts["a"] = [RETRYABLE, hint, at_once, {}]
    found = await real_studio.run(graph("t>a", a={"retry": {"max_attempts": 4}}))
    starts = of(found, EventType.NODE_STARTED, "a")
    for retrying, started, seconds in zip(
        of(found, EventType.NODE_RETRYING, "a"), starts[1:], (1, 2, 0), strict=True
    ):
        announced = datetime.fromisoformat(retrying.payload["next_attempt_at"])
        written = datetime.fromisoformat(retrying.timestamp)
        assert abs((announced - written).total_seconds() - seconds) < 0.8
        late = datetime.fromisoformat(started.timestamp) - announced
        assert 0 <= late.total_seconds() < (2.5 if seconds else 1.0)


async def test_the_run_is_failed_in_temporal_too(studio: Studio) -> None:
    studio.acts["a"] = [FINAL]
    execution_id = await studio.start(graph("t>a"))
    with pytest.raises(WorkflowFailureError) as failure:
        await studio.client.get_workflow_handle(execution_id).result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "model_auth"
    assert failure.value.cause.message == "The key is wrong."


async def test_a_failure_stops_whoever_is_at_work_and_starts_nobody(studio: Studio) -> None:
    both = asyncio.Event()

    async def fail(context: object) -> dict[str, str]:
        await both.wait()
        raise FINAL

    async def hang(context: object) -> dict[str, str]:
        both.set()
        return await sleep_for_ever(context)

    studio.acts["a"], studio.acts["b"] = [fail], [hang]
    raw = graph("t>a", "t>b", "a>c", "b>d")
    found = await studio.run(raw)
    assert told(found)[-3:] == ["failed a", "cancelled b", "execution_failed"]
    assert studio.acts.attempts.keys() == {"a", "b"}


async def test_a_node_that_waits_for_its_next_attempt_is_cancelled_when_the_run_fails(
    studio: Studio,
) -> None:
    retrying = asyncio.Event()

    async def retry(context: object) -> dict[str, str]:
        retrying.set()
        raise NodeError(ErrorCode.TIMEOUT, "Slow.", retryable=True, retry_after=3000)

    async def fail(context: object) -> dict[str, str]:
        await retrying.wait()
        await asyncio.sleep(0.3)
        raise FINAL

    studio.acts["a"], studio.acts["b"] = [fail], [retry]
    found = await studio.run(graph("t>a", "t>b"))
    assert told(found)[-3:] == ["failed a", "cancelled b", "execution_failed"]
    assert studio.acts.calls("b") == 1


async def test_what_nobody_foresaw_is_logged_with_its_trace_and_told_without(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio.acts["a"] = [UNFORESEEN]
    with caplog.at_level(logging.ERROR, logger="aistudio.engine.attempt"):
        found = await studio.run(graph("t>a", a={"retry": {"max_attempts": 1}}))
    assert found[-1].payload["error"] == {
        "code": "internal",
        "message": "Something unforeseen happened in this node (ValueError). The worker's log says more.",
    }
    assert any(record.exc_info for record in caplog.records)


async def test_a_configuration_that_does_not_fit_is_not_tried_again(studio: Studio) -> None:
    raw = graph("t>a", t={"config": {"input": 7}})
    found = await studio.run(raw)
    assert times(found, "t", EventType.NODE_STARTED) == [1]
    assert found[-1].payload["error"]["code"] == "internal"


async def test_a_kind_that_the_worker_does_not_know_fails_the_run(studio: Studio) -> None:
    raw = graph("t>a", a={"kind": "from_the_future"})
    found = await studio.run(raw)
    assert told(found)[-1] == "execution_failed"
    assert "from_the_future" in found[-1].payload["error"]["message"]


async def test_a_long_message_is_cut(studio: Studio) -> None:
    studio.acts["a"] = [NodeError(ErrorCode.MODEL_REJECTED, "x" * 10_000)]
    found = await studio.run(graph("t>a"))
    assert len(found[-1].payload["error"]["message"]) == record.MESSAGE_LENGTH


async def test_a_stored_result_is_taken_and_the_node_not_called(studio: Studio) -> None:
    execution_id = await studio.write(graph("t>f", "f.x>a", "f.y>b"))
    await events.complete_node(
        studio.database, execution_id, "f", attempt=1, output={"branch": "y"}, duration_ms=5
    )
    await studio.submit(execution_id)
    found = await studio.end(execution_id)
    assert studio.acts.attempts.keys() == {"b"}
    assert told(found).count("completed f") == 1
    assert told(found)[-1] == "execution_completed"


@pytest.mark.parametrize(("on_error", "ran"), [("continue", {"b"}), ("route", {"c"}), ("fail", set())])
async def test_a_stored_failure_is_taken_and_the_node_not_called(
    studio: Studio, on_error: str, ran: set[str]
) -> None:
    execution_id = await studio.write(failing_graph(on_error, 3))
    await events.fail_node(
        studio.database,
        execution_id,
        "a",
        attempt=1,
        code="model_auth",
        message="No.",
        absorbed=on_error != "fail",
    )
    await studio.submit(execution_id)
    found = await studio.end(execution_id)
    assert studio.acts.attempts.keys() == ran
    assert told(found).count("failed a") == 1
    assert told(found)[-1] == ("execution_completed" if ran else "execution_failed")
    assert found[-1].payload == ({} if ran else {"error": {"code": "model_auth", "message": "No."}})


@pytest.mark.usefixtures("at_once")
async def test_attempts_that_were_cut_off_do_not_use_up_the_nodes_own(studio: Studio) -> None:
    execution_id = await studio.write(graph("t>a", a={"retry": {"max_attempts": 2}}))
    for attempt in (1, 2, 3):
        await events.append(
            studio.database,
            execution_id,
            [events.NewEvent(type=EventType.NODE_STARTED, node_id="a", attempt=attempt)],
        )
    studio.acts["a"] = [RETRYABLE]
    await studio.submit(execution_id)
    found = await studio.end(execution_id)
    assert studio.acts.attempts["a"] == [4, 5]
    assert times(found, "a", EventType.NODE_RETRYING) == [4]
    assert found[-1].payload["error"]["code"] == "model_unavailable"


async def test_a_node_that_loses_its_worker_again_and_again_is_given_up(studio: Studio) -> None:
    execution_id = await studio.write(graph("t>a"))
    lost = [
        events.NewEvent(type=EventType.NODE_STARTED, node_id="a", attempt=attempt)
        for attempt in range(1, LOST_LIMIT + 1)
    ]
    await events.append(studio.database, execution_id, lost)
    await studio.submit(execution_id)
    found = await studio.end(execution_id)
    assert studio.acts.calls("a") == 0
    assert told(found)[-2:] == ["failed a", "execution_failed"]
    assert found[-1].payload["error"]["code"] == "internal"


async def test_an_error_in_the_workflows_own_code_ends_the_run(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> NodeTask:
        raise KeyError("oops")

    monkeypatch.setattr("aistudio.engine.messages.NodeTask", broken)
    found = await studio.run(graph("t>a"))
    assert told(found) == ["execution_started", "execution_failed"]
    assert found[-1].payload["error"] == {
        "code": "internal",
        "message": "The engine failed (KeyError).",
    }


async def test_an_error_in_the_workflows_own_code_in_the_middle_stops_what_runs(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Scheduler.settle

    def broken(scheduler: Scheduler, node_id: str, live_ports: Collection[str]) -> Step:
        if node_id == "2":
            raise RuntimeError("oops")
        return settle(scheduler, node_id, live_ports)

    async def answer(context: NodeContext) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_STARTED, "a")
        return {}

    monkeypatch.setattr(Scheduler, "settle", broken)
    studio.acts["a"], studio.acts["b"] = [sleep_for_ever], [answer]
    execution_id = await studio.start(graph("t>a", "t>b"))
    found = await studio.end(execution_id)
    assert told(found)[-3:] == ["completed b", "cancelled a", "execution_failed"]
    assert found[-1].payload["error"]["message"] == "The engine failed (RuntimeError)."
    assert await studio.engine.describe(execution_id) is RunState.FAILED


async def test_a_workflow_that_cannot_even_write_its_end_is_ended_by_the_reconciler(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> FinishTask:
        raise KeyError("oops")

    monkeypatch.setattr("aistudio.engine.messages.FinishTask", broken)
    execution_id = await studio.start(graph("t"))
    assert told(await studio.end(execution_id))[-1] == "completed t"
    assert await studio.engine.describe(execution_id) is RunState.FAILED
    await reconcile(studio.engine, studio.database, studio.tools.specs, young=timedelta(0))
    found = await studio.events(execution_id)
    assert found[-1].payload["error"]["message"] == LEFT_OVER[RunState.FAILED]


@pytest.mark.parametrize("function", ["complete_node", "finish"])
async def test_what_the_engine_did_not_foresee_fails_the_run_in_the_end(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    async def broken(*_: object, **__: object) -> list[Event]:
        raise LookupError(SECRET)

    with monkeypatch.context() as patch:
        patch.setattr(events, function, broken)
        patch.setattr("aistudio.engine.activities.UNFORESEEN_LIMIT", 2)
        execution_id = await studio.start(graph("t>a"))
        handle = studio.client.get_workflow_handle(execution_id)
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert SECRET not in str((await handle.fetch_history()).to_json_dict())
    assert failure.value.cause is not None
    await reconcile(studio.engine, studio.database, studio.tools.specs, young=timedelta(0))
    found = await studio.events(execution_id)
    assert found[-1].type is EventType.EXECUTION_FAILED
    assert found[-1].payload["error"]["code"] == "internal"


async def test_a_run_that_is_gone_from_postgresql_fails(studio: Studio) -> None:
    execution_id = await studio.write(graph("t>a"))
    async with studio.database.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM executions")
    await studio.submit(execution_id, graph("t>a"))
    with pytest.raises(WorkflowFailureError):
        await studio.client.get_workflow_handle(execution_id).result()
