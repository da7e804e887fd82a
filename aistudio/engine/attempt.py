"""One attempt at one node: what it tells, what it stores, and what becomes of an error."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from aistudio.engine import inputs
from aistudio.engine.context import RunContext
from aistudio.engine.deltas import DeltaWriter
from aistudio.engine.inputs import Inputs
from aistudio.engine.ledger import Ledger
from aistudio.engine.messages import STOPPED, NodeOutcome, NodeTask, Skips, Wait
from aistudio.engine.patience import patiently, to_the_end
from aistudio.engine.snapshots import Snapshot
from aistudio.engine.tools import Tools
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import SETTLING_EVENTS, Event, EventType
from aistudio.graph.lineage import absorbed_ports
from aistudio.nodes.context import Answer, NodeContext, NodeResult, Question
from aistudio.store import attempts, deltas, events, results
from aistudio.store.attempts import Attempts
from aistudio.store.encoding import iso
from aistudio.store.errors import OutputTooLarge
from aistudio.store.events import NewEvent

logger = logging.getLogger(__name__)

# Said once by us, not again with a stack trace by Temporal's own log.
EXPECTED = ApplicationErrorCategory.BENIGN

# A node whose worker is lost this often is likely to be what kills it.
LOST_LIMIT = 20
MESSAGE_LENGTH = 2_000
# Seconds.
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 30.0
# To Temporal no delay at all means that none was given.
SHORTEST_RETRY_AFTER = 0.001
LONGEST_RETRY_AFTER = 86_400.0

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
        self._status_of = snapshot.status_of(tools.specs)

    async def outcome(self) -> NodeOutcome:
        """Settle the node, unless it settled before, and say which ports are live; or ask what it waits for.

        Raises:
            ApplicationError: its `type` is the error's code or `STOPPED`; retryable when an attempt follows.
        """
        # Most nodes are met for the first time: that an attempt 1 could be begun says all there is to know.
        begun = self._new_to_temporal and await self._tell_start(1)
        before = UNTRIED if begun else await patiently(self._attempts)
        if before.settled:
            return await self._settled()
        if self._node.pinned_output is not None:
            return await self._complete(self._pinned(), 0, 0, AsyncExitStack(), before=self._skips())
        if self._kind.ask is not None and (asked := await self._asked()) is not None:
            return self._wait(asked)
        if before.last - before.failed >= LOST_LIMIT:
            error = NodeError(
                ErrorCode.INTERNAL,
                f"The worker was lost {LOST_LIMIT} times while it ran this node. Look into its log.",
            )
            return await self._fail(error, before.last)
        attempt = before.last + 1
        if not begun and not await self._begin(attempt):
            return await self._settled()
        given = await patiently(self._inputs)
        started = time.monotonic()
        try:
            async with AsyncExitStack() as streams:
                if self._kind.ask is not None:
                    return await self._ask(await self._call(self._kind.ask, attempt, given, streams), attempt)
                lost = before.last > before.failed
                result = await self._call(self._kind.run, attempt, given, streams, lost=lost)
                took = round((time.monotonic() - started) * 1000)
                # It may be paid for: ending its streams and storing it are one step that nothing cuts short.
                return await self._complete(result, attempt, took, streams.pop_all())
        except NodeError as error:
            if error.retryable and before.failed + 1 < self._node.retry.max_attempts:
                raise await self._retry(error, attempt, before) from None
            return await self._fail(error, attempt)

    async def resume(self) -> NodeOutcome:
        """Settle a node that waited by the task's decision, or without one when its time is up.

        Raises:
            ApplicationError: as `outcome` does.
        """
        asked = await self._asked()
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
            return await self._complete(result, asked.attempt, took, AsyncExitStack(), before=[resumed])
        except NodeError as error:
            return await self._fail(error, asked.attempt)

    @property
    def _new_to_temporal(self) -> bool:
        return activity.info().attempt == 1 and self._node.pinned_output is None and self._kind.ask is None

    async def _attempts(self) -> Attempts:
        return await attempts.of(self._database, self._execution_id, self._node.id)

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

    async def _begin(self, attempt: int) -> bool:
        """Tell that it starts; false when the node has settled meanwhile, on a worker thought lost."""
        if await self._tell_start(attempt):
            return True
        # Nothing written: the node has settled, the run is stopping, or the connection broke after this was
        # written.
        now = await patiently(self._attempts)
        if not now.settled and now.last < attempt:
            raise stopped()
        return not now.settled

    async def _tell_start(self, attempt: int) -> bool:
        ready_at = datetime.fromisoformat(self._task.ready_at)
        if attempt > 1:
            ready_at = max(ready_at, activity.info().current_attempt_scheduled_time)
        started = NewEvent(
            type=EventType.NODE_STARTED,
            node_id=self._node.id,
            attempt=attempt,
            payload={"ready_at": iso(ready_at)},
        )
        written = await patiently(
            lambda: events.append(self._database, self._execution_id, [*self._skips(), started])
        )
        return any(event.type is EventType.NODE_STARTED for event in written)

    async def _ask(self, question: Question, attempt: int) -> NodeOutcome:
        expires_at = None
        if question.wait_seconds is not None:
            # By Temporal's clock, which is the one that the time will be up by.
            expires_at = iso(activity.info().started_time + timedelta(seconds=question.wait_seconds))
        waiting = NewEvent(
            type=EventType.NODE_WAITING,
            node_id=self._node.id,
            attempt=attempt,
            payload={"message": question.message, "expires_at": expires_at},
        )
        await patiently(
            lambda: events.append(self._database, self._execution_id, [waiting], status_of=self._status_of)
        )
        asked = await self._asked()
        if asked is None:
            raise stopped()
        return self._wait(asked)

    async def _asked(self) -> Event | None:
        return await patiently(lambda: events.waiting(self._database, self._execution_id, self._node.id))

    def _wait(self, asked: Event) -> NodeOutcome:
        wait = Wait(expires_at=asked.payload["expires_at"])
        return NodeOutcome(node_id=self._node.id, live=[], wait=wait)

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

    async def _complete(
        self,
        result: NodeResult,
        attempt: int,
        duration_ms: int,
        streams: AsyncExitStack,
        before: Sequence[NewEvent] = (),
    ) -> NodeOutcome:
        async def store() -> list[Event]:
            await streams.aclose()
            return await patiently(
                lambda: events.complete_node(
                    self._database,
                    self._execution_id,
                    self._node.id,
                    attempt=attempt,
                    output=result.output,
                    duration_ms=duration_ms,
                    details=result.details,
                    before=before,
                    status_of=self._status_of,
                )
            )

        try:
            written = await to_the_end(store())
        except OutputTooLarge as error:
            raise NodeError(ErrorCode.OUTPUT_TOO_LARGE, str(error)) from None
        except (TypeError, ValueError):
            logger.exception("Node %s of run %s made no JSON", self._node.id, self._execution_id)
            raise NodeError(
                ErrorCode.INTERNAL, "The node made something that is not JSON. The worker's log says more."
            ) from None
        return await self._after(written)

    async def _retry(self, error: NodeError, attempt: int, before: Attempts) -> ApplicationError:
        delay = timedelta(seconds=pause(before.failed, error.retry_after))
        retrying = NewEvent(
            type=EventType.NODE_RETRYING,
            node_id=self._node.id,
            attempt=attempt,
            payload={
                "error": {"code": str(error.code), "message": _short(error.message)},
                "attempt": attempt,
                "max_attempts": self._node.retry.max_attempts,
                "next_attempt_at": iso(datetime.now(UTC) + delay),
            },
        )
        await patiently(lambda: events.append(self._database, self._execution_id, [retrying]))
        logger.info("Node %s of run %s is tried again: %s", self._node.id, self._execution_id, error.code)
        return ApplicationError(
            _short(error.message), type=str(error.code), next_retry_delay=delay, category=EXPECTED
        )

    async def _fail(self, error: NodeError, attempt: int) -> NodeOutcome:
        logger.warning("Node %s of run %s failed: %s", self._node.id, self._execution_id, error.code)
        written = await patiently(
            lambda: events.fail_node(
                self._database,
                self._execution_id,
                self._node.id,
                attempt=attempt,
                code=str(error.code),
                message=_short(error.message),
                absorbed=self._node.on_error != "fail",
                status_of=self._status_of,
            )
        )
        return await self._after(written)

    async def _after(self, written: Sequence[Event]) -> NodeOutcome:
        mine = (event for event in written if event.node_id == self._node.id)
        settled = next((event for event in mine if event.type in SETTLING_EVENTS), None)
        # Nothing written: the run is stopping, another attempt was faster, or the connection broke after the
        # commit.
        return await self._settled(settled)

    async def _settled(self, event: Event | None = None) -> NodeOutcome:
        node, spec = self._node, self._kind.spec
        if event is None:
            event = await patiently(lambda: events.settling(self._database, self._execution_id, node.id))
        if event is not None and event.type is EventType.NODE_COMPLETED:
            output = event.payload["output"]
            if spec.port_key is not None:
                # The event may carry no more than a preview.
                kept = await patiently(lambda: results.get(self._database, self._execution_id, node.id))
                output = kept.output if kept is not None else output
            return self._live(spec.live_ports(node.config, output))
        if event is not None and event.type is EventType.NODE_FAILED:
            if event.payload["absorbed"]:
                return self._live(absorbed_ports(node, spec))
            error = event.payload["error"]
            raise ApplicationError(
                error["message"], type=error["code"], non_retryable=True, category=EXPECTED
            )
        raise stopped()

    def _live(self, names: Sequence[str]) -> NodeOutcome:
        ports = self._snapshot.ports[self._node.id]
        return NodeOutcome(
            node_id=self._node.id, live=[place for place, port in enumerate(ports) if port in names]
        )

    def _skips(self) -> list[NewEvent]:
        return skip_events(self._snapshot, self._task.skips)


def skip_events(snapshot: Snapshot, skips: Skips) -> list[NewEvent]:
    """The events of skipped nodes, the unconnected ones first."""
    reasons = (("not_connected", skips.not_connected), ("branch_not_taken", skips.branch_not_taken))
    return [
        NewEvent(
            type=EventType.NODE_SKIPPED,
            node_id=snapshot.workflow.nodes[place].id,
            payload={"reason": reason},
        )
        for reason, places in reasons
        for place in places
    ]


def pause(failed: int, retry_after: float | None) -> float:
    """Seconds until the next attempt, after this many that failed before the latest one.

    What the other side asks for is kept to, from a millisecond up to 24 hours.
    """
    if retry_after is not None:
        return min(max(retry_after, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)
    return min(FIRST_BACKOFF * 2.0**failed, LONGEST_BACKOFF)


def stopped() -> ApplicationError:
    """The run has ended or is being cancelled: this node may not go on."""
    return ApplicationError("The run is stopping.", type=STOPPED, non_retryable=True, category=EXPECTED)


def _short(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"
