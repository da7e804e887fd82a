"""One attempt at one node: from what it is given to what becomes of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from aistudio.engine import inputs
from aistudio.engine.context import RunContext
from aistudio.engine.deltas import DeltaWriter
from aistudio.engine.inputs import Inputs
from aistudio.engine.ledger import Ledger
from aistudio.engine.messages import NodeOutcome, NodeTask
from aistudio.engine.patience import patiently
from aistudio.engine.record import NodeRecord, stopped
from aistudio.engine.snapshots import Snapshot
from aistudio.engine.tools import Tools
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import EventType
from aistudio.nodes.context import Answer, NodeContext, NodeResult
from aistudio.store import deltas
from aistudio.store.attempts import Attempts
from aistudio.store.events import NewEvent

logger = logging.getLogger(__name__)

# A node whose worker is lost this often is likely to be what kills it.
LOST_LIMIT = 20

UNTRIED = Attempts(last=0, failed=0, settled=False)

Made = TypeVar("Made")


class NodeRun:
    """A node of a run, as one activity attempt meets it."""

    def __init__(self, tools: Tools, snapshot: Snapshot, task: NodeTask) -> None:
        self._tools = tools
        self._database = tools.database
        self._snapshot = snapshot
        self._task = task
        self._execution_id = task.execution_id
        self._node = snapshot.workflow.nodes[task.node]
        kind = tools.kinds.get(self._node.kind)
        if kind is None:
            raise ApplicationError(
                f"This worker does not know the node kind {self._node.kind!r}. Update the worker.",
                type=str(ErrorCode.INTERNAL),
                non_retryable=True,
            )
        self._kind = kind
        self._record = NodeRecord(tools, snapshot, task, kind)

    async def outcome(self) -> NodeOutcome:
        """Settle the node, unless it settled before, and say which ports are live; or ask what it waits for.

        Raises:
            ApplicationError: its `type` is the error's code or `STOPPED`; retryable when an attempt follows.
        """
        # Most nodes are met for the first time: that an attempt 1 could be begun says all there is to know.
        begun = self._new_to_temporal and await self._record.tell_start(1)
        before = UNTRIED if begun else await patiently(self._record.attempts)
        if before.settled:
            return await self._record.settled()
        if self._node.pinned_output is not None:
            return await self._record.complete(
                self._pinned(), 0, 0, AsyncExitStack(), before=self._record.skips()
            )
        if self._kind.ask is not None and (asked := await self._record.asked()) is not None:
            return self._record.wait(asked)
        if before.last - before.failed >= LOST_LIMIT:
            error = NodeError(
                ErrorCode.INTERNAL,
                f"The worker was lost {LOST_LIMIT} times while it ran this node. Look into its log.",
            )
            return await self._record.fail(error, before.last)
        attempt = before.last + 1
        if not begun and not await self._record.begin(attempt):
            return await self._record.settled()
        given = await patiently(self._inputs)
        started = time.monotonic()
        try:
            async with AsyncExitStack() as streams:
                if self._kind.ask is not None:
                    return await self._record.ask(
                        await self._call(self._kind.ask, attempt, given, streams), attempt
                    )
                lost = before.last > before.failed
                result = await self._call(self._kind.run, attempt, given, streams, lost=lost)
                took = round((time.monotonic() - started) * 1000)
                # It may be paid for: ending its streams and storing it are one step that nothing cuts short.
                return await self._record.complete(result, attempt, took, streams.pop_all())
        except NodeError as error:
            if error.retryable and before.failed + 1 < self._node.retry.max_attempts:
                raise await self._record.retry(error, attempt, before) from None
            return await self._record.fail(error, attempt)

    async def resume(self) -> NodeOutcome:
        """Settle a node that waited by the task's decision, or without one when its time is up.

        Raises:
            ApplicationError: as `outcome` does.
        """
        asked = await self._record.asked()
        if asked is None:
            raise stopped()
        given = await patiently(self._inputs)
        decision = self._task.decision
        answer = None
        if decision is not None:
            answer = Answer(decision=decision.decision, comment=decision.comment, by=decision.by)
        try:
            async with AsyncExitStack() as streams:
                result = await self._call(self._kind.run, asked.attempt, given, streams, answer=answer)
            resumed = NewEvent(
                type=EventType.NODE_RESUMED,
                node_id=self._node.id,
                attempt=asked.attempt,
                payload=result.output if isinstance(result.output, dict) else {},
            )
            waited = datetime.now(UTC) - datetime.fromisoformat(asked.timestamp)
            took = max(0, round(waited.total_seconds() * 1000))
            return await self._record.complete(
                result, asked.attempt, took, AsyncExitStack(), before=[resumed]
            )
        except NodeError as error:
            return await self._record.fail(error, asked.attempt)

    @property
    def _new_to_temporal(self) -> bool:
        return activity.info().attempt == 1 and self._node.pinned_output is None and self._kind.ask is None

    async def _inputs(self) -> Inputs:
        async with self._database.connect() as connection:
            return await inputs.read(
                connection, self._execution_id, self._snapshot, self._node.id, self._tools.specs
            )

    def _pinned(self) -> NodeResult:
        """The pinned output, told as what makes such outputs tells it: a decision with its branch."""
        output = self._node.pinned_output
        told: dict[str, JsonValue] = {"pinned": True}
        if self._kind.spec.port_key == "branch" and isinstance(output, dict) and "branch" in output:
            told["branch"] = output["branch"]
        return NodeResult(output=output, details=told)

    async def _call(
        self,
        act: Callable[[Any, NodeContext], Awaitable[Made]],
        attempt: int,
        given: Inputs,
        streams: AsyncExitStack,
        *,
        lost: bool = False,
        answer: Answer | None = None,
    ) -> Made:
        node, tools = self._node, self._tools
        try:
            config = self._kind.spec.config.model_validate(node.config)
        except ValidationError:
            raise NodeError(
                ErrorCode.INTERNAL, "The node's configuration does not fit its kind. Correct it."
            ) from None

        async def send(offset: int, text: str, follows: int | None) -> bool:
            return await deltas.append(
                self._database, self._execution_id, node.id, attempt, offset, text, follows=follows
            )

        ledger = Ledger(self._database, tools.model, self._execution_id, node.id, attempt)
        context = RunContext(
            node=node,
            attempt=attempt,
            snapshot=self._snapshot,
            kinds=tools.specs,
            inputs=given,
            global_variables=tools.global_variables,
            model=tools.model,
            search=tools.search,
            http=tools.http,
            ledger=await streams.enter_async_context(ledger),
            deltas=await streams.enter_async_context(DeltaWriter(send)),
            lost=lost,
            answer=answer,
        )
        try:
            async with asyncio.timeout(node.timeout_seconds) as limit:
                return await act(config, context)
        except NodeError as error:
            error.retryable = error.retryable and context.repeatable
            raise
        except Exception as error:
            if limit.expired():
                raise NodeError(
                    ErrorCode.TIMEOUT,
                    f"The node took longer than {node.timeout_seconds:g} s. "
                    "Raise its time limit or give it less to do.",
                    retryable=context.repeatable,
                ) from None
            logger.exception("Node %s of run %s raised", node.id, self._execution_id)
            raise NodeError(
                ErrorCode.INTERNAL,
                f"Something unforeseen happened in this node ({type(error).__name__}). "
                "The worker's log says more.",
                retryable=context.repeatable,
            ) from None
