"""Server-sent events: a run as it happens, until it ends or the client goes away."""

import asyncio
import logging
from collections.abc import AsyncGenerator

from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aistudio.studio.errors import StudioError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0


class EventStream(Response):
    """An SSE response. It notices a client that went away at once, not at the next event."""

    media_type = "text/event-stream"

    def __init__(self, messages: AsyncGenerator[bytes, None]) -> None:
        self.status_code = 200
        self.background = None
        self._messages = messages
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # Two tasks write; servers expect one message at a time.
        turn = asyncio.Lock()

        async def write(chunk: bytes, more: bool = True) -> None:
            async with turn:
                await send({"type": "http.response.body", "body": chunk, "more_body": more})

        async def follow() -> None:
            try:
                async for message in self._messages:
                    await write(message)
            except StudioError as error:
                # The status is sent already; the client reconnects where it stopped.
                logger.info("A stream ended early: %s", error.message)
            finally:
                await self._messages.aclose()
            await write(b"", more=False)

        async def beat() -> None:
            while True:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                await write(b": heartbeat\n\n")

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        tasks = [asyncio.create_task(part()) for part in (follow, beat, gone)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            # A connection that breaks while it is written to is a client that went away.
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
                raise outcome


def message(event: str, data: str, sequence: int | None = None) -> bytes:
    """One server-sent event; without a sequence it does not move the client's `Last-Event-ID`."""
    # Half a surrogate pair has no UTF-8; see Json.
    text = data.encode("utf-8", "replace").decode()
    return format_sse_event(event=event, data_str=text, id=None if sequence is None else str(sequence))
