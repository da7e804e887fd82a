"""The Temporal workflow that interprets a graph. It decides who runs when; activities do everything else."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from aistudio.engine.messages import (
        NOT_WAITING,
        STOPPED,
        Decision,
        Ending,
        FinishTask,
        NodeOutcome,
        NodeTask,
        Outcome,
        RunError,
        RunTask,
        Skips,
        SkipTask,
        Wait,
    )
    from aistudio.graph.scheduler import Plan, Scheduler, SkipReason, Step

RUNNING_AT_ONCE = 50

# Three heartbeats in a row have to be missed.
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
# Beyond the node's own timeout: time to read what it needs and to store what it made.
STORING = timedelta(minutes=15)

# The activity says itself when a node may be tried again. This policy is for attempts it could not
# answer for, because its worker was lost; the activity counts those as well, this is the last resort.
LOST_ATTEMPTS = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=1.0, maximum_attempts=200
)
UNTIL_WRITTEN = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5)
)

# Between a cancel that PostgreSQL knows and Temporal's knowing it.
TOLD_SECONDS = 5

T = TypeVar("T")


@workflow.defn(name="execution")
class ExecutionWorkflow:
    """One run of a graph: completed, failed and cancelled here as in PostgreSQL."""

    @workflow.init
    def __init__(self, task: RunTask) -> None:
        self._task = task
        self._scheduler = Scheduler(_plan(task))
        self._queue: deque[tuple[int, str]] = deque()
        self._running: dict[ActivityHandle[NodeOutcome], tuple[int, dict[int, SkipReason]]] = {}
        self._waiting: dict[asyncio.Task[None], int] = {}
        # What nodes waited for, by node; null when the time was up.
        self._decisions: dict[int, Decision | None] = {}
        self._stopping = False
        self._unwritten: dict[int, SkipReason] = {}
        self._untold = False
        self._telling: tuple[ActivityHandle[None], dict[int, SkipReason]] | None = None

    @workflow.run
    async def run(self, task: RunTask) -> None:
        """Run every node that becomes ready, then write how it ended.

        Raises:
            CancelledError: the run was cancelled.
            ApplicationError: the run failed; `type` is the error's code.
        """
        outcome: Outcome = "completed"
        error: RunError | None = None
        try:
            await self._run_nodes()
        except asyncio.CancelledError:
            outcome = "cancelled"
        except ActivityError as failure:
            error = _reason(failure)
        except Exception as failure:
            workflow.logger.exception("The workflow's own code failed")
            error = RunError(code="internal", message=f"The engine failed ({type(failure).__name__}).")
        if error is not None:
            outcome = "failed"
        self._stopping = True
        await _whatever_comes(self._stop_nodes())
        ending = await _whatever_comes(self._finish(outcome, error))
        if ending.outcome == "cancelled":
            await _until_told_to_cancel()
            raise asyncio.CancelledError
        if ending.error is not None:
            raise ApplicationError(ending.error.message, type=ending.error.code, non_retryable=True)

    @workflow.update(name="decide")
    async def decide(self, decision: Decision) -> bool:
        """Take what a human decided, and answer when it is written; false when the run stopped before.

        It is refused when somebody else or the time was faster.
        """
        self._decisions[decision.node] = decision
        node = str(decision.node)
        await workflow.wait_condition(lambda: self._scheduler.settled(node) or self._stopping)
        return self._scheduler.settled(node)

    @decide.validator
    def _may_decide(self, decision: Decision) -> None:
        # Who asks knows from PostgreSQL that the node waits; the activity that wrote so may not be through.
        at_work = {node for node, _ in self._running.values()} | set(self._waiting.values())
        if self._stopping or decision.node in self._decisions or decision.node not in at_work:
            raise ApplicationError("The node does not wait for a decision.", type=NOT_WAITING)

    async def _run_nodes(self) -> None:
        kept = {str(one.node): [str(port) for port in one.live] for one in self._task.kept}
        self._take(self._scheduler.start(kept))
        while self._queue or self._running or self._waiting or self._telling:
            while self._queue and len(self._running) < RUNNING_AT_ONCE:
                self._start(*self._queue.popleft())
            # Nobody who starts carries the news, and the end may be far away.
            if self._untold and (self._running or self._waiting) and self._telling is None:
                self._tell()
            await workflow.wait(self._at_work(), return_when=asyncio.FIRST_COMPLETED)
            for handle in [handle for handle in self._running if handle.done()]:
                outcome = await handle
                node, carried = self._running.pop(handle)
                self._written(carried)
                if outcome.wait is not None:
                    self._waiting[asyncio.create_task(self._decided(node, outcome.wait))] = node
                    continue
                live = [str(port) for port in outcome.live]
                self._take(self._scheduler.settle(str(node), live))
            for wait in [wait for wait in self._waiting if wait.done()]:
                await wait
                self._resume(self._waiting.pop(wait))
            if self._telling is not None and self._telling[0].done():
                telling, carried = self._telling
                await telling
                self._telling = None
                self._written(carried)

    def _take(self, step: Step) -> None:
        ready_at = workflow.now().isoformat()
        self._queue.extend((int(node), ready_at) for node in step.ready)
        for skip in step.skipped:
            self._unwritten[int(skip.node_id)] = skip.reason
            self._untold = True

    def _carried(self) -> dict[int, SkipReason]:
        self._untold = False
        return dict(self._unwritten)

    def _written(self, carried: dict[int, SkipReason]) -> None:
        for skipped in carried:
            self._unwritten.pop(skipped, None)

    def _at_work(self) -> list[asyncio.Task[Any]]:
        return [*self._running, *self._waiting, *([] if self._telling is None else [self._telling[0]])]

    async def _decided(self, node: int, wait: Wait) -> None:
        left = None
        if wait.expires_at is not None:
            left = datetime.fromisoformat(wait.expires_at) - workflow.now()
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: node in self._decisions, timeout=left)
        # Whoever comes now is too late.
        self._decisions.setdefault(node, None)

    def _tell(self) -> None:
        carried = self._carried()
        handle: ActivityHandle[None] = workflow.start_activity(
            "skip",
            SkipTask(execution_id=self._task.execution_id, skips=_skips(carried)),
            # Not a name that a node could have: those can be printed.
            activity_id="skip\n",
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=UNTIL_WRITTEN,
        )
        self._telling = handle, carried

    def _start(self, node: int, ready_at: str) -> None:
        carried = self._carried()
        task = NodeTask(
            execution_id=self._task.execution_id, node=node, ready_at=ready_at, skips=_skips(carried)
        )
        self._work("run_node", task, carried)

    def _resume(self, node: int) -> None:
        # At once, also when fifty others are at work: it is no more than writing down what was decided.
        task = NodeTask(
            execution_id=self._task.execution_id,
            node=node,
            ready_at=workflow.now().isoformat(),
            decision=self._decisions[node],
        )
        self._work("resume", task, {})

    def _work(self, activity: str, task: NodeTask, carried: dict[int, SkipReason]) -> None:
        node = task.node
        handle: ActivityHandle[NodeOutcome] = workflow.start_activity(
            activity,
            task,
            result_type=NodeOutcome,
            start_to_close_timeout=timedelta(seconds=self._task.timeouts[node]) + STORING,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=LOST_ATTEMPTS,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            # Also makes a replay notice when another node's turn it would be.
            activity_id=self._task.names[node] if self._task.names else str(node),
        )
        self._running[handle] = (node, carried)

    async def _stop_nodes(self) -> None:
        at_work = self._at_work()
        for handle in at_work:
            handle.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)

    async def _finish(self, outcome: Outcome, error: RunError | None) -> Ending:
        ending: Ending = await workflow.execute_activity(
            "finish",
            FinishTask(
                execution_id=self._task.execution_id,
                outcome=outcome,
                error=error,
                skips=_skips(self._unwritten),
            ),
            result_type=Ending,
            activity_id="finish",
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=UNTIL_WRITTEN,
        )
        return ending


async def _whatever_comes(step: Coroutine[Any, Any, T]) -> T:
    """Take a step of a run that is already ending: a cancel that comes now is too late to stop it."""
    task = asyncio.create_task(step)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


async def _until_told_to_cancel() -> None:
    """Wait for the word that Temporal needs to call a run cancelled; the worker may have heard it first."""
    if workflow.cancellation_reason() is None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(TOLD_SECONDS)


def _plan(task: RunTask) -> Plan:
    return Plan(
        nodes=tuple(str(node) for node in range(len(task.routes))),
        edges=tuple(
            (str(node), str(port), str(target))
            for node, ports in enumerate(task.routes)
            for port, targets in enumerate(ports)
            for target in targets
        ),
        triggers=tuple(str(node) for node in task.triggers),
    )


def _skips(skips: dict[int, SkipReason]) -> Skips:
    def because(reason: SkipReason) -> list[int]:
        return [node for node, why in skips.items() if why == reason]

    return Skips(branch_not_taken=because("branch_not_taken"), not_connected=because("not_connected"))


def _reason(failure: ActivityError) -> RunError:
    cause = failure.cause
    if isinstance(cause, ApplicationError) and cause.type == STOPPED:
        return RunError(code="internal", message="The run was stopped from outside.")
    if isinstance(cause, ApplicationError) and cause.non_retryable and cause.type:
        return RunError(code=cause.type, message=cause.message)
    return RunError(
        code="internal",
        message="A node's worker was lost again and again. Look into the worker's log, then run it again.",
    )
