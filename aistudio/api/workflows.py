"""Workflows: drafts, problems, versions."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import Field
from starlette.responses import Response

from aistudio.api.dependencies import CurrentActor, CurrentStudio, Cursor, Limit, WorkflowId
from aistudio.api.errors import refusals
from aistudio.api.requests import Body, etag, json_body, read_body, revisions
from aistudio.api.responses import Json
from aistudio.studio.views import (
    Page,
    ProblemsView,
    VersionSummary,
    VersionView,
    WorkflowSummary,
    WorkflowView,
)

router = APIRouter(prefix="/workflows", tags=["Workflows"])

ETAG = {"ETag": {"description": "The revision, in quotes.", "schema": {"type": "string"}}}


class WorkflowBody(Body):
    """A workflow to keep."""

    name: str = Field(default_factory=str, description="Takes the place of the graph's own name.")
    graph: dict[str, Any] = Field(
        description="The workflow's JSON. Any object is kept as it is; `validate` says what is wrong with it."
    )

    @property
    def given_name(self) -> str | None:
        """The name, or null when the body has none."""
        return self.name if "name" in self.model_fields_set else None


@router.post(
    "",
    status_code=201,
    response_model=WorkflowView,
    responses={201: {"headers": ETAG}, **refusals(400, 413, 422, 503)},
    openapi_extra=json_body(WorkflowBody, required=True),
)
async def create_workflow(request: Request, studio: CurrentStudio, actor: CurrentActor) -> Json:
    """Keep a new workflow."""
    body = await read_body(request, WorkflowBody)
    workflow = await studio.workflows.create(actor, body.graph, body.given_name)
    location = f"/api/workflows/{workflow['id']}"
    return Json(workflow, status_code=201, headers={"etag": etag(1), "location": location})


@router.get("", response_model=Page[WorkflowSummary], responses=refusals(422, 503))
async def list_workflows(
    studio: CurrentStudio, actor: CurrentActor, limit: Limit = 50, cursor: Cursor = None
) -> Json:
    """The workflows, newest first."""
    return Json(await studio.workflows.list(actor, limit, cursor))


@router.get(
    "/{workflow_id}",
    response_model=WorkflowView,
    responses={200: {"headers": ETAG}, **refusals(404, 503)},
)
async def get_workflow(workflow_id: WorkflowId, studio: CurrentStudio, actor: CurrentActor) -> Json:
    """A workflow with its draft."""
    return _tagged(await studio.workflows.get(actor, workflow_id))


@router.put(
    "/{workflow_id}",
    response_model=WorkflowView,
    responses={
        200: {"headers": ETAG},
        **refusals(400, 404, 409, 413, 422, 503, s409="`revision_conflict`: `If-Match` does not match."),
    },
    openapi_extra=json_body(WorkflowBody, required=True),
)
async def replace_workflow(
    request: Request,
    workflow_id: WorkflowId,
    studio: CurrentStudio,
    actor: CurrentActor,
    if_match: Annotated[
        str | None, Header(description="The `ETag` the change was made on; without it the last write wins.")
    ] = None,
) -> Json:
    """Save another draft."""
    body = await read_body(request, WorkflowBody)
    allowed = revisions(if_match)
    return _tagged(await studio.workflows.replace(actor, workflow_id, body.graph, body.given_name, allowed))


@router.delete("/{workflow_id}", status_code=204, responses=refusals(404, 503))
async def delete_workflow(workflow_id: WorkflowId, studio: CurrentStudio, actor: CurrentActor) -> Response:
    """Delete a workflow; its runs stay readable."""
    await studio.workflows.delete(actor, workflow_id)
    return Response(status_code=204)


@router.post("/{workflow_id}/validate", response_model=ProblemsView, responses=refusals(404, 503))
async def validate_workflow(workflow_id: WorkflowId, studio: CurrentStudio, actor: CurrentActor) -> Json:
    """Everything that is wrong with the draft, all at once."""
    return Json({"problems": await studio.workflows.validate(actor, workflow_id)})


@router.post(
    "/{workflow_id}/publish",
    status_code=201,
    response_model=VersionView,
    responses=refusals(404, 503),
)
async def publish_workflow(workflow_id: WorkflowId, studio: CurrentStudio, actor: CurrentActor) -> Json:
    """Freeze the draft as the next version."""
    return Json(await studio.workflows.publish(actor, workflow_id), status_code=201)


@router.get(
    "/{workflow_id}/versions",
    response_model=Page[VersionSummary],
    responses=refusals(404, 422, 503),
)
async def list_versions(
    workflow_id: WorkflowId,
    studio: CurrentStudio,
    actor: CurrentActor,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    """The published versions, newest first."""
    return Json(await studio.workflows.versions(actor, workflow_id, limit, cursor))


def _tagged(workflow: WorkflowView) -> Json:
    return Json(workflow, headers={"etag": etag(workflow["revision"])})
