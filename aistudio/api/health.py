"""How the studio is: for people and monitors, and for whatever restarts containers."""

from typing import Literal

from fastapi import APIRouter
from typing_extensions import TypedDict

from aistudio.api.dependencies import CurrentStudio
from aistudio.api.errors import refusals
from aistudio.api.responses import Json
from aistudio.studio.views import HealthView

router = APIRouter(tags=["Health"])


class Live(TypedDict):
    """The process serves."""

    status: Literal["ok"]


@router.get(
    "/health",
    response_model=HealthView,
    responses={503: {"model": HealthView, "description": "A check fails: its sentence says what to do."}},
)
async def get_health(studio: CurrentStudio) -> Json:
    """The state of everything the studio stands on."""
    health = await studio.health()
    return Json(health, status_code=200 if health["status"] == "ok" else 503)


@router.get("/health/live", response_model=Live, responses=refusals(503))
async def get_liveness(studio: CurrentStudio) -> Json:
    """Answers once the database's schema has been seen up to date, whatever fails later."""
    await studio.require_schema()
    return Json({"status": "ok"})


# Monitors often ask for no more than the status.
router.add_api_route("/health", get_health, methods=["HEAD"], include_in_schema=False)
router.add_api_route("/health/live", get_liveness, methods=["HEAD"], include_in_schema=False)
