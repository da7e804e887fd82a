"""What becomes of one node, as PostgreSQL is told: started, waiting, retrying, settled."""

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from aistudio.engine.messages import STOPPED, NodeOutcome, NodeTask, Skips, Wait
from aistudio.engine.patience import patiently, to_the_end
from aistudio.engine.snapshots import Snapshot
from aistudio.engine.tools import Tools
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import SETTLING_EVENTS, Event, EventType
from aistudio.graph.lineage import absorbed_ports
from aistudio.nodes.context import NodeKind, NodeResult, Question
from aistudio.store import attempts, events, results
from aistudio.store.attempts import Attempts
from aistudio.store.encoding import iso
from aistudio.store.errors import OutputTooLarge
from aistudio.store.events import NewEvent

logger = logging.getLogger(__name__)

# Said once by us, not again with a stack trace by Temporal's own log.
EXPECTED = ApplicationErrorCategory.BENIGN

MESSAGE_LENGTH = 2_000
# Seconds.
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 30.0
# To Temporal no delay at all means that none was given.
SHORTEST_RETRY_AFTER = 0.001
LONGEST_RETRY_AFTER = 86_400.0


class NodeRecord:
    """One node's events and result in one run. Every write is safe to repeat, and none outlives the run."""

    def __init__(self, tools: Tools, snapshot: Snapshot, task: NodeTask, kind: NodeKind) -> None:
        self._database = tools.database
        self._snapshot = snapshot
        self._task = task
        self._execution_id = task.execution_id
        self._node = snapshot.workflow.nodes[task.node]
        self._kind = kind
        self._status_of = snapshot.status_of(tools.specs)

    async def attempts(self) -> Attempts:
        """How often it was tried, read now."""
        return await attempts.of(self._database, self._execution_id, self._node.id)

    async def begin(self, attempt: int) -> bool:
        """Tell that it starts; false when the node has settled meanwhile, on a worker thought lost."""
        if await self.tell_start(attempt):
            return True
        # Nothing written: the node has settled, the run is stopping, or the connection broke after this was
        # written.
        now = await patiently(self.attempts)
        if not now.settled and now.last < attempt:
            raise stopped()
        return not now.settled

    async def tell_start(self, attempt: int) -> bool:
        """Tell that an attempt starts; whether that was news."""
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
            lambda: events.append(self._database, self._execution_id, [*self.skips(), started])
        )
        return any(event.type is EventType.NODE_STARTED for event in written)

    async def ask(self, question: Question, attempt: int) -> NodeOutcome:
        """Tell that it waits for a human, and until when."""
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
        asked = await self.asked()
        if asked is None:
            raise stopped()
        return self.wait(asked)

    async def asked(self) -> Event | None:
        """The event with which it began to wait, or null."""
        return await patiently(lambda: events.waiting(self._database, self._execution_id, self._node.id))

    def wait(self, asked: Event) -> NodeOutcome:
        """What the workflow has to wait for."""
        wait = Wait(expires_at=asked.payload["expires_at"])
        return NodeOutcome(node_id=self._node.id, live=[], wait=wait)

    async def complete(
        self,
        result: NodeResult,
        attempt: int,
        duration_ms: int,
        streams: AsyncExitStack,
        before: Sequence[NewEvent] = (),
    ) -> NodeOutcome:
        """Keep the result and tell of it, after its streams have ended; see `settled`.

        Raises NodeError when the result cannot be kept.
        """

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

    async def retry(self, error: NodeError, attempt: int, before: Attempts) -> ApplicationError:
        """Tell that another attempt follows; the error that makes Temporal start it."""
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

    async def fail(self, error: NodeError, attempt: int) -> NodeOutcome:
        """Tell that it failed for good; see `settled`."""
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
        return await self.settled(settled)

    async def settled(self, event: Event | None = None) -> NodeOutcome:
        """How the run goes on from here, as the node's settling event says.

        Raises ApplicationError: the error that ended the run, or `STOPPED` when there is no such event.
        """
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

    def skips(self) -> list[NewEvent]:
        """The events of the nodes that were skipped before this one."""
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
