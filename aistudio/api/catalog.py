"""Node kinds and templates."""

from fastapi import APIRouter

from aistudio.api.dependencies import CurrentStudio
from aistudio.api.errors import refusals
from aistudio.api.responses import Json
from aistudio.studio.views import Items, NodeKindView, TemplateSummary, TemplateView

router = APIRouter(tags=["Catalog"])


@router.get("/node-kinds", response_model=Items[NodeKindView])
async def list_node_kinds(studio: CurrentStudio) -> Json:
    """Every node kind with the JSON Schema of its configuration."""
    return Json({"items": studio.catalog.node_kinds()})


@router.get("/templates", response_model=Items[TemplateSummary])
async def list_templates(studio: CurrentStudio) -> Json:
    """The gallery."""
    return Json({"items": studio.catalog.templates()})


@router.get("/templates/{slug}", response_model=TemplateView, responses=refusals(404))
async def get_template(slug: str, studio: CurrentStudio) -> Json:
    """One template with its graph; create a workflow from it to use it."""
    return Json(studio.catalog.template(slug))
