"""The workflow's code still makes the decisions that histories of earlier versions hold.

`RECORD_HISTORIES=1 python -m pytest tests/engine/test_replay.py` records them anew. Do that for new kinds of
runs; a recorded history that does not replay means that runs in flight would break on the next deployment.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from aistudio.engine import workflow
from aistudio.engine.routes import run_task
from aistudio.engine.workflow import ExecutionWorkflow
from aistudio.graph.definition import Workflow
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import EventType
from aistudio.nodes.context import NodeContext
from aistudio.store import executions
from tests.engine.runs import ASK, OWNER, Studio, asking, graph
from tests.support.supervised import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

HISTORIES = Path(__file__).parent / "histories"
BRANCHES = ("t>a", "t>b", "a>f", "f.left>c", "f.right>d", "b>e", "c>e", "d>e", "lonely")


async def hang(context: NodeContext) -> dict[str, str]:
    await asyncio.Event().wait()
    return {}


async def completed(studio: Studio) -> str:
    studio.acts["f"] = [{"branch": "left"}]
    return await studio.start(graph(*BRANCHES))


async def failed(studio: Studio) -> str:
    studio.acts["b"] = [hang]
    studio.acts["d"] = [NodeError(ErrorCode.MODEL_AUTH, "The key is wrong.")]
    studio.acts["f"] = [{"branch": "right"}]
    return await studio.start(graph(*BRANCHES))


async def cancelled(studio: Studio) -> str:
    studio.acts["a"] = [hang]
    studio.acts["b"] = [NodeError(ErrorCode.TIMEOUT, "Slow.", retryable=True, retry_after=3000)]
    execution_id = await studio.start(graph(*BRANCHES))
    await studio.until(execution_id, EventType.NODE_STARTED, "a")
    await studio.until(execution_id, EventType.NODE_RETRYING, "b")
    await studio.cancel(execution_id)
    return execution_id


async def retried(studio: Studio) -> str:
    again = NodeError(ErrorCode.MODEL_UNAVAILABLE, "Away.", retryable=True, retry_after=0.05)
    studio.acts["a"] = [again, again, {}]
    studio.acts["f"] = [again, {"branch": "left"}]
    return await studio.start(graph(*BRANCHES))


async def absorbed(studio: Studio) -> str:
    studio.acts["a"] = studio.acts["b"] = [NodeError(ErrorCode.MODEL_AUTH, "The key is wrong.")]
    raw = graph("t>a", "t>b", "a>c", "b>d", "b.error>e", a={"on_error": "continue"}, b={"on_error": "route"})
    return await studio.start(raw)


async def skipped(studio: Studio) -> str:
    async def wait_for_the_skip(context: NodeContext) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_SKIPPED, "b")
        return {}

    async def decide(context: NodeContext) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_STARTED, "slow")
        return {"branch": "left"}

    studio.acts["slow"], studio.acts["f"] = [wait_for_the_skip], [decide]
    execution_id = await studio.start(graph("t>slow", "t>f", "f.left", "f.right>b", "slow>c"))
    return execution_id


async def wide(studio: Studio) -> str:
    names = [f"n{number}" for number in range(60)]
    return await studio.start(
        graph(*(f"t1>{name}" for name in names), *(f"{name}>z" for name in names), "t2>z")
    )


async def waited(studio: Studio) -> str:
    """One node until somebody decides, one until its time is up, one until the run is cancelled."""
    hasty = {"kind": "approval", "config": {"wait_seconds": 0.2, "on_timeout": "reject"}}
    raw = asking("t>hasty", "t>patient", hasty=hasty, patient={"kind": "approval"})
    execution_id = await studio.start(raw)
    await studio.until(execution_id, EventType.NODE_WAITING, "ask")
    assert await studio.decide(execution_id, ASK, "approve")
    await studio.until(execution_id, EventType.NODE_COMPLETED, "hasty")
    await studio.until(execution_id, EventType.NODE_WAITING, "patient")
    await studio.cancel(execution_id)
    return execution_id


async def heard(studio: Studio) -> str:
    """The worker hears of the cancel before Temporal does."""
    studio.acts["a"] = [hang]
    execution_id = await studio.start(graph("t>a", "a>b"))
    await studio.until(execution_id, EventType.NODE_STARTED, "a")
    await executions.request_cancel(studio.database, OWNER, execution_id)
    await studio.until(execution_id, EventType.EXECUTION_CANCELLED)
    await studio.engine.cancel(execution_id)
    return execution_id


async def kept(studio: Studio) -> str:
    """A re-run: some nodes have settled before the start, one of them by being skipped."""
    raw = graph("t>a", "a>f", "f.left>b", "f.right>c", "c>d", "b>e")
    execution_id = await studio.write(raw)
    ports = {"t": ["out"], "a": ["out"], "f": ["left"], "c": [], "d": []}
    task = run_task(execution_id, Workflow.model_validate(raw), studio.tools.specs, ports)
    await studio.engine.start(execution_id, task)
    return execution_id


RUNS: dict[str, Callable[[Studio], Awaitable[str]]] = {
    "completed": completed,
    "failed": failed,
    "cancelled": cancelled,
    "retried": retried,
    "absorbed": absorbed,
    "skipped": skipped,
    "wide": wide,
    "waited": waited,
    "heard": heard,
    "kept": kept,
}


async def replay(history: WorkflowHistory) -> None:
    await asyncio.wait_for(Replayer(workflows=[ExecutionWorkflow]).replay_workflow(history), 60)


@pytest.mark.parametrize("name", list(RUNS))
async def test_a_new_history_replays(real_studio: Studio, name: str) -> None:
    execution_id = await RUNS[name](real_studio)
    await real_studio.end(execution_id)
    history = await real_studio.client.get_workflow_handle(execution_id).fetch_history()
    await replay(history)
    if os.environ.get("RECORD_HISTORIES"):
        # Whose machine it was is nobody's business.
        text = re.sub(r'("identity": ")[^"]*"', r'\1worker"', json.dumps(history.to_json_dict(), indent=1))
        text = text.replace(f"{ROOT}/", "")
        (HISTORIES / f"{name}.json").write_text(text + "\n")


def recorded(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json("recorded", (HISTORIES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", list(RUNS))
async def test_a_recorded_history_replays(name: str) -> None:
    await replay(recorded(name))


async def test_other_decisions_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = workflow.Scheduler.start

    def turned(self: workflow.Scheduler, kept: dict[str, list[str]]) -> workflow.Step:
        step = real(self, kept)
        return workflow.Step(ready=step.ready[::-1], skipped=(), done=step.done)

    monkeypatch.setattr(workflow.Scheduler, "start", turned)
    with pytest.raises(NondeterminismError):
        await replay(recorded("wide"))
