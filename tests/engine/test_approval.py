"""A node that waits for a human: it holds nothing, and one decision counts (contract, 3.7 to 3.11)."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from aistudio.engine.client import RUN_TIMEOUT
from aistudio.graph.definition import Workflow
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import Event, EventType
from aistudio.graph.projection import project
from aistudio.nodes.context import NodeContext
from aistudio.store import events, executions
from tests.engine.runs import ASK, Studio, asking, graph, of, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def status(studio: Studio, execution_id: str) -> str:
    found = await executions.status(studio.database, execution_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("decision", "output", "taken", "left"),
    [("approve", "approved", "yes", "no"), ("reject", "rejected", "no", "yes")],
)
async def test_a_decision_is_told_and_takes_its_port(
    studio: Studio, decision: Literal["approve", "reject"], output: str, taken: str, left: str
) -> None:
    execution_id = await studio.start(asking(), "it")
    waiting = await studio.until(execution_id, EventType.NODE_WAITING, "ask")
    assert waiting.payload == {"message": "Send it?", "expires_at": None}
    assert await status(studio, execution_id) == "waiting"
    assert await studio.decide(execution_id, ASK, decision)
    # What was answered can be read.
    assert "completed ask" in told(await studio.events(execution_id))
    found = await studio.end(execution_id)
    assert told(found)[3:7] == ["started ask", "waiting ask", "resumed ask", "completed ask"]
    made = {"decision": output, "comment": "As you like.", "by": "ada"}
    assert of(found, EventType.NODE_RESUMED, "ask")[0].payload == made
    completed = of(found, EventType.NODE_COMPLETED, "ask")[0]
    assert completed.payload == {"output": made, "duration_ms": completed.payload["duration_ms"]}
    assert {event.attempt for event in found if event.node_id == "ask"} == {1}
    assert sorted(told(found)[7:-1]) == [f"completed {taken}", f"skipped {left}", f"started {taken}"]
    assert told(found)[-1] == "execution_completed"


async def when_time_is_up(studio: Studio, raw: dict[str, Any], hours: float) -> list[Event]:
    """The events of a run in which `ask` waits for so long."""
    execution_id = await studio.start(raw)
    waiting = await studio.until(execution_id, EventType.NODE_WAITING, "ask")
    start = (await studio.client.get_workflow_handle(execution_id).describe()).start_time
    left = datetime.fromisoformat(waiting.payload["expires_at"]) - start
    assert timedelta(hours=hours) <= left < timedelta(hours=hours, minutes=1)
    await studio.pass_time(hours - 0.1)
    assert await status(studio, execution_id) == "waiting"
    await studio.pass_time(0.1)
    found = await studio.end(execution_id)
    assert not await studio.decide(execution_id, ASK, "approve")
    return found


@pytest.mark.parametrize(("policy", "output"), [("approve", "approved"), ("reject", "rejected")])
async def test_when_nobody_decides_in_time_it_decides_itself(
    studio: Studio, policy: str, output: str
) -> None:
    """However short the node's time limit is: that does not run while it waits."""
    raw = asking(config={"wait_seconds": 72 * 3600, "on_timeout": policy}, ask={"timeout_seconds": 1})
    found = await when_time_is_up(studio, raw, 72)
    made = {"decision": output, "comment": "", "by": "timeout"}
    assert of(found, EventType.NODE_RESUMED, "ask")[0].payload == made
    assert of(found, EventType.NODE_COMPLETED, "ask")[0].payload["output"] == made
    assert ("completed yes" in told(found)) == (policy == "approve")
    assert told(found)[-1] == "execution_completed"


@pytest.mark.parametrize(
    ("on_error", "after"),
    [
        ("fail", ["execution_failed"]),
        ("continue", ["completed no", "completed yes", "skipped late", "started no", "started yes"]),
        ("route", ["completed late", "skipped no", "skipped yes", "started late"]),
    ],
)
async def test_a_wait_that_may_fail_fails_by_its_policy(
    studio: Studio, on_error: str, after: list[str]
) -> None:
    raw = asking("ask.error>late", config={"wait_seconds": 3600}, ask={"on_error": on_error})
    found = await when_time_is_up(studio, raw, 1)
    assert told(found)[3:6] == ["started ask", "waiting ask", "failed ask"]
    failed = of(found, EventType.NODE_FAILED, "ask")[0]
    assert failed.payload["error"]["code"] == "approval_timeout"
    assert failed.payload["absorbed"] == (on_error != "fail")
    assert sorted(set(told(found)[6:]) - {"execution_completed"}) == after


async def test_a_message_that_cannot_be_resolved_fails_before_anybody_waits(studio: Studio) -> None:
    found = await studio.run(asking(config={"message": "{{trigger.nothing}}"}), {"a": 1})
    assert told(found)[3:] == ["started ask", "failed ask", "execution_failed"]
    assert of(found, EventType.NODE_FAILED, "ask")[0].payload["error"]["code"] == "unresolved_reference"


async def test_of_many_deciders_exactly_one_wins(real_studio: Studio) -> None:
    studio = real_studio
    execution_id = await studio.start(asking())
    await studio.until(execution_id, EventType.NODE_WAITING, "ask")
    asked: list[Literal["approve", "reject"]] = ["approve", "reject"] * 4
    counted = await asyncio.gather(*(studio.decide(execution_id, ASK, one) for one in asked))
    assert counted.count(True) == 1
    found = await studio.end(execution_id)
    output = of(found, EventType.NODE_COMPLETED, "ask")[0].payload["output"]
    assert output["decision"].startswith(asked[counted.index(True)])
    assert len(of(found, EventType.NODE_RESUMED, "ask")) == 1
    assert not await studio.decide(execution_id, ASK, "approve")


