"""How many runs one client may start within a minute and within a day, counted in moving windows."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from aistudio.settings import Settings
from aistudio.studio.errors import StudioError, unavailable

logger = logging.getLogger(__name__)

REDIS_SECONDS = 2.0
"""How long Redis may take for one question, with everything that has to be done for it."""


class RateLimit:
    """The limits of the settings, which may be none, over this process's memory or a Redis.

    Attributes:
        shared: whether the count is in a Redis, together with other processes.
    """

    def __init__(self, settings: Settings) -> None:
        per_minute, per_day = settings.rate_limit_execute_per_minute, settings.rate_limit_execute_per_day
        self._limits: list[RateLimitItem] = []
        if per_minute is not None:
            self._limits.append(RateLimitItemPerMinute(per_minute))
        if per_day is not None:
            self._limits.append(RateLimitItemPerDay(per_day))
        self._redis = None if settings.redis_url is None else _client(settings.redis_url.get_secret_value())
        self.shared = self._redis is not None
        self._windows = MovingWindowRateLimiter(MemoryStorage() if self._redis is None else _on(self._redis))
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def admission(self, client: str) -> AsyncIterator[None]:
        """Let a client start a run in this block; what raises in it is not counted.

        Raises StudioError 429 `rate_limited` at the beginning or, when others were faster, at the end; 503
        `unavailable` when Redis is away.
        """
        async with self._answering():
            await self._require_room(client)
        yield
        # One at a time, so that a run that one limit refuses does not use up the other. Of two processes that
        # race for a day's last run the slower may lose one of that minute's: never is a number exceeded.
        async with self._answering(), self._turn:
            await self._require_room(client)
            for limit in self._limits:
                if not await self._windows.hit(limit, client):
                    raise _refusal(limit, (await self._windows.get_window_stats(limit, client)).reset_time)

    async def ping(self) -> None:
        """Raise StudioError 503 `unavailable` when the Redis does not answer."""
        if self._redis is not None:
            async with self._answering():
                await self._redis.ping()  # type: ignore[misc]

    async def close(self) -> None:
        """Close every connection."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _require_room(self, client: str) -> None:
        full = []
        for limit in self._limits:
            window = await self._windows.get_window_stats(limit, client)
            if window.remaining < 1:
                full.append((window.reset_time, limit))
        if full:
            resets_at, limit = max(full)
            raise _refusal(limit, resets_at)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        if self._redis is None:
            yield
            return
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                yield
        except (RedisError, OSError) as error:
            logger.warning("Redis is unavailable: %s", str(error) or type(error).__name__)
            raise unavailable("redis", "Redis, which counts the runs, does not answer.") from error


def _client(url: str) -> Redis:
    # Nothing is asked twice: what got no answer may have been counted.
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0))


def _on(redis: Redis) -> RedisStorage:
    pool: Any = redis.connection_pool
    return RedisStorage("redis://", implementation="redispy", key_prefix="aistudio", connection_pool=pool)


def _refusal(limit: RateLimitItem, resets_at: float) -> StudioError:
    window = limit.GRANULARITY.name
    # A window counts its last moment, too: whoever waits that long is past it.
    seconds = max(1, math.floor(resets_at - time.time()) + 1)
    runs = "1 run" if limit.amount == 1 else f"{limit.amount} runs"
    if window == "minute":
        message = (
            f"You have started {runs} within a minute, which is the limit here. "
            f"The next can start in {seconds} s."
        )
    else:
        hours, minutes = divmod(math.ceil(seconds / 60), 60)
        parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
        moment = datetime.fromtimestamp(math.ceil(resets_at / 60) * 60, UTC)
        message = (
            f"Daily limit of {runs} reached. The next can start at {moment:%H:%M} UTC (in {' '.join(parts)})."
        )
    return StudioError(
        429,
        "rate_limited",
        message,
        {"limit": limit.amount, "window": window, "retry_after_seconds": seconds},
    )
