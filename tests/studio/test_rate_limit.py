"""How many runs a client may start, whatever storage counts them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from aistudio.store import executions
from aistudio.store.errors import DatabaseUnavailable
from aistudio.studio.actor import local
from aistudio.studio.errors import StudioError
from aistudio.studio.studio import Studio
from tests.studio.serving import LOCAL, broken, runnable, studio_on
from tests.support.redis_server import RedisServer

NOBODY = "00000000-0000-4000-8000-000000000000"
OTHER = local("192.0.2.7")

Open = Callable[..., Awaitable[Studio]]


class Clock:
    """The time of day, which moves only when told to."""

    def __init__(self, now: float) -> None:
        self.now = now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock(1_800_000_000.5)  # 2027-01-15, 08:00:00.5 UTC
    monkeypatch.setattr(time, "time", lambda: stopped.now)
    return stopped


@pytest.fixture
async def opened(database_url: str, temporal_address: str) -> AsyncIterator[Open]:
    """Open a studio with these settings on the test's database."""
    async with AsyncExitStack() as stack:

        async def open_one(**settings: Any) -> Studio:
            return await stack.enter_async_context(studio_on(database_url, temporal_address, **settings))

        yield open_one


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> dict[str, SecretStr]:
    """The setting that says who counts."""
    if request.param == "memory":
        return {}
    return {"redis_url": SecretStr(request.getfixturevalue("redis_url"))}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may stop."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


async def refusal(asked: Awaitable[Any]) -> StudioError:
    with pytest.raises(StudioError) as caught:
        await asked
    return caught.value


async def answer(asked: Awaitable[str]) -> str:
    """The run that was started, or the code of the refusal."""
    try:
        return await asked
    except StudioError as error:
        return error.code


async def runs(studio: Studio) -> set[str]:
    return {item["id"] for item in (await studio.executions.list(LOCAL, limit=200))["items"]}


async def test_only_an_accepted_start_counts(opened: Open, storage: dict[str, Any], clock: Clock) -> None:
    studio = await opened(rate_limit_execute_per_minute=2, **storage)
    start = studio.starts.execute
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    broken_id = (await studio.workflows.create(LOCAL, broken()))["id"]

    async def refuse_all() -> None:
        for asked, code in (
            (start(LOCAL, NOBODY), "not_found"),
            (start(LOCAL, workflow_id, input="x" * 300_000), "too_large"),
            (start(LOCAL, workflow_id, version=7), "not_found"),
            (start(LOCAL, workflow_id, version="published"), "not_published"),
            (start(LOCAL, broken_id), "invalid_graph"),
        ):
            assert (await refusal(asked)).code == code

    await refuse_all()
    first = await start(LOCAL, workflow_id, idempotency_key="first")
    for _ in range(3):
        assert await start(LOCAL, workflow_id, idempotency_key="first") == first
        mismatch = await refusal(start(LOCAL, workflow_id, input="another", idempotency_key="first"))
        assert mismatch.code == "idempotency_mismatch"
    await refuse_all()
    clock.now += 10.25
    second = await start(LOCAL, workflow_id)

    for _ in range(3):
        error = await refusal(start(LOCAL, workflow_id, idempotency_key="third"))
        assert (error.status, error.code) == (429, "rate_limited")
        assert error.details == {"limit": 2, "window": "minute", "retry_after_seconds": 50}
    assert await runs(studio) == {first, second}
    # What is wrong anyway says so, and what was accepted stays so.
    await refuse_all()
    assert await start(LOCAL, workflow_id, idempotency_key="first") == first
    assert await start(OTHER, workflow_id)

    clock.now += error.details["retry_after_seconds"]
    third = await start(LOCAL, workflow_id, idempotency_key="third")
    assert (await refusal(start(LOCAL, workflow_id))).details["retry_after_seconds"] == 11
    assert {first, second, third} < await runs(studio)


async def test_the_sentence_says_when_it_goes_on(opened: Open, storage: dict[str, Any], clock: Clock) -> None:
    studio = await opened(rate_limit_execute_per_minute=1, rate_limit_execute_per_day=2, **storage)
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    await studio.starts.execute(LOCAL, workflow_id)
    clock.now += 36.7
    error = await refusal(studio.starts.execute(LOCAL, workflow_id))
    assert error.message == (
        "You have started 1 run within a minute, which is the limit here. The next can start in 24 s."
    )
    clock.now += 60
    await studio.starts.execute(LOCAL, workflow_id)
    # Both are used up now; the day is what one has to wait for.
    for passed, rest in ((0, "23 h 59 min"), (3600, "22 h 59 min"), (22 * 3600 + 3480, "1 min")):
        clock.now += passed
        error = await refusal(studio.starts.execute(LOCAL, workflow_id))
        sentence = f"Daily limit of 2 runs reached. The next can start at 08:01 UTC (in {rest})."
        assert error.message == sentence
    assert error.details["window"] == "day"
    clock.now += error.details["retry_after_seconds"]
    assert await studio.starts.execute(LOCAL, workflow_id)


