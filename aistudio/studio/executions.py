"""Use cases around runs that were started: look, follow, decide, stop."""

import logging
from collections.abc import AsyncGenerator
from typing import Literal

from pydantic import JsonValue

from aistudio.engine.client import Engine
from aistudio.engine.messages import Decision
from aistudio.graph.events import EventType, ExecutionStatus, NodeStatus
from aistudio.graph.kinds import Kinds
from aistudio.store import events, executions, results
from aistudio.store.database import Database
from aistudio.store.encoding import parse_id
from aistudio.store.errors import InvalidCursor
from aistudio.store.hub import Hub
from aistudio.studio.actor import Actor
from aistudio.studio.errors import StudioError, invalid_request, not_found
from aistudio.studio.runs import event_view, read_run, summarize
from aistudio.studio.servers import answering
from aistudio.studio.views import EventPage, ExecutionSummary, ExecutionView, Page
from aistudio.studio.watch import Told, watch

logger = logging.getLogger(__name__)

EVENTS_PER_PAGE = 1_000
# Characters.
LONGEST_COMMENT = 4_000


class Executions:
    """What an actor can do with runs. Every method may raise StudioError."""

    def __init__(self, database: Database, hub: Hub, engine: Engine, kinds: Kinds) -> None:
        self._database = database
        self._hub = hub
        self._engine = engine
        self._kinds = kinds

    async def get(self, actor: Actor, execution_id: str) -> ExecutionView:
        """The run, and where each of its nodes stands."""
        with answering():
            run = await read_run(self._database, self._kinds, actor.owner_id, execution_id)
        if run is None:
            raise not_found("execution")
        return run.view

    async def summary(self, actor: Actor, execution_id: str) -> ExecutionSummary:
        """The run without its graph and nodes."""
        with answering():
            row = await executions.get_summary(self._database, actor.owner_id, execution_id)
        if row is None:
            raise not_found("execution")
        return summarize(row)

    async def list(
        self,
        actor: Actor,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[ExecutionSummary]:
        """The actor's runs, newest first, of one workflow or of all; `limit` is 1 to 200."""
        if workflow_id is not None and parse_id(workflow_id) is None:
            raise not_found("workflow")
        with answering():
            try:
                page = await executions.list_page(
                    self._database,
                    actor.owner_id,
                    workflow_id=workflow_id,
                    statuses=() if status is None else (status,),
                    limit=limit,
                    cursor=cursor,
                )
            except InvalidCursor as error:
                raise invalid_request("cursor", str(error)) from None
        return {"items": [summarize(row) for row in page.items], "next_cursor": page.next_cursor}

    async def events(self, actor: Actor, execution_id: str, after: int = 0) -> EventPage:
        """Up to 1,000 events after a sequence."""
        last = (await self.summary(actor, execution_id))["last_sequence"]
        with answering():
            found = await events.read(self._database, execution_id, after, EVENTS_PER_PAGE + 1)
        shown = found[:EVENTS_PER_PAGE]
        return {
            "events": [event_view(event) for event in shown],
            "last_sequence": shown[-1].sequence if shown else last,
            "has_more": len(found) > len(shown),
        }

    async def output(self, actor: Actor, execution_id: str, node_id: str) -> JsonValue:
        """A node's whole output."""
        with answering():
            result = await results.get_owned(self._database, actor.owner_id, execution_id, node_id)
        if result is None:
            raise StudioError(404, "not_found", "There is no such node, or it has no output yet.")
        return result.output

    async def cancel(self, actor: Actor, execution_id: str) -> None:
        """Ask a run to stop. It also stops when Temporal cannot be told now: the reconciler sees to it."""
        execution_id = _canonical(execution_id)
        with answering():
            outcome = await executions.request_cancel(self._database, actor.owner_id, execution_id)
        if outcome is None:
            raise not_found("execution")
        if outcome == "terminal":
            raise StudioError(409, "execution_not_cancellable", "The run has ended already.")
        try:
            if not await self._engine.cancel(execution_id):
                # Its web process died before it told Temporal, or is about to, which will do no harm.
                await events.finish(self._database, execution_id, EventType.EXECUTION_CANCELLED)
        except Exception:
            # The wish is written: the reconciler sees to it as soon as that is possible.
            logger.exception("Temporal could not be told to cancel %s yet", execution_id)

    async def decide(
        self,
        actor: Actor,
        execution_id: str,
        node_id: str,
        decision: Literal["approve", "reject"],
        comment: str = "",
    ) -> None:
        """Approve or reject what a node waits for: the first decision counts, and is written by the answer.

        Only should PostgreSQL go away in between it is written later: Temporal holds it by then.
        """
        if decision not in ("approve", "reject"):
            raise invalid_request("decision", "A decision is `approve` or `reject`.")
        if len(comment) > LONGEST_COMMENT:
            raise invalid_request("comment", f"A comment has up to {LONGEST_COMMENT:,} characters.")
        execution_id = _canonical(execution_id)
        with answering():
            place = await self._place_of_waiting(actor, execution_id, node_id)
            given = Decision(node=place, decision=decision, comment=comment, by=actor.owner_id)
            if not await self._engine.decide(execution_id, given):
                # Somebody was faster. It may be written by now who.
                await self._place_of_waiting(actor, execution_id, node_id)
                raise _not_waiting("Somebody else, or its time limit, was faster.")

    def watch(self, actor: Actor, execution_id: str, after: int | None = None) -> AsyncGenerator[Told, None]:
        """Follow a run live; see `watch.watch`. Close the generator to stop."""
        return watch(self._database, self._hub, self._kinds, actor.owner_id, execution_id, after)

    async def _place_of_waiting(self, actor: Actor, execution_id: str, node_id: str) -> int:
        """Where among its run's nodes this one stands, which must be waiting for a decision."""
        run = await read_run(self._database, self._kinds, actor.owner_id, execution_id)
        if run is None:
            raise not_found("execution")
        node = run.view["nodes"].get(node_id)
        if node is None:
            raise not_found("node")
        if run.view["status"] == ExecutionStatus.CANCELLING:
            raise _not_waiting("The run is being cancelled.")
        if node["status"] != NodeStatus.WAITING:
            made = node["output"]
            if isinstance(made, dict) and "decision" in made and "by" in made:
                raise _not_waiting(f"It was {made['decision']} by {made['by']}.")
            raise _not_waiting(f"It is {node['status']}.")
        return list(run.view["nodes"]).index(node_id)


def _canonical(execution_id: str) -> str:
    """The id as it is stored, and as Temporal knows it: there are other ways to write the same one."""
    known = parse_id(execution_id)
    if known is None:
        raise not_found("execution")
    return known


def _not_waiting(why: str) -> StudioError:
    return StudioError(409, "node_not_waiting", f"The node does not wait for a decision. {why}")
