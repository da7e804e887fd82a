"""Waiting for PostgreSQL to come back, so that nothing that was paid for is lost."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from temporalio.exceptions import ApplicationError

from aistudio.store.errors import DatabaseUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds.
PATIENCE = 600.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 3.0
LAST_WORDS = 1.0


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call to the store, again and again while PostgreSQL is away.

    Raises:
        ApplicationError: it stayed away for `PATIENCE` seconds; Temporal tries the activity again.
    """
    give_up_at = time.monotonic() + PATIENCE
    pause = FIRST_PAUSE
    while True:
        try:
            return await call()
        except DatabaseUnavailable as error:
            if time.monotonic() > give_up_at:
                # The cause holds the statement's parameters, which have no place in Temporal's history.
                raise ApplicationError("PostgreSQL stays away.", type="database_unavailable") from None
            logger.warning("PostgreSQL is away (%s); trying again in %.1f s", error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def to_the_end(step: Coroutine[Any, Any, T]) -> T:
    """Take a step that a cancel may not cut short; the cancel waits for it up to `LAST_WORDS` seconds."""
    task = asyncio.create_task(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await last_words(task)
        raise


async def last_words(step: asyncio.Future[Any]) -> None:
    """Let a step go on for up to `LAST_WORDS` seconds, then cut it off; what it raises is not heard."""
    await asyncio.wait({step}, timeout=LAST_WORDS)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
