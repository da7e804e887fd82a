"""Use cases around runs: start, look, follow, stop."""

import json
import logging
from collections.abc import AsyncGenerator
from typing import Any, Literal

from pydantic import JsonValue

from aistudio.engine.client import Engine
from aistudio.engine.messages import Decision
from aistudio.engine.routes import run_task
from aistudio.graph.definition import Workflow
from aistudio.graph.events import ExecutionStatus, NodeStatus
from aistudio.graph.kinds import Kinds
from aistudio.store import events, executions, idempotency, results, workflows
from aistudio.store.database import Database
from aistudio.store.encoding import parse_id
from aistudio.store.errors import IdempotencyMismatch, InvalidCursor
from aistudio.store.hub import Hub
from aistudio.store.idempotency import Claim
from aistudio.studio.actor import Actor
from aistudio.studio.drafts import check_input, validated
from aistudio.studio.errors import StudioError, invalid_request, not_found, unavailable
from aistudio.studio.rate_limit import RateLimit
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

    def __init__(
        self, database: Database, hub: Hub, engine: Engine, kinds: Kinds, rate_limit: RateLimit
    ) -> None:
        self._database = database
        self._hub = hub
        self._engine = engine
        self._kinds = kinds
        self._rate_limit = rate_limit

    async def start(
        self,
        actor: Actor,
        workflow_id: str,
        *,
        version: int | str = "draft",
        input: str | dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Start a run and answer its id. Only a run that is accepted, and was not before, is counted.

        Args:
            actor: who starts it.
            workflow_id: what to run.
            version: `draft`, `published` (the newest one) or a version's number.
            input: null means none, so that every trigger takes its own sample; '' is an input.
            idempotency_key: the same key with the same version and input answers the same run for 24 hours.
        """
        with answering():
            workflow = await workflows.get(self._database, actor.owner_id, workflow_id)
            if workflow is None:
                raise not_found("workflow")
            if input is not None:
                check_input(input)
            claim = _claim(workflow.id, version, input, idempotency_key)
            try:
                if claim is not None:
                    earlier = await idempotency.find(self._database, actor.owner_id, claim)
                    if earlier is not None:
                        return earlier
                number, graph = await self._graph(actor, workflow, version)
                definition = await self._runnable(graph)
                await self._require_engine()
                execution_id, created = await executions.create(
                    self._database,
                    actor.owner_id,
                    workflow_id=workflow.id,
                    version=number,
                    graph=graph,
                    input=input,
                    has_input=input is not None,
                    claim=claim,
                    admission=self._rate_limit.admission(actor.client),
                )
            except IdempotencyMismatch:
                raise StudioError(
                    422,
                    "idempotency_mismatch",
                    "This Idempotency-Key was used with another body; take a new key for a new request.",
                ) from None
        if created:
            await self._submit(execution_id, definition)
        return execution_id

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
        with answering():
            outcome = await executions.request_cancel(self._database, actor.owner_id, execution_id)
        if outcome is None:
            raise not_found("execution")
        if outcome == "terminal":
            raise StudioError(409, "execution_not_cancellable", "The run has ended already.")
        try:
            await self._engine.cancel(execution_id)
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

    async def _graph(
        self, actor: Actor, workflow: workflows.Workflow, version: int | str
    ) -> tuple[int | None, JsonValue]:
        if version == "draft":
            return None, workflow.graph
        number = workflow.published_version if version == "published" else version
        if number is None:
            raise StudioError(
                409, "not_published", "The workflow has no published version; publish it or run the draft."
            )
        found = await workflows.version_graph(self._database, actor.owner_id, workflow.id, int(number))
        if found is None:
            raise not_found("version")
        return found.version, found.graph

    async def _runnable(self, graph: JsonValue) -> Workflow:
        validation = await validated(graph, self._kinds)
        if validation.workflow is None:
            problems: list[JsonValue] = [
                problem.model_dump(mode="json", exclude_none=True) for problem in validation.problems
            ]
            raise StudioError(
                422,
                "invalid_graph",
                "The workflow has problems to solve before it can run.",
                {"problems": problems},
            )
        return validation.workflow

    async def _require_engine(self) -> None:
        # Asked before anything is written: a run that nobody can start should not be there.
        if not await self._engine.healthy():
            raise unavailable("temporal", f"Temporal at {self._engine.address} does not answer.")

    async def _submit(self, execution_id: str, definition: Workflow) -> None:
        try:
            await self._engine.start(execution_id, run_task(execution_id, definition, self._kinds))
        except Exception:
            # The run is written and accepted: the reconciler hands it over as soon as that is possible.
            logger.exception("Temporal did not take %s yet; the reconciler will submit it", execution_id)


def _not_waiting(why: str) -> StudioError:
    return StudioError(409, "node_not_waiting", f"The node does not wait for a decision. {why}")


def _claim(
    workflow_id: str, version: int | str, input: str | dict[str, Any] | None, key: str | None
) -> Claim | None:
    if key is None:
        return None
    body = {"version": version} if input is None else {"version": version, "input": input}
    return Claim(route=f"execute:{workflow_id}", key=key, body=json.dumps(body, sort_keys=True).encode())
