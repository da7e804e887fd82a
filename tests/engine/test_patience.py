"""Waiting for PostgreSQL, and steps that a cancel may not cut short."""

import asyncio

import pytest
from temporalio.exceptions import ApplicationError

from aistudio.engine import patience
from aistudio.engine.patience import patiently, to_the_end
from aistudio.store.errors import DatabaseUnavailable


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(patience, "LAST_WORDS", 0.2)


async def test_a_call_is_repeated_until_postgresql_is_back() -> None:
    answers = iter([DatabaseUnavailable("gone"), DatabaseUnavailable("gone"), "here"])

    async def call() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await patiently(call) == "here"


async def test_patience_ends_without_telling_temporal_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.0)

    async def call() -> str:
        raise DatabaseUnavailable("INSERT … confidential")

    with pytest.raises(ApplicationError) as given_up:
        await patiently(call)
    assert given_up.value.type == "database_unavailable"
    assert not given_up.value.non_retryable
    assert given_up.value.__cause__ is None
    assert "confidential" not in str(given_up.value)


async def test_other_errors_are_not_repeated() -> None:
    calls = 0

    async def call() -> str:
        nonlocal calls
        calls += 1
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await patiently(call)
    assert calls == 1


async def test_a_step_ends_before_the_cancel_does() -> None:
    begun, done = asyncio.Event(), asyncio.Event()

    async def store() -> None:
        begun.set()
        await asyncio.sleep(0.02)
        done.set()

    step = asyncio.create_task(to_the_end(store()))
    await begun.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert done.is_set()


async def test_a_step_that_does_not_end_is_given_up() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def store() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    step = asyncio.create_task(to_the_end(store()))
    await begun.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(step, 5)
    assert stopped.is_set()


async def test_what_a_step_gives_and_raises_comes_through() -> None:
    async def give() -> int:
        return 7

    async def fail() -> int:
        raise KeyError("x")

    assert await to_the_end(give()) == 7
    with pytest.raises(KeyError):
        await to_the_end(fail())
