"""What the workflow has done for it: running a node, and writing how the run ended."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from aistudio.engine.attempt import EXPECTED, NodeRun, Tools, skip_events, stopped
from aistudio.engine.messages import Ending, FinishTask, NodeOutcome, NodeTask, RunError
from aistudio.engine.patience import patiently
from aistudio.engine.snapshots import RunNotFound, Snapshots
from aistudio.graph.events import EventType, ExecutionStatus
from aistudio.store import events, executions

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 0.5
# What nobody thought of is tried this often before it fails the run.
UNFORESEEN_LIMIT = 5

TERMINAL = {
    "completed": EventType.EXECUTION_COMPLETED,
    "failed": EventType.EXECUTION_FAILED,
    "cancelled": EventType.EXECUTION_CANCELLED,
}
STATUS = {
    EventType.EXECUTION_COMPLETED: ExecutionStatus.COMPLETED,
    EventType.EXECUTION_FAILED: ExecutionStatus.FAILED,
    EventType.EXECUTION_CANCELLED: ExecutionStatus.CANCELLED,
}


class Activities:
    """The activities of one worker."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._snapshots = Snapshots(tools.database)

    @activity.defn(name="run_node")
    async def run_node(self, task: NodeTask) -> NodeOutcome:
        """One attempt at a node; see `NodeRun.outcome`. Writes nothing when it is cancelled."""
        async with heartbeats():
            try:
                snapshot = await patiently(lambda: self._snapshots.get(task.execution_id))
                return await NodeRun(self._tools, snapshot, task).outcome()
            except ApplicationError:
                raise
            except asyncio.CancelledError:
                why = activity.cancellation_details()
                if why is not None and why.worker_shutdown and not why.cancel_requested:
                    # As a cancel Temporal would take it for the run's: the next worker must go on instead.
                    raise ApplicationError(
                        "The worker stopped.",
                        type="worker_shutdown",
                        next_retry_delay=timedelta(milliseconds=100),
                        category=EXPECTED,
                    ) from None
                raise
            except RunNotFound:
                raise stopped() from None
            except Exception as error:
                logger.exception("Activity for node %s of run %s failed", task.node, task.execution_id)
                # Without its cause, which may hold what belongs in PostgreSQL alone.
                raise ApplicationError(
                    f"The engine failed ({type(error).__name__}). The worker's log says more.",
                    type="internal",
                    non_retryable=activity.info().attempt >= UNFORESEEN_LIMIT,
                ) from None

    @activity.defn(name="finish")
    async def finish(self, task: FinishTask) -> Ending:
        """Write a run's end, once; of a run that was being cancelled it is `cancelled`."""
        try:
            return await self._finish(task)
        except RunNotFound:
            return Ending(outcome=task.outcome, error=task.error)
        except Exception as error:
            logger.exception("The end of run %s could not be written", task.execution_id)
            raise ApplicationError(
                f"The run's end could not be written ({type(error).__name__}).", type="internal"
            ) from None

    async def _finish(self, task: FinishTask) -> Ending:
        database = self._tools.database
        snapshot = await self._snapshots.get(task.execution_id)
        error = None
        if task.error is not None:
            error = {"code": task.error.code, "message": task.error.message}
        written = await events.finish(
            database,
            task.execution_id,
            TERMINAL[task.outcome],
            error=error,
            before=skip_events(snapshot, task.skips),
        )
        status = STATUS.get(written[-1].type) if written else None
        if status is None:
            status = await executions.status(database, task.execution_id)
        if status is ExecutionStatus.CANCELLED:
            return Ending(outcome="cancelled")
        if status is ExecutionStatus.FAILED:
            unsaid = RunError(code="internal", message="The run had failed before.")
            return Ending(outcome="failed", error=task.error or unsaid)
        return Ending(outcome="completed")


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Tell Temporal that this activity is alive, and so hear of cancels."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
