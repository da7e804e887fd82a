"""Runs that were started: look, follow, decide, stop."""

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from aistudio.api.dependencies import (
    CurrentActor,
    CurrentStudio,
    Cursor,
    ExecutionId,
    Limit,
    NodeId,
    Sequence,
)
from aistudio.api.errors import refusals
from aistudio.api.requests import Body, json_body, read_body
from aistudio.api.responses import Json, encode
from aistudio.api.stream import EventStream, message
from aistudio.graph.events import Delta, Event, ExecutionStatus
from aistudio.studio.actor import Actor
from aistudio.studio.executions import LONGEST_COMMENT
from aistudio.studio.runs import event_view
from aistudio.studio.studio import Studio
from aistudio.studio.views import EventPage, ExecutionSummary, ExecutionView, Page
from aistudio.studio.watch import Snapshot

router = APIRouter(tags=["Executions"])


class DecisionBody(Body):
    """What a human decided, and why."""

    decision: Literal["approve", "reject"]
    comment: str = Field(default="", max_length=LONGEST_COMMENT, description="For those who read the run.")


class Cancelling(TypedDict):
    """A run that is being cancelled."""

    execution_id: str
    status: Literal["cancelling"]


class Decided(TypedDict):
    """A decision that counts."""

    execution_id: str
    node_id: str
    decision: Literal["approve", "reject"]


SERVER_SENT_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["snapshot", "event", "delta"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string", "pattern": "^[0-9]+$"},
    },
}


@router.get("/executions", response_model=Page[ExecutionSummary], responses=refusals(404, 422, 503))
async def list_executions(
    studio: CurrentStudio,
    actor: CurrentActor,
    workflow_id: Annotated[str | None, Query(json_schema_extra={"format": "uuid"})] = None,
    status: ExecutionStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    """Runs, newest first, without their graphs and nodes."""
    return Json(await studio.executions.list(actor, workflow_id, status, limit, cursor))


@router.get("/executions/{execution_id}", response_model=ExecutionView, responses=refusals(404, 503))
async def get_execution(execution_id: ExecutionId, studio: CurrentStudio, actor: CurrentActor) -> Json:
    """A run: the graph it runs, and where each node stands."""
    return Json(await studio.executions.get(actor, execution_id))


@router.delete(
    "/executions/{execution_id}",
    status_code=202,
    response_model=Cancelling,
    responses=refusals(404, 409, 503, s409="`execution_not_cancellable`: the run has ended."),
)
async def cancel_execution(execution_id: ExecutionId, studio: CurrentStudio, actor: CurrentActor) -> Json:
    """Stop a run. Asking again while it stops changes nothing."""
    await studio.executions.cancel(actor, execution_id)
    return Json({"execution_id": execution_id, "status": "cancelling"}, status_code=202)


@router.get(
    "/executions/{execution_id}/nodes/{node_id:path}/output",
    responses={
        200: {"description": "The whole output, whatever JSON it is.", "content": {"application/json": {}}},
        **refusals(404, 503, s404="`not_found`: no such run or node, or the node has no output yet."),
    },
)
async def get_output(
    execution_id: ExecutionId,
    node_id: NodeId,
    studio: CurrentStudio,
    actor: CurrentActor,
) -> Json:
    """A node's whole output, however large."""
    return Json(await studio.executions.output(actor, execution_id, node_id))


@router.post(
    "/executions/{execution_id}/nodes/{node_id:path}/decision",
    response_model=Decided,
    responses=refusals(
        400,
        404,
        409,
        413,
        422,
        503,
        s404="`not_found`: no such run or node.",
        s409="`node_not_waiting`: it waits no more, or not yet; the message says who was faster.",
    ),
    openapi_extra=json_body(DecisionBody, required=True),
)
async def decide(
    request: Request,
    execution_id: ExecutionId,
    node_id: NodeId,
    studio: CurrentStudio,
    actor: CurrentActor,
) -> Json:
    """Approve or reject what a node waits for. Of several decisions the first one counts."""
    body = await read_body(request, DecisionBody)
    await studio.executions.decide(actor, execution_id, node_id, body.decision, body.comment)
    decided: Decided = {"execution_id": execution_id, "node_id": node_id, "decision": body.decision}
    return Json(decided)


@router.get("/executions/{execution_id}/events", response_model=EventPage, responses=refusals(404, 422, 503))
async def list_events(
    execution_id: ExecutionId, studio: CurrentStudio, actor: CurrentActor, after: Sequence = 0
) -> Json:
    """Up to 1,000 events after a sequence, in order."""
    return Json(await studio.executions.events(actor, execution_id, after))


@router.get(
    "/executions/{execution_id}/stream",
    status_code=200,
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: first `snapshot` (the run, and its `events` unless a place "
            "to resume at is given; id: last_sequence), then `event` (id: sequence) and `delta` (no id) "
            "until the run has ended.",
            "content": {"text/event-stream": {"schema": SERVER_SENT_EVENT}},
        },
        204: {"description": "The run has ended, and nothing follows the place to resume at."},
        **refusals(404, 422, 503),
    },
)
async def stream_execution(
    execution_id: ExecutionId,
    studio: CurrentStudio,
    actor: CurrentActor,
    after: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Resume after this event.")] = None,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=2**31 - 1, description="The same, as browsers send it; it outranks `after`."),
    ] = None,
) -> Response:
    """Follow a run live."""
    place = after if last_event_id is None else last_event_id
    run = await studio.executions.summary(actor, execution_id)
    if place is not None and run["finished_at"] is not None and place >= run["last_sequence"]:
        return Response(status_code=204)
    return EventStream(_messages(studio, actor, execution_id, place))


async def _messages(
    studio: Studio, actor: Actor, execution_id: str, place: int | None
) -> AsyncGenerator[bytes, None]:
    async for told in studio.executions.watch(actor, execution_id, place):
        match told:
            case Snapshot():
                yield message("snapshot", encode(told.execution), told.execution["last_sequence"])
            case Event():
                yield message("event", encode(event_view(told)), told.sequence)
            case Delta():
                yield message("delta", encode(told.model_dump(mode="json")))
