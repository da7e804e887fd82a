"""No request is larger than a workflow may be."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aistudio.api.errors import refuse
from aistudio.studio.drafts import MAX_DRAFT_BYTES
from aistudio.studio.errors import StudioError, too_large

# Most clients read no answer before they have sent everything: what is left of a body is taken in and thrown
# away before the answer, else they would see a broken connection instead. A far larger one is cut off.
MAX_DISCARDED_BYTES = 32 * 1024 * 1024


class BodyLimit:
    """ASGI middleware: 413 `too_large` for bodies over 2 MiB, whether or not they say how long they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = int(length) if (length := headers.get("content-length", "")).isdecimal() else 0
        received = 0
        more = declared > 0 or "transfer-encoding" in headers

        async def receive_limited() -> Message:
            nonlocal received, more
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
            if received > MAX_DRAFT_BYTES:
                raise _error()
            return message

        async def send_after_body(message: Message) -> None:
            nonlocal received, more
            while more and max(received, declared) <= MAX_DISCARDED_BYTES:
                rest = await receive()
                received += len(rest.get("body", b""))
                more = rest.get("more_body", False)
            await send(message)

        if declared > MAX_DRAFT_BYTES:
            error = _error()
            response = refuse(error.status, error.code, error.message, error.details)
            await response(scope, receive, send_after_body)
        else:
            await self.app(scope, receive_limited, send_after_body)


def _error() -> StudioError:
    return too_large("The body is larger than 2 MiB; send less.", MAX_DRAFT_BYTES)