async def test_of_many_starts_at_once_no_more_are_accepted_than_may(
    opened: Open, storage: dict[str, Any], clock: Clock
) -> None:
    """With Redis the studios of several processes share one count."""
    limits = {"rate_limit_execute_per_minute": 7, "rate_limit_execute_per_day": 5, **storage}
    studios = [await opened(**limits) for _ in range(2 if storage else 1)]
    workflow_id = (await studios[0].workflows.create(LOCAL, runnable()))["id"]
    asked = [studio.starts.execute(LOCAL, workflow_id) for studio in studios for _ in range(12)]
    answers = await asyncio.gather(*(answer(start) for start in asked))
    accepted = {found for found in answers if found != "rate_limited"}
    assert len(accepted) == 5
    assert answers.count("rate_limited") == len(asked) - 5
    assert await runs(studios[0]) == accepted


async def test_what_the_day_refuses_is_not_taken_from_the_minute(
    opened: Open, storage: dict[str, Any], clock: Clock
) -> None:
    studio = await opened(rate_limit_execute_per_minute=5, rate_limit_execute_per_day=5, **storage)
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    await studio.starts.execute(LOCAL, workflow_id)
    clock.now += 24 * 3600 - 10
    answers = await asyncio.gather(*(answer(studio.starts.execute(LOCAL, workflow_id)) for _ in range(9)))
    assert answers.count("rate_limited") == 5
    clock.now += 11
    assert await studio.starts.execute(LOCAL, workflow_id)
    assert (await refusal(studio.starts.execute(LOCAL, workflow_id))).code == "rate_limited"


async def test_starts_at_once_with_one_key_count_once(opened: Open, storage: dict[str, Any]) -> None:
    studio = await opened(rate_limit_execute_per_minute=2, **storage)
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    start = studio.starts.execute
    same = await asyncio.gather(*(start(LOCAL, workflow_id, idempotency_key="k") for _ in range(8)))
    assert len(set(same)) == 1
    assert await start(LOCAL, workflow_id) not in same
    assert (await refusal(start(LOCAL, workflow_id))).code == "rate_limited"


async def test_a_start_that_could_not_be_written_is_not_counted(
    opened: Open, storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = await opened(rate_limit_execute_per_minute=1, **storage)
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]

    async def fail(*_: Any) -> None:
        raise DatabaseUnavailable("gone in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(executions.events, "append", fail)
        for _ in range(3):
            assert (await refusal(studio.starts.execute(LOCAL, workflow_id))).code == "unavailable"
    assert await studio.starts.execute(LOCAL, workflow_id)


async def test_without_a_limit_nobody_counts(opened: Open) -> None:
    """Not even a Redis that is away is in the way, though health tells of it."""
    studio = await opened(redis_url=SecretStr("redis://127.0.0.1:1"))
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    assert len({await studio.starts.execute(LOCAL, workflow_id) for _ in range(12)}) == 12
    assert "Redis" in (await studio.health())["checks"]["redis"]


async def test_redis_stops_and_returns(opened: Open, redis: RedisServer) -> None:
    studio = await opened(rate_limit_execute_per_minute=1, redis_url=SecretStr(redis.url))
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    first = await studio.starts.execute(LOCAL, workflow_id, idempotency_key="first")
    assert (await studio.health())["checks"]["redis"] == "ok"

    redis.stop()
    error = await refusal(studio.starts.execute(OTHER, workflow_id))
    assert (error.status, error.code, error.details) == (503, "unavailable", {"server": "redis"})
    assert "Redis" in error.message
    health = await studio.health()
    assert health["status"] == "unavailable"
    assert "Redis" in health["checks"].pop("redis")
    assert set(health["checks"].values()) == {"ok"}
    # What needs no counting works.
    assert await studio.starts.execute(LOCAL, workflow_id, idempotency_key="first") == first
    assert await runs(studio) == {first}

    await asyncio.to_thread(redis.start)
    assert await studio.starts.execute(OTHER, workflow_id)
    assert (await studio.health())["status"] == "ok"


async def test_redis_that_hangs_keeps_nobody_waiting(opened: Open, redis: RedisServer) -> None:
    studio = await opened(rate_limit_execute_per_minute=1, redis_url=SecretStr(redis.url))
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    await studio.starts.execute(OTHER, workflow_id)
    redis.hang()
    began = time.monotonic()
    answers = await asyncio.gather(
        studio.health(), *(answer(studio.starts.execute(LOCAL, workflow_id)) for _ in range(5))
    )
    took = time.monotonic() - began
    redis.wake()
    assert "Redis" in answers[0]["checks"]["redis"]
    assert answers[1:] == ["unavailable"] * 5
    assert took < 6
    assert await studio.starts.execute(LOCAL, workflow_id)
    assert (await refusal(studio.starts.execute(LOCAL, workflow_id))).code == "rate_limited"