async def test_no_run_that_may_wait_is_ended_by_temporal(real_studio: Studio) -> None:
    for raw, limit in ((graph("t>a"), RUN_TIMEOUT), (asking(), timedelta())):
        execution_id = await real_studio.start(raw)
        run = await real_studio.client.get_workflow_handle(execution_id).describe()
        config = run.raw_description.execution_config
        assert config.workflow_execution_timeout.ToTimedelta() == limit
        await real_studio.cancel(execution_id)


async def test_a_decision_may_come_as_soon_as_the_event_does(real_studio: Studio) -> None:
    """The activity that wrote it need not be through for the workflow by then."""
    for _ in range(5):
        execution_id = await real_studio.start(asking())
        while "waiting ask" not in told(await real_studio.events(execution_id)):
            pass
        assert await real_studio.decide(execution_id, ASK, "approve")
        assert told(await real_studio.end(execution_id))[-1] == "execution_completed"


async def test_what_does_not_wait_takes_no_decision(real_studio: Studio) -> None:
    async def hang(context: NodeContext) -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    studio = real_studio
    studio.acts["a"] = [hang]
    execution_id = await studio.start(graph("t>a", "a>ask", ask={"kind": "approval"}))
    await studio.until(execution_id, EventType.NODE_STARTED, "a")
    assert not await studio.decide(execution_id, 2, "approve")
    assert not await studio.decide(execution_id, 0, "approve")
    await studio.cancel(execution_id)
    await studio.end(execution_id)
    assert not await studio.decide(execution_id, 2, "approve")


async def test_a_cancel_while_it_waits_is_through_within_a_second(real_studio: Studio) -> None:
    studio = real_studio
    execution_id = await studio.start(asking(config={"wait_seconds": 3600}))
    await studio.until(execution_id, EventType.NODE_WAITING, "ask")
    async with asyncio.timeout(1):
        await studio.cancel(execution_id)
        await studio.until(execution_id, EventType.EXECUTION_CANCELLED)
    words = told(await studio.end(execution_id))
    assert words[-3:] == ["execution_cancelling", "cancelled ask", "execution_cancelled"]
    assert not await studio.decide(execution_id, ASK, "approve")


async def test_a_failure_elsewhere_ends_the_wait(studio: Studio) -> None:
    async def fail_later(context: NodeContext) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_WAITING, "ask")
        raise NodeError(ErrorCode.MODEL_AUTH, "No.")

    studio.acts["b"] = [fail_later]
    execution_id = await studio.start(asking("t>b"))
    assert told(await studio.end(execution_id))[-3:] == ["failed b", "cancelled ask", "execution_failed"]


async def test_waiting_nodes_leave_the_fifty_places_to_others(studio: Studio) -> None:
    asks = {f"ask{number}": {"kind": "approval"} for number in range(60)}
    raw = graph(*(f"t>{name}" for name in asks), "t>a", "a>b", **asks)
    execution_id = await studio.start(raw)
    await studio.until(execution_id, EventType.NODE_COMPLETED, "b")
    assert sum(word.startswith("waiting") for word in told(await studio.events(execution_id))) == 60
    await asyncio.gather(*(studio.decide(execution_id, place, "approve") for place in range(1, 61)))
    assert told(await studio.end(execution_id))[-1] == "execution_completed"


async def test_a_skip_is_told_while_somebody_waits(studio: Studio) -> None:
    studio.acts["f"] = [{"branch": "left"}]
    execution_id = await studio.start(asking("t>f", "f.left", "f.right>b"))
    await studio.until(execution_id, EventType.NODE_SKIPPED, "b")
    assert await status(studio, execution_id) == "waiting"
    assert await studio.decide(execution_id, ASK, "reject")
    assert told(await studio.end(execution_id))[-1] == "execution_completed"


async def test_the_rows_status_is_what_the_events_say_at_every_moment(studio: Studio) -> None:
    """Between a node's completion and the start of the next one somebody is queued: the run does not wait."""
    chain = [f"n{number}>n{number + 1}" for number in range(20)]
    raw = asking("t>n0", *chain)
    workflow = Workflow.model_validate(raw)
    execution_id = await studio.start(raw)
    found: list[Event] = []
    async with asyncio.timeout(30):
        while not {"waiting ask", "completed n20"} <= {*told(found)}:
            async with studio.database.snapshot() as connection:
                now = await executions.status(connection, execution_id)
                found = await events.read(connection, execution_id, limit=None)
            assert now == project(workflow, studio.tools.specs, found).status, told(found)
    assert now == "waiting"
    assert await studio.decide(execution_id, ASK, "approve")
    assert told(await studio.end(execution_id))[-1] == "execution_completed"


async def test_a_pinned_approval_asks_nobody(studio: Studio) -> None:
    kept = {"decision": "rejected", "comment": "", "by": "ada"}
    found = await studio.run(asking(ask={"pinned_output": kept}))
    assert sorted(told(found)[3:-1]) == ["completed ask", "completed no", "skipped yes", "started no"]
    pinned = of(found, EventType.NODE_COMPLETED, "ask")[0]
    assert pinned.attempt == 0
    assert pinned.payload["pinned"]
