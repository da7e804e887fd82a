"""Every refusal has one shape: `{"code", "message", "details"}`."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match, Route

from aistudio.api.responses import Json
from aistudio.studio.errors import StudioError

logger = logging.getLogger(__name__)

PREFIX = "/api"

# Written out, because a 422 and a 404 mean more here than their numbers say.
MEANINGS = {
    400: "`malformed_json`: the body is no JSON.",
    404: "`not_found`: there is nothing of that id, or it belongs to somebody else.",
    409: "The state does not allow it; `code` says which.",
    413: "`too_large`: the body is over 2 MiB, or the run's input over 256 KiB.",
    422: "`invalid_request`: some part is not what it must be; `details.errors` says where.",
    429: "`rate_limited`: this client has started as many runs as it may for now.",
    503: "`unavailable`: PostgreSQL, Temporal or Redis is down; the message says which.",
}

# What comes beside the body, as OpenAPI tells it.
HEADERS = {
    429: {
        "Retry-After": {"description": "Seconds until it can.", "schema": {"type": "integer", "minimum": 1}}
    }
}


class Error(BaseModel):
    """Why a request was refused."""

    code: str
    message: str
    details: dict[str, JsonValue]


def refusals(*statuses: int, **meanings: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation, for OpenAPI; `s409="…"` says what 409 means there."""
    return {
        status: {
            "model": Error,
            "description": meanings.get(f"s{status}", MEANINGS[status]),
            **({"headers": HEADERS[status]} if status in HEADERS else {}),
        }
        for status in statuses
    }


def refuse(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, JsonValue] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Json:
    """The response that says no."""
    content = {"code": code, "message": message, "details": dict(details or {})}
    return Json(content, status_code=status, headers=headers)


def add_handlers(app: FastAPI) -> None:
    """Make every error of the app, the framework's own included, speak the one shape."""
    app.add_exception_handler(StudioError, _studio_error)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


async def _studio_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StudioError)
    wait = error.details.get("retry_after_seconds")
    headers = None if wait is None else {"retry-after": str(wait)}
    return refuse(error.status, error.code, error.message, error.details, headers)


async def _invalid_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors: list[JsonValue] = [
        {"where": ".".join(map(str, found["loc"])), "message": found["msg"]} for found in error.errors()
    ]
    first = error.errors()[0]
    message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return refuse(422, "invalid_request", message, {"errors": errors})


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        return refuse(404, "not_found", f"There is nothing at {path}; /api/docs lists what there is.")
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods(request)))
        message = f"{request.method} is not possible at {path}, only {allowed}."
        return refuse(405, "method_not_allowed", message, headers={"allow": allowed})
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    return refuse(error.status_code, code, str(error.detail), headers=error.headers)


def _methods(request: Request) -> set[str]:
    # The framework names the methods of the first operation at the path only.
    path = request.url.path.removeprefix(PREFIX)
    scope = {"type": "http", "method": request.method, "path": path}
    routes: list[Route] = request.app.state.operations
    return {
        method
        for route in routes
        if route.matches(scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody hears this; but it is no bug either, and belongs in no log.
    return refuse(400, "malformed_json", "The body broke off.")


async def _bug(request: Request, error: Exception) -> Response:
    # Starlette logs the traceback itself; the caller learns nothing of our insides.
    return refuse(500, "internal", "Something went wrong inside AI Studio; its log says what.")
