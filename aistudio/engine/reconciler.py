"""Compares runs that have not ended with Temporal, so that none hangs and none is forgotten.

Every worker does this. Starting, cancelling and finishing are all harmless when somebody else was faster.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from aistudio.engine.activities import TERMINAL
from aistudio.engine.client import Engine, EngineUnavailable, RunState
from aistudio.engine.messages import Outcome
from aistudio.engine.routes import run_task
from aistudio.graph.definition import Workflow
from aistudio.graph.events import TERMINAL_STATUSES, ExecutionStatus, NodeStatus
from aistudio.graph.kinds import Kinds
from aistudio.graph.projection import project
from aistudio.graph.reuse import known_ports
from aistudio.store import events, executions
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.executions import Unfinished

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
UNREADABLE = "Its graph cannot be read by this version, so it could not be started. Run the workflow again."


@dataclass(frozen=True, kw_only=True)
class Repair:
    """A run that PostgreSQL and Temporal disagreed about.

    Attributes:
        found: how it stood in both.
        done: what was done about it; null when nothing could be, which the log explains.
    """

    execution_id: str
    found: str
    done: str | None

    def __str__(self) -> str:
        return f"{self.execution_id}: {self.found}; {self.done or 'nothing was done, the log says why'}"


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round looked at, and what it found amiss."""

    compared: int
    repairs: list[Repair]


async def reconcile_for_ever(engine: Engine, database: Database, kinds: Kinds) -> None:
    """Reconcile now and then again and again, whatever goes wrong in a round."""
    while True:
        try:
            for repair in (await reconcile(engine, database, kinds)).repairs:
                logger.warning("Run %s", repair)
        except (DatabaseUnavailable, EngineUnavailable) as error:
            logger.warning("Runs could not be compared with Temporal: %s", error)
        except Exception:
            logger.exception("Runs could not be compared with Temporal")
        await asyncio.sleep(PERIOD * random.uniform(0.75, 1.25))


async def reconcile(engine: Engine, database: Database, kinds: Kinds, *, young: timedelta = YOUNG) -> Round:
    """One round: every run that has not ended and is not younger than `young`.

    Raises:
        DatabaseUnavailable, EngineUnavailable: nothing can be compared now.
    """
    runs = await executions.unfinished(database, age=young)
    slots = asyncio.Semaphore(LOOK_UPS_AT_ONCE)

    async def look_after(run: Unfinished) -> Repair | None:
        async with slots:
            try:
                return await _look_after(engine, database, kinds, run)
            except (DatabaseUnavailable, EngineUnavailable):
                raise
            except Exception as error:
                # One run that cannot be helped must not keep the others from it.
                logger.exception("Run %s could not be compared with Temporal", run.id)
                found = f"{run.status} here, and comparing it with Temporal failed ({type(error).__name__})"
                return Repair(execution_id=run.id, found=found, done=None)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look_after(run)) for run in runs]
    except ExceptionGroup as away:
        raise away.exceptions[0] from None
    repairs = [repair for task in tasks if (repair := task.result()) is not None]
    return Round(compared=len(runs), repairs=repairs)


async def _look_after(engine: Engine, database: Database, kinds: Kinds, run: Unfinished) -> Repair | None:
    state = await engine.describe(run.id)
    cancelling = run.status is ExecutionStatus.CANCELLING
    if state is RunState.RUNNING and not cancelling:
        return None
    if state is not RunState.RUNNING and await executions.status(database, run.id) in TERMINAL_STATUSES:
        return None
    done = await _help(engine, database, kinds, run.id, state, cancelling)
    if done is None:
        return None
    return Repair(execution_id=run.id, found=f"{run.status} here, {state} in Temporal", done=done)


async def _help(
    engine: Engine, database: Database, kinds: Kinds, execution_id: str, state: RunState, cancelling: bool
) -> str | None:
    """What was done; null when somebody else was faster."""
    if state is RunState.RUNNING:
        await engine.cancel(execution_id)
        return "asked Temporal to cancel it"
    if cancelling or state is RunState.CANCELLED:
        return await _finish(database, execution_id, "cancelled")
    if state is RunState.MISSING:
        return await _start(engine, database, kinds, execution_id)
    if state is RunState.COMPLETED and await _nothing_left(database, kinds, execution_id):
        return await _finish(database, execution_id, "completed")
    reason = LEFT_OVER.get(state, "The run ended in Temporal before its nodes did.")
    return await _finish(database, execution_id, "failed", reason)


async def _start(engine: Engine, database: Database, kinds: Kinds, execution_id: str) -> str | None:
    execution = await executions.load_snapshot(database, execution_id)
    if execution is None:
        return None
    try:
        workflow = Workflow.model_validate(execution.graph)
    except ValidationError:
        return await _finish(database, execution_id, "failed", UNREADABLE)
    ports = known_ports(workflow, kinds, await events.read(database, execution_id, limit=None))
    await engine.start(execution_id, run_task(execution_id, workflow, kinds, ports))
    return "started it in Temporal"


async def _nothing_left(database: Database, kinds: Kinds, execution_id: str) -> bool:
    execution = await executions.load_snapshot(database, execution_id)
    if execution is None:
        return False
    told = await events.read(database, execution_id, limit=None)
    state = project(Workflow.model_validate(execution.graph), kinds, told)
    unsettled = {NodeStatus.QUEUED, NodeStatus.RUNNING, NodeStatus.RETRYING, NodeStatus.WAITING}
    return not any(node.status in unsettled for node in state.nodes.values())


async def _finish(
    database: Database, execution_id: str, outcome: Outcome, reason: str | None = None
) -> str | None:
    error = None if reason is None else {"code": "internal", "message": reason}
    written = await events.finish(database, execution_id, TERMINAL[outcome], error=error)
    return f"wrote that it is {outcome}" if written else None
