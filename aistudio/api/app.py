"""The REST API as an ASGI app."""

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from aistudio.api import catalog, docs, executions, health, starts, workflows
from aistudio.api.errors import PREFIX, add_handlers
from aistudio.api.limits import BodyLimit
from aistudio.studio.health import installed_version
from aistudio.studio.studio import Studio

DESCRIPTION = """Draw AI workflows and watch them run.

Every refusal is `{"code", "message", "details"}`. Lists are newest first; go on with `next_cursor`."""


def create_api(get_studio: Callable[[], Studio]) -> FastAPI:
    """The API, every route under `/api`. `get_studio` is asked anew at every request."""
    app = FastAPI(
        title="AI Studio",
        description=DESCRIPTION,
        version=installed_version(),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.get_studio = get_studio
    app.openapi = partial(docs.describe, app)  # type: ignore[method-assign]
    app.add_middleware(BodyLimit)
    add_handlers(app)
    routers = (health.router, catalog.router, workflows.router, starts.router, executions.router, docs.router)
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    app.state.operations = [route for router in routers for route in router.routes]
    return app


class UnderApi:
    """ASGI app: what is under `/api` goes to the API, everything else (lifespan too) to another app."""

    def __init__(self, api: ASGIApp, rest: ASGIApp) -> None:
        self._api = api
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        ours = scope["type"] == "http" and (path == "/api" or path.startswith("/api/"))
        await (self._api if ours else self._rest)(scope, receive, send)
