"""Keeps other websites out: a browser's request counts only when it comes from a page of this host."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FOREIGN = "Requests from other websites are refused."
_NOT_LOCAL = (
    "This AI Studio listens on this machine only; reach it as localhost, or start it with --host 0.0.0.0."
)


def is_foreign(origin: str | None, host: str | None) -> bool:
    """Whether a request with these headers was made by a page of another host.

    Ports may differ, as they do between the development server and its API. Programs send no Origin.
    """
    if origin is None:
        return False
    theirs, ours = _hostname(origin), _hostname(f"//{host}")
    return theirs != ours and not (is_loopback(theirs) and is_loopback(ours))


def is_loopback(hostname: str | None) -> bool:
    """Whether a browser looks for this name on its own machine and nowhere else."""
    if hostname is None:
        return False
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")


class SameOrigin:
    """ASGI middleware: refuses websockets and changes asked for by a foreign page.

    Args:
        local: whether the server listens on this machine only. Then every request whose Host is another is
            refused, reads as well: a foreign website can let its name lead here (DNS rebinding), and the
            browser takes its page and this server for one.
    """

    def __init__(self, app: ASGIApp, *, local: bool = False) -> None:
        self.app = app
        self.local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        why = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if why is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it is accepted, this is an answer of 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            refusal = {"code": "foreign_origin", "message": why, "details": {}}
            await JSONResponse(refusal, status_code=403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host")
        # Every browser names the host.
        if self.local and host is not None and not is_loopback(_hostname(f"//{host}")):
            return _NOT_LOCAL
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        return _FOREIGN if changes and is_foreign(headers.get("origin"), host) else None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
