"""Batches of live messages, and who still listens to them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from aistudio.ui.live import Watches, batches


async def counting(count: int, ended: list[bool]) -> AsyncGenerator[int, None]:
    try:
        for number in range(count):
            yield number
            await asyncio.sleep(0)
    finally:
        ended.append(True)


async def silence(ended: list[bool]) -> AsyncGenerator[int, None]:
    try:
        await asyncio.Event().wait()
        yield 0
    finally:
        ended.append(True)


async def test_every_message_comes_once_in_order_and_in_few_batches() -> None:
    ended: list[bool] = []
    seen = [batch async for batch in batches(counting(5_000, ended), pause=0.01)]
    assert [number for batch in seen for number in batch] == list(range(5_000))
    assert len(seen) < 500
    assert ended == [True]


async def test_a_reader_who_leaves_early_leaves_nothing_behind() -> None:
    ended: list[bool] = []
    before = asyncio.all_tasks()
    async with aclosing(batches(counting(5_000, ended), pause=0)) as feed:
        assert await anext(feed)
    assert ended == [True]
    assert asyncio.all_tasks() == before


async def test_silence_wakes_the_reader_with_an_empty_batch() -> None:
    ended: list[bool] = []
    async with aclosing(batches(silence(ended), pause=0, idle=0.01)) as feed:
        assert await anext(feed) == []
        assert await anext(feed) == []
    assert ended == [True]


async def test_what_the_messages_raise_comes_through() -> None:
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise LookupError

    feed = batches(failing(), pause=0)
    assert await anext(feed) == [1]
    with pytest.raises(LookupError):
        await anext(feed)


def test_only_the_newest_watch_of_a_connected_tab_is_current() -> None:
    watches, connected = Watches(), {"tab"}
    watches.is_connected = connected.__contains__
    first = watches.begin("tab")
    second = watches.begin("tab")
    assert not watches.is_current("tab", first)
    assert watches.is_current("tab", second)
    watches.end("tab", first)
    assert watches.is_current("tab", second)
    connected.clear()
    assert not watches.is_current("tab", second)
