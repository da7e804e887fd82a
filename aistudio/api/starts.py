"""Starting runs: of a workflow, and again."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from pydantic import Field
from typing_extensions import TypedDict

from aistudio.api.dependencies import CurrentActor, CurrentStudio, ExecutionId, WorkflowId
from aistudio.api.errors import refusals
from aistudio.api.requests import Body, json_body, read_body
from aistudio.api.responses import Json
from aistudio.studio.errors import StudioError, invalid_request

router = APIRouter(tags=["Executions"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        json_schema_extra={"minLength": 1, "maxLength": 255},
        description="The same key and body run once in 24 hours.",
    ),
]
MEANINGS_OF_A_START = (
    "`invalid_request`: some part is not what it must be; `invalid_graph`: `details.problems` says what to "
    "solve first; `idempotency_mismatch`: the key was used with another body."
)


class ExecuteBody(Body):
    """What to run, and on what."""

    version: Literal["draft", "published"] | Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(
        default="draft", description="`draft`, `published` (the newest version) or a version's number."
    )
    input: str | dict[str, Any] = Field(
        default_factory=str,
        description='Up to 256 KiB; a text becomes `{"input": text}`. Left out: triggers take their sample.',
    )


class RerunBody(Body):
    """How to run again what has ended."""

    from_node: str | None = Field(
        default=None,
        description="What completed or was skipped neither at nor below this node is kept. Left out: "
        "everything runs again.",
    )
    alone: bool = Field(default=False, description="Run nothing below `from_node`.")
    graph: Literal["same", "draft"] = Field(
        default="same",
        description="What ran then, or the workflow's draft as it is now: then a node is kept only if it and "
        "its upstream are as they were.",
    )


class Accepted(TypedDict):
    """A run that was accepted; follow it at `stream_url`."""

    execution_id: str
    status: Literal["pending"]
    stream_url: str


@router.post(
    "/workflows/{workflow_id}/execute",
    status_code=202,
    response_model=Accepted,
    responses=refusals(
        400,
        404,
        409,
        413,
        422,
        429,
        503,
        s409="`not_published`: there is no published version.",
        s422=MEANINGS_OF_A_START,
    ),
    openapi_extra=json_body(ExecuteBody, required=False),
)
async def execute_workflow(
    request: Request,
    workflow_id: WorkflowId,
    studio: CurrentStudio,
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> Json:
    """Start a run."""
    try:
        _check_key(idempotency_key)
        body = await read_body(request, ExecuteBody)
    except StudioError:
        # That there is no such workflow outranks what is wrong with the request.
        await studio.workflows.get(actor, workflow_id)
        raise
    execution_id = await studio.starts.execute(
        actor,
        workflow_id,
        version=body.version,
        input=body.input if "input" in body.model_fields_set else None,
        idempotency_key=idempotency_key,
    )
    return _accepted(execution_id)


@router.post(
    "/executions/{execution_id}/rerun",
    status_code=202,
    response_model=Accepted,
    responses=refusals(
        400,
        404,
        409,
        413,
        422,
        429,
        503,
        s409="`execution_not_finished`: the run has not ended yet.",
        s422=MEANINGS_OF_A_START,
    ),
    openapi_extra=json_body(RerunBody, required=False),
)
async def rerun_execution(
    request: Request,
    execution_id: ExecutionId,
    studio: CurrentStudio,
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> Json:
    """Run again what has ended, whole or from a node on."""
    try:
        _check_key(idempotency_key)
        body = await read_body(request, RerunBody)
    except StudioError:
        # That there is no such run outranks what is wrong with the request.
        await studio.executions.summary(actor, execution_id)
        raise
    again = await studio.starts.rerun(
        actor,
        execution_id,
        from_node=body.from_node,
        alone=body.alone,
        graph=body.graph,
        idempotency_key=idempotency_key,
    )
    return _accepted(again)


def _check_key(key: str | None) -> None:
    if key is not None and not 1 <= len(key) <= 255:
        raise invalid_request("header.idempotency-key", "A key has 1 to 255 characters.")


def _accepted(execution_id: str) -> Json:
    accepted: Accepted = {
        "execution_id": execution_id,
        "status": "pending",
        "stream_url": f"/api/executions/{execution_id}/stream",
    }
    return Json(accepted, status_code=202)
