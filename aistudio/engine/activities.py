"""What the workflow has done for it: running a node, and writing what was skipped and how the run ended."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from aistudio.engine.attempt import NodeRun
from aistudio.engine.messages import Ending, FinishTask, NodeOutcome, NodeTask, RunError, SkipTask
from aistudio.engine.patience import patiently
from aistudio.engine.record import EXPECTED, skip_events, stopped
from aistudio.engine.snapshots import RunNotFound, Snapshots
from aistudio.engine.tools import Tools
from aistudio.graph.events import EventType, ExecutionStatus
from aistudio.store import events, executions
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.hub import Subscription

logger = logging.getLogger(__name__)

# Each is a write for Temporal: when hundreds of nodes run, more of them would make it miss some.
HEARTBEAT_SECONDS = 2.0
# What nobody thought of is tried this often before it fails the run.
UNFORESEEN_LIMIT = 5

TERMINAL = {
    "completed": EventType.EXECUTION_COMPLETED,
    "failed": EventType.EXECUTION_FAILED,
    "cancelled": EventType.EXECUTION_CANCELLED,
}
CANCELLED = {ExecutionStatus.CANCELLING, ExecutionStatus.CANCELLED}
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
        with telling_temporal(f"Node {task.node} of run {task.execution_id}"):
            async with heartbeats():
                run = await self._node_run(task)
                return await self._unless_cancelled(task.execution_id, run.outcome)

    @activity.defn(name="resume")
    async def resume(self, task: NodeTask) -> NodeOutcome:
        """Go on with a node that waited for a human; see `NodeRun.resume`."""
        with telling_temporal(f"Node {task.node} of run {task.execution_id}"):
            async with heartbeats():
                return await (await self._node_run(task)).resume()

    @activity.defn(name="skip")
    async def skip(self, task: SkipTask) -> None:
        """Write which nodes were skipped, each once."""
        with telling_temporal(f"Skips of run {task.execution_id}"), suppress(RunNotFound):
            async with heartbeats():
                snapshot = await self._snapshots.get(task.execution_id)
                skips = skip_events(snapshot, task.skips)
                status_of = snapshot.status_of(self._tools.specs)
                await events.append(self._tools.database, task.execution_id, skips, status_of=status_of)

    @activity.defn(name="finish")
    async def finish(self, task: FinishTask) -> Ending:
        """Write a run's end, once; of a run that was being cancelled it is `cancelled`."""
        with telling_temporal(f"The end of run {task.execution_id}"):
            async with heartbeats():
                try:
                    return await self._finish(task)
                except RunNotFound:
                    return Ending(outcome=task.outcome, error=task.error)

    async def _node_run(self, task: NodeTask) -> NodeRun:
        try:
            snapshot = await patiently(lambda: self._snapshots.get(task.execution_id))
        except RunNotFound:
            raise stopped() from None
        return NodeRun(self._tools, snapshot, task)

    async def _unless_cancelled(
        self, execution_id: str, outcome: Callable[[], Awaitable[NodeOutcome]]
    ) -> NodeOutcome:
        """The outcome, or `stopped` as soon as PostgreSQL says that the run is to be stopped.

        Temporal says so, too, and mostly as fast; but not when it is away, or an older server.
        """
        async with self._tools.cancels.subscribe(execution_id) as words:
            working = asyncio.ensure_future(outcome())
            listening = asyncio.create_task(self._until_cancelled(execution_id, words))
            try:
                await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
                if not working.done():
                    working.cancel()
                    # What was being stored may still have been.
                    await asyncio.wait({working})
            except asyncio.CancelledError:
                working.cancel()
                await asyncio.wait({working})
                if working.cancelled():
                    raise
            finally:
                listening.cancel()
        if working.cancelled():
            raise stopped()
        return working.result()

    async def _until_cancelled(self, execution_id: str, words: Subscription) -> None:
        # A word is a reason to look: it also comes when the connection was lost, and words with it.
        async for _ in words:
            status = await patiently(lambda: executions.status(self._tools.database, execution_id))
            if status in CANCELLED:
                return
        await asyncio.Event().wait()

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


@contextmanager
def telling_temporal(what: str) -> Iterator[None]:
    """Turn what an activity cannot deal with itself into an error that Temporal deals with as it should."""
    try:
        yield
    except ApplicationError:
        raise
    except DatabaseUnavailable:
        raise ApplicationError(
            "PostgreSQL is away.", type="database_unavailable", category=EXPECTED
        ) from None
    except asyncio.CancelledError:
        why = activity.cancellation_details()
        if why is None or not why.worker_shutdown or why.cancel_requested:
            raise
        # As a cancel Temporal would take it for the run's: the next worker must go on instead.
        raise ApplicationError(
            "The worker stopped.",
            type="worker_shutdown",
            next_retry_delay=timedelta(milliseconds=100),
            category=EXPECTED,
        ) from None
    except Exception as error:
        logger.exception("%s: the engine failed", what)
        # Without its cause, which may hold what belongs in PostgreSQL alone.
        raise ApplicationError(
            f"The engine failed ({type(error).__name__}). The worker's log says more.",
            type="internal",
            non_retryable=activity.info().attempt >= UNFORESEEN_LIMIT,
        ) from None


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Tell Temporal that this activity is alive, and so hear of cancels."""

    async def beat() -> None:
        # What ends sooner than that tells so by ending: a call to Temporal less for every node.
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
