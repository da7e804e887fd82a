"""Use cases that start runs: of a workflow, and again."""

import json
import logging
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import JsonValue

from aistudio.engine.client import Engine
from aistudio.engine.routes import run_task
from aistudio.graph import reuse
from aistudio.graph.definition import Workflow
from aistudio.graph.events import TERMINAL_STATUSES, Event
from aistudio.graph.kinds import Kinds
from aistudio.store import events, executions, idempotency, workflows
from aistudio.store.database import Database
from aistudio.store.errors import IdempotencyMismatch
from aistudio.store.idempotency import Claim
from aistudio.studio.actor import Actor
from aistudio.studio.drafts import check_input, validated
from aistudio.studio.errors import StudioError, invalid_request, not_found, unavailable
from aistudio.studio.rate_limit import RateLimit
from aistudio.studio.servers import answering

logger = logging.getLogger(__name__)


class Starts:
    """How an actor starts runs. Only one that is accepted, and was not before, is counted.

    Every method answers the run's id and may raise StudioError. The same idempotency key with the same
    request answers the same run for 24 hours.
    """

    def __init__(self, database: Database, engine: Engine, kinds: Kinds, rate_limit: RateLimit) -> None:
        self._database = database
        self._engine = engine
        self._kinds = kinds
        self._rate_limit = rate_limit

    async def execute(
        self,
        actor: Actor,
        workflow_id: str,
        *,
        version: int | str = "draft",
        input: str | dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Run a workflow.

        Args:
            actor: who starts it.
            workflow_id: what to run.
            version: `draft`, `published` (the newest one) or a version's number.
            input: null means none, so that every trigger takes its own sample; '' is an input.
            idempotency_key: see above.
        """
        with answering():
            workflow = await workflows.get(self._database, actor.owner_id, workflow_id)
            if workflow is None:
                raise not_found("workflow")
            if input is not None:
                check_input(input)
            body = {"version": version} if input is None else {"version": version, "input": input}
            claim = _claim(f"execute:{workflow.id}", body, idempotency_key)
            if claim is not None and (earlier := await self._earlier(actor, claim)):
                return earlier
            number, graph = await self._graph(actor, workflow, version)
            definition = await self._runnable(graph)
            return await self._start(
                actor,
                definition,
                claim,
                workflow_id=workflow.id,
                version=number,
                graph=graph,
                input=input,
                has_input=input is not None,
            )

    async def rerun(
        self,
        actor: Actor,
        execution_id: str,
        *,
        from_node: str | None = None,
        alone: bool = False,
        graph: Literal["same", "draft"] = "same",
        idempotency_key: str | None = None,
    ) -> str:
        """Run again what has ended, with the input it had.

        Args:
            actor: who starts it.
            execution_id: what has ended.
            from_node: what completed or was skipped neither at nor below this node is kept, on a draft only
                where it and its upstream are as they were. Null: nothing is kept.
            alone: run `from_node` and, of its upstream, what cannot be kept; and nothing below it.
            graph: what ran then, or the workflow's draft as it is now.
            idempotency_key: see above.
        """
        with answering():
            before = await executions.get(self._database, actor.owner_id, execution_id)
            if before is None:
                raise not_found("execution")
            body = {"from_node": from_node, "alone": alone, "graph": graph}
            claim = _claim(f"rerun:{before.id}", body, idempotency_key)
            if claim is not None and (earlier := await self._earlier(actor, claim)):
                return earlier
            if before.status not in TERMINAL_STATUSES:
                raise StudioError(
                    409, "execution_not_finished", "The run has not ended yet; wait for it, or stop it."
                )
            version, now = before.version, before.graph
            if graph == "draft":
                workflow = await workflows.get(self._database, actor.owner_id, before.workflow_id)
                if workflow is None:
                    raise not_found("workflow")
                version, now = None, workflow.graph
            definition = await self._runnable(now)
            if from_node is None and alone:
                raise invalid_request("body.from_node", "name the node that is to run alone")
            if from_node is not None and from_node not in {node.id for node in definition.nodes}:
                raise invalid_request("body.from_node", f"there is no node {from_node}")
            if alone and from_node is not None:
                definition = reuse.part(definition, from_node)
                now = definition.model_dump(mode="json", by_alias=True)
            told = await events.read(self._database, before.id, limit=None)
            kept = reuse.kept(definition, told, from_node, Workflow.model_validate(before.graph))
            return await self._start(
                actor,
                definition,
                claim,
                kept,
                workflow_id=before.workflow_id,
                version=version,
                graph=now,
                input=before.input,
                has_input=before.has_input,
                rerun_of=before.id,
            )

    async def _earlier(self, actor: Actor, claim: Claim) -> str | None:
        try:
            return await idempotency.find(self._database, actor.owner_id, claim)
        except IdempotencyMismatch:
            raise _mismatch() from None

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

    async def _start(
        self,
        actor: Actor,
        definition: Workflow,
        claim: Claim | None,
        kept: Sequence[Event] = (),
        **row: Any,
    ) -> str:
        # Asked before anything is written: a run that nobody can start should not be there.
        if not await self._engine.healthy():
            raise unavailable("temporal", f"Temporal at {self._engine.address} does not answer.")
        try:
            execution_id, created = await executions.create(
                self._database,
                actor.owner_id,
                claim=claim,
                admission=self._rate_limit.admission(actor.client),
                kept=kept,
                **row,
            )
        except IdempotencyMismatch:
            raise _mismatch() from None
        if created:
            ports = reuse.known_ports(definition, self._kinds, kept)
            task = run_task(execution_id, definition, self._kinds, ports)
            try:
                await self._engine.start(execution_id, task, actor.client)
            except Exception:
                # The run is written and accepted: the reconciler hands it over as soon as that is possible.
                logger.exception("Temporal did not take %s yet; the reconciler will submit it", execution_id)
        return execution_id


def _claim(route: str, body: dict[str, Any], key: str | None) -> Claim | None:
    if key is None:
        return None
    return Claim(route=route, key=key, body=json.dumps(body, sort_keys=True).encode())


def _mismatch() -> StudioError:
    return StudioError(
        422,
        "idempotency_mismatch",
        "This Idempotency-Key was used with another body; take a new key for a new request.",
    )
