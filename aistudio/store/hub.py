"""One LISTEN connection per process, and everybody in the process who wants to hear."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from aistudio.store.database import parameters, reason
from aistudio.store.encoding import parse_id
from aistudio.store.notices import CHANNEL, Gap, Notice, address, parse

logger = logging.getLogger(__name__)

# Notices that wait for one subscriber; some 8 MB at the worst.
QUEUE_SIZE = 1_000
# A connection that nothing came over for so long is asked whether it still lives.
QUIET_SECONDS = 15.0
ANSWER_SECONDS = 5.0
EVERYTHING = Gap()

FIRST_BACK_OFF_SECONDS = 0.1
LONGEST_BACK_OFF_SECONDS = 3.0


class Subscription:
    """What happens in one run, from the moment of subscribing: iterate over it.

    A `Gap` says that something was not delivered; what follows it is complete again. The iteration ends when
    the hub is closed.
    """

    def __init__(self) -> None:
        self._queue: deque[Notice] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Notice:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()

    def _deliver(self, notice: Notice) -> None:
        if len(self._queue) >= QUEUE_SIZE or notice is EVERYTHING:
            # Who has to read anew needs nothing of what waited.
            self._queue.clear()
            notice = EVERYTHING
        self._queue.append(notice)
        self._ready.set()

    def _close(self) -> None:
        self._closed = True
        self._ready.set()


class Hub:
    """Hands what PostgreSQL notifies on a channel to subscribers, by execution.

    Listens from `start` on, which the first subscriber calls when nobody has. A lost connection is made again
    with growing pauses, and then everybody gets a `Gap`, for nobody knows what was missed.
    """

    def __init__(self, url: str, channel: str = CHANNEL) -> None:
        self._channel = channel
        self._conninfo = make_conninfo("", **parameters(url))
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in the running event loop; once is enough."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="store-hub")

    async def close(self) -> None:
        """Stop listening and end every subscription."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        for subscription in self._everybody():
            subscription._close()

    @asynccontextmanager
    async def subscribe(self, execution_id: str) -> AsyncIterator[Subscription]:
        """Hear of one run: whatever is committed after this is entered is delivered or told as a `Gap`."""
        self.start()
        key = parse_id(execution_id) or execution_id
        subscription = Subscription()
        self._subscriptions.setdefault(key, set()).add(subscription)
        try:
            yield subscription
        finally:
            subscribers = self._subscriptions[key]
            subscribers.discard(subscription)
            if not subscribers:
                del self._subscriptions[key]

    async def _listen(self) -> None:
        pause = FIRST_BACK_OFF_SECONDS
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._conninfo, autocommit=True
                ) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    pause = FIRST_BACK_OFF_SECONDS
                    for subscription in self._everybody():
                        subscription._deliver(EVERYTHING)
                    await self._receive(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                logger.warning("Lost the connection that listens for events: %s", reason(error))
            except Exception:
                logger.exception("Listening for events failed; beginning anew")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_BACK_OFF_SECONDS)

    async def _receive(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            async for notify in connection.notifies(timeout=QUIET_SECONDS):
                subscribers = self._subscriptions.get(address(notify.payload))
                if subscribers:
                    notice = _understand(notify.payload)
                    for subscription in subscribers:
                        subscription._deliver(notice)
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.execute("SELECT")

    def _everybody(self) -> list[Subscription]:
        return [one for subscribers in self._subscriptions.values() for one in subscribers]


def _understand(payload: str) -> Notice:
    try:
        return parse(payload)
    except ValueError:
        # Another version of this product may share the database.
        return EVERYTHING
