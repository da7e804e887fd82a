"""Security headers on every answer of the web process, the page's CSP among them."""

from reflex.utils.prerequisites import get_web_dir
from reflex_base import constants
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aistudio.ui.bundle import page_policy


class SecurityHeaders:
    """ASGI middleware: the page's policy, and what every answer should carry."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.policy = page_policy(get_web_dir() / constants.Dirs.STATIC)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with headers added to the answer's start."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", self.policy)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("X-Frame-Options", "DENY")
            await send(message)

        await self.app(scope, receive, send_with_headers)
