"""From a run's messages to few, small pushes: at most twenty batches a second and tab."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

T = TypeVar("T")

BATCH_SECONDS = 0.05


async def batches(messages: AsyncIterator[T], seconds: float = BATCH_SECONDS) -> AsyncIterator[list[T]]:
    """The messages in lists, each at least `seconds` after the one before; ends with the messages."""
    arrived: asyncio.Queue[T | None] = asyncio.Queue(maxsize=1_000)

    async def pump() -> None:
        try:
            async for message in messages:
                await arrived.put(message)
        finally:
            await arrived.put(None)

    task = asyncio.create_task(pump())
    try:
        ended = False
        while not ended and (first := await arrived.get()) is not None:
            batch = [first]
            while not arrived.empty():
                message = arrived.get_nowait()
                if message is None:
                    ended = True
                    break
                batch.append(message)
            yield batch
            await asyncio.sleep(seconds)
        await task
    finally:
        task.cancel()


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
