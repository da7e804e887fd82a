"""Keeps other websites out: a browser's request counts only when it comes from a page of this host."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSAL = {"code": "foreign_origin", "message": "Requests from other websites are refused.", "details": {}}


def is_foreign(origin: str | None, host: str | None) -> bool:
    """Whether a request with these headers was made by a page of another host.

    Ports may differ, as they do between the development server and its API. Programs send no Origin.
    """
    if origin is None:
        return False
    theirs, ours = urlsplit(origin).hostname, urlsplit(f"//{host}").hostname
    return theirs != ours and not (theirs in _LOOPBACK and ours in _LOOPBACK)


class SameOrigin:
    """ASGI middleware: refuses websockets and changes asked for by a foreign page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        changes = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in _SAFE)
        if changes:
            headers = Headers(scope=scope)
            if is_foreign(headers.get("origin"), headers.get("host")):
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                else:
                    await JSONResponse(_REFUSAL, status_code=403)(scope, receive, send)
                return
        await self.app(scope, receive, send)
