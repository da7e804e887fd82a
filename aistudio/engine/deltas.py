"""A node's streaming text on its way to who watches, in batches."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

logger = logging.getLogger(__name__)

# Seconds. The first piece goes out at once; what comes within the pause after it goes together.
PAUSE = 0.045
PAUSE_AFTER_ERROR = 1.0


class DeltaWriter:
    """Takes text at any pace and never makes the writer wait.

    When a piece cannot be sent, or the store has lost the one before it, all is sent again. At the end one
    last try is enough, because the whole text comes with the node's output.

    Args:
        send: stores a piece of text at an offset in code points, given the offset of the piece before it
            (null for the first); whether that one is still there.
    """

    def __init__(self, send: Callable[[int, str, int | None], Awaitable[bool]]) -> None:
        self._send = send
        self._pieces: list[str] = []
        self._sent = 0
        self._offset = 0
        self._follows: int | None = None
        self._news = asyncio.Event()
        self._closing = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "DeltaWriter":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender is None:
            return
        if isinstance(error, asyncio.CancelledError):
            self._sender.cancel()
        self._closing.set()
        self._news.set()
        await asyncio.gather(self._sender, return_exceptions=True)

    async def write(self, text: str) -> None:
        """Take the next piece of text; an empty one tells that there is more to come."""
        self._pieces.append(text)
        self._news.set()
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_batches())

    async def _send_batches(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            pause = PAUSE if await self._send_waiting() else PAUSE_AFTER_ERROR
            if self._closing.is_set():
                return
            try:
                await asyncio.wait_for(self._closing.wait(), pause)
            except TimeoutError:
                continue

    async def _send_waiting(self) -> bool:
        batch, upto = "".join(self._pieces[self._sent :]), len(self._pieces)
        if upto == self._sent:
            return True
        try:
            whole = await self._send(self._offset, batch, self._follows)
        except Exception as error:
            logger.warning("Streaming text could not be stored (%s)", type(error).__name__)
            self._begin_again()
            return False
        if not whole:
            logger.warning("Streaming text was lost; sending it again")
            self._begin_again()
            return True
        self._sent = upto
        if batch:
            self._follows = self._offset
            self._offset += len(batch)
        return True

    def _begin_again(self) -> None:
        self._sent = self._offset = 0
        self._follows = None
        self._news.set()
