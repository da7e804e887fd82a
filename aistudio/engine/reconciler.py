"""Compares runs that have not ended with Temporal, so that none hangs and none is forgotten.

Every worker does this. Starting, cancelling and finishing are all harmless when somebody else was faster.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta

from aistudio.engine.activities import TERMINAL
from aistudio.engine.client import Engine, EngineUnavailable, RunState
from aistudio.engine.messages import Outcome
from aistudio.engine.routes import run_task
from aistudio.graph.definition import Workflow
from aistudio.graph.events import TERMINAL_STATUSES, ExecutionStatus, NodeStatus
from aistudio.graph.kinds import Kinds
from aistudio.graph.projection import project
from aistudio.store import events, executions
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.executions import ExecutionSummary

logger = logging.getLogger(__name__)

# Seconds between two rounds, give or take a quarter, so that many workers do not step in time.
PERIOD = 15.0
# Whoever started a run may still be about to hand it to Temporal.
YOUNG = timedelta(seconds=5)
LOOK_UPS_AT_ONCE = 8

LEFT_OVER = {
    RunState.FAILED: "The run failed in Temporal before its end was written.",
    RunState.TERMINATED: "The run was terminated in Temporal.",
    RunState.TIMED_OUT: "The run took longer than a run may.",
}


async def reconcile_for_ever(engine: Engine, database: Database, kinds: Kinds) -> None:
    """Reconcile now and then again and again, whatever goes wrong in a round."""
    while True:
        try:
            await reconcile(engine, database, kinds)
        except (DatabaseUnavailable, EngineUnavailable) as error:
            logger.warning("Runs could not be compared with Temporal: %s", error)
        except Exception:
            logger.exception("Runs could not be compared with Temporal")
        await asyncio.sleep(PERIOD * random.uniform(0.75, 1.25))


async def reconcile(engine: Engine, database: Database, kinds: Kinds, *, young: timedelta = YOUNG) -> int:
    """One round: every run that has not ended and is not younger than `young`. Returns how many needed help.

    Raises:
        DatabaseUnavailable, EngineUnavailable: nothing can be compared now.
    """
    before = datetime.now(UTC) - young
    runs = [run for run in await executions.non_terminal(database) if run.created_at < before]
    slots = asyncio.Semaphore(LOOK_UPS_AT_ONCE)

    async def look_after(run: ExecutionSummary) -> bool:
        async with slots:
            try:
                return await _look_after(engine, database, kinds, run)
            except (DatabaseUnavailable, EngineUnavailable):
                raise
            except Exception:
                # One run that cannot be helped must not keep the others from it.
                logger.exception("Run %s could not be compared with Temporal", run.id)
                return False

    try:
        async with asyncio.TaskGroup() as group:
            helped = [group.create_task(look_after(run)) for run in runs]
    except ExceptionGroup as away:
        raise away.exceptions[0] from None
    return sum(task.result() for task in helped)


async def _look_after(engine: Engine, database: Database, kinds: Kinds, run: ExecutionSummary) -> bool:
    state = await engine.describe(run.id)
    cancelling = run.status is ExecutionStatus.CANCELLING
    if state is RunState.RUNNING:
        if cancelling:
            await engine.cancel(run.id)
        return cancelling
    if await executions.status(database, run.id) in TERMINAL_STATUSES:
        return False
    if cancelling or state is RunState.CANCELLED:
        return await _finish(database, run.id, "cancelled")
    if state is RunState.MISSING:
        return await _start(engine, database, kinds, run.id)
    if state is RunState.COMPLETED and await _nothing_left(database, kinds, run.id):
        return await _finish(database, run.id, "completed")
    return await _finish(
        database, run.id, "failed", LEFT_OVER.get(state, "The run ended in Temporal before its nodes did.")
    )


async def _start(engine: Engine, database: Database, kinds: Kinds, execution_id: str) -> bool:
    execution = await executions.load_snapshot(database, execution_id)
    if execution is None:
        return False
    logger.warning("Run %s is not in Temporal; starting it there", execution_id)
    workflow = Workflow.model_validate(execution.graph)
    await engine.start(execution_id, run_task(execution_id, workflow, kinds))
    return True


async def _nothing_left(database: Database, kinds: Kinds, execution_id: str) -> bool:
    execution = await executions.load_snapshot(database, execution_id)
    if execution is None:
        return False
    told = await events.read(database, execution_id, limit=None)
    state = project(Workflow.model_validate(execution.graph), kinds, told)
    unsettled = {NodeStatus.QUEUED, NodeStatus.RUNNING, NodeStatus.RETRYING, NodeStatus.WAITING}
    return not any(node.status in unsettled for node in state.nodes.values())


async def _finish(database: Database, execution_id: str, outcome: Outcome, reason: str | None = None) -> bool:
    logger.warning("Run %s ended in Temporal alone; writing that it is %s", execution_id, outcome)
    error = None if reason is None else {"code": "internal", "message": reason}
    written = await events.finish(database, execution_id, TERMINAL[outcome], error=error)
    return bool(written)
