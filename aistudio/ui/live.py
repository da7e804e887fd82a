"""From a run's messages to few, small pushes: at most twenty batches a second and tab."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

BATCH_SECONDS = 0.05
IDLE_SECONDS = 5.0


async def batches(
    messages: AsyncGenerator[T, None], *, pause: float = BATCH_SECONDS, idle: float = IDLE_SECONDS
) -> AsyncGenerator[list[T], None]:
    """The messages in lists, each at least `pause` seconds after the one before; ends with the messages.

    An empty list comes after `idle` seconds without a message, so that the reader can see whether anybody
    still listens. Closing it closes the messages.
    """
    arrived: asyncio.Queue[T] = asyncio.Queue()

    async def collect() -> None:
        async with aclosing(messages):
            async for message in messages:
                arrived.put_nowait(message)

    collecting = asyncio.create_task(collect())
    try:
        while not (collecting.done() and arrived.empty()):
            waiting = asyncio.create_task(arrived.get())
            await asyncio.wait({waiting, collecting}, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
            batch = [waiting.result()] if waiting.done() else []
            waiting.cancel()
            while not arrived.empty():
                batch.append(arrived.get_nowait())
            yield batch
            await asyncio.sleep(pause)
        await collecting
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)


class Watches:
    """Which watch of a tab is the newest; an older one, or one whose tab is gone, should end.

    Attributes:
        is_connected: whether a tab, by its client token, has a socket to this process.
    """

    def __init__(self) -> None:
        self.is_connected: Callable[[str], bool] = lambda token: False
        self._newest: dict[str, int] = {}
        self._count = 0

    def begin(self, token: str) -> int:
        """Make a new watch the tab's only one."""
        self._count += 1
        self._newest[token] = self._count
        return self._count

    def is_current(self, token: str, watch: int) -> bool:
        """Whether this watch still has somebody to push to."""
        return self._newest.get(token) == watch and self.is_connected(token)

    def end(self, token: str, watch: int) -> None:
        """Forget a watch that has ended."""
        if self._newest.get(token) == watch:
            del self._newest[token]
