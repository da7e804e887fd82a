"""The way to Temporal: connecting, and what the rest of the product asks of it."""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from aistudio.engine.messages import TASK_QUEUE, Decision, RunTask
from aistudio.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Every call answers within this many seconds, so that whoever pressed a button hears something.
PATIENCE = 4.0
LONGEST_PAUSE = 5.0
# A run that hangs in a way nobody thought of must still end. One that waits for a human may do so for ever.
RUN_TIMEOUT = timedelta(days=365)
# A decision takes milliseconds; one that a lost worker was making is made again after this.
DECISION_TIMEOUT = timedelta(seconds=5)


class EngineUnavailable(Exception):
    """Temporal cannot be reached; the text says where it was looked for and what to do."""


class RunState(StrEnum):
    """Where a run stands in Temporal; `missing` when Temporal never heard of it (or forgot it)."""

    MISSING = "missing"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"


STATES = {
    WorkflowExecutionStatus.COMPLETED: RunState.COMPLETED,
    WorkflowExecutionStatus.FAILED: RunState.FAILED,
    WorkflowExecutionStatus.CANCELED: RunState.CANCELLED,
    WorkflowExecutionStatus.TERMINATED: RunState.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT: RunState.TIMED_OUT,
}


async def connect(settings: Settings) -> Client:
    """A connected client; waits, with growing pauses, until Temporal answers."""
    pause = 0.2
    while True:
        try:
            async with asyncio.timeout(10):
                return await _client(settings, lazy=False)
        except (RuntimeError, TimeoutError) as error:
            logger.warning("Temporal does not answer yet (%s); trying again in %.1f s", error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def open_engine(settings: Settings) -> "Engine":
    """An engine that connects when it is first used, so that a process can start before Temporal does."""
    return Engine(await _client(settings, lazy=True))


async def _client(settings: Settings, *, lazy: bool) -> Client:
    config: dict[str, Any] = {**ClientConfig.load_client_connect_config()}
    # Settings may have been made by hand instead of from the environment, which is all the loader reads.
    if settings.temporal_address:
        config["target_host"] = settings.temporal_address
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config, lazy=lazy)


class Engine:
    """Starts, stops and looks up runs.

    Every method answers within `PATIENCE` seconds or raises `EngineUnavailable`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def address(self) -> str:
        """host:port of Temporal."""
        return self._client.service_client.config.target_host

    @property
    def namespace(self) -> str:
        """The namespace in which runs live."""
        return self._client.namespace

    async def start(self, execution_id: str, task: RunTask, client: str | None = None) -> None:
        """Hand a run to Temporal. Starting it again, also after its end, does nothing.

        Runs of different clients get their turns in a fair order; null is one of them.
        """
        try:
            await self._ask(
                self._client.start_workflow(
                    "execution",
                    task,
                    id=execution_id,
                    task_queue=TASK_QUEUE,
                    execution_timeout=None if task.waits else RUN_TIMEOUT,
                    task_timeout=DECISION_TIMEOUT,
                    priority=Priority(fairness_key=client),
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                )
            )
        except WorkflowAlreadyStartedError:
            return

    async def cancel(self, execution_id: str) -> bool:
        """Ask a run to stop; false when there is nobody to ask: Temporal does not know it, or it ended."""
        try:
            await self._ask(self._client.get_workflow_handle(execution_id).cancel())
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def decide(self, execution_id: str, decision: Decision) -> bool:
        """Hand over what a human decided; false when the node does not wait for it any more.

        Answers when it is written. From when Temporal has accepted it nothing can lose it; so should writing
        it take long, as while PostgreSQL is away, that is answer enough.

        Raises:
            EngineUnavailable: Temporal or its worker did not answer. The decision was most likely not taken;
                asking again tells.
        """
        run = self._client.get_workflow_handle(execution_id)
        taken = False
        try:
            update: WorkflowUpdateHandle[bool] = await self._ask(
                run.start_update(
                    "decide", decision, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=bool
                )
            )
            taken = True
            return await self._ask(update.result())
        except EngineUnavailable:
            if not taken:
                raise EngineUnavailable(
                    f"Temporal at {self.address}, or every worker, does not answer."
                ) from None
            logger.warning("A decision in run %s is taken, but not written yet", execution_id)
            return True
        except WorkflowUpdateFailedError:
            return False
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise

    async def describe(self, execution_id: str) -> RunState:
        """Where the run stands in Temporal."""
        try:
            found = await self._ask(self._client.get_workflow_handle(execution_id).describe())
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return RunState.MISSING
            raise
        return STATES.get(found.status, RunState.RUNNING) if found.status else RunState.RUNNING

    async def healthy(self) -> bool:
        """Whether Temporal answers and serves."""
        try:
            return await self._ask(
                self._client.service_client.check_health(timeout=timedelta(seconds=PATIENCE))
            )
        except (EngineUnavailable, RPCError):
            return False

    async def namespace_exists(self) -> bool:
        """Whether Temporal has the namespace. Raises RPCError when it refuses to say."""
        request = DescribeNamespaceRequest(namespace=self.namespace)
        try:
            await self._ask(self._client.workflow_service.describe_namespace(request))
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def last_poll(self) -> datetime | None:
        """When a worker last asked for work; null when none has within about five minutes.

        A worker at rest asks once a minute. Raises RPCError when Temporal refuses to say.
        """
        request = DescribeTaskQueueRequest(
            namespace=self.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        found = await self._ask(self._client.workflow_service.describe_task_queue(request))
        return max((one.last_access_time.ToDatetime(UTC) for one in found.pollers), default=None)

    async def _ask(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                return await call
        except RPCError as error:
            if error.status in UNREACHABLE:
                raise self._unavailable() from error
            raise
        except (TimeoutError, RuntimeError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            # A lazy client that cannot connect says so with a RuntimeError.
            raise self._unavailable() from error

    def _unavailable(self) -> EngineUnavailable:
        return EngineUnavailable(
            f"Temporal at {self.address} does not answer. Start it, or check TEMPORAL_ADDRESS."
        )


UNREACHABLE = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNKNOWN,
    }
)
