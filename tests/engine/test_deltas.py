"""Streaming text goes out in batches, in order, and nobody waits for it."""

import asyncio

import pytest

from aistudio.engine import deltas
from aistudio.engine.deltas import DeltaWriter


class Sent:
    """Where text goes; broken as often as asked. Knows whether it has the piece that another follows."""

    def __init__(self, broken: int = 0) -> None:
        self.pieces: list[tuple[int, str]] = []
        self.kept: set[int] = set()
        self.follows: list[int | None] = []
        self.broken = broken
        self.arrived = asyncio.Event()

    async def __call__(self, offset: int, text: str, follows: int | None) -> bool:
        if self.broken:
            self.broken -= 1
            raise ConnectionError
        whole = follows is None or follows in self.kept
        self.kept.add(offset)
        self.follows.append(follows)
        self.pieces.append((offset, text))
        self.arrived.set()
        return whole


async def test_the_first_piece_goes_at_once_and_the_next_ones_together() -> None:
    sent = Sent()
    async with DeltaWriter(sent) as writer:
        await writer.write("a")
        await sent.arrived.wait()
        for letter in "bcdef":
            await writer.write(letter)
    assert sent.pieces == [(0, "a"), (1, "bcdef")]


async def test_batches_are_forty_to_fifty_milliseconds_apart() -> None:
    assert 0.040 <= deltas.PAUSE <= 0.050
    sent = Sent()
    async with DeltaWriter(sent) as writer:
        for _ in range(60):
            await writer.write("x")
            await asyncio.sleep(0.01)
    assert "".join(text for _, text in sent.pieces) == "x" * 60
    # 0.6 s or more, so at least a few batches, and far fewer than pieces.
    assert 3 <= len(sent.pieces) <= 30


async def test_offsets_count_code_points() -> None:
    sent = Sent()
    async with DeltaWriter(sent) as writer:
        await writer.write("😀é")
        await sent.arrived.wait()
        await writer.write("x")
    assert sent.pieces == [(0, "😀é"), (2, "x")]


async def test_empty_pieces_go_out_too_and_move_nothing() -> None:
    sent = Sent()
    async with DeltaWriter(sent) as writer:
        for piece in ("yes", "", "", "!"):
            await writer.write(piece)
            await sent.arrived.wait()
            sent.arrived.clear()
    assert sent.pieces == [(0, "yes"), (3, ""), (3, ""), (3, "!")]
    assert sent.follows == [None, 0, 0, 0]


async def test_after_an_error_everything_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deltas, "PAUSE_AFTER_ERROR", 0.01)
    sent = Sent()
    async with DeltaWriter(sent) as writer:
        await writer.write("one ")
        await sent.arrived.wait()
        sent.arrived.clear()
        sent.broken = 2
        await writer.write("two ")
        await sent.arrived.wait()
        await writer.write("three")
    assert sent.pieces == [(0, "one "), (0, "one two "), (8, "three")]


async def test_what_the_store_has_lost_is_sent_again() -> None:
    sent = Sent()
    async with DeltaWriter(sent) as writer:
        for piece in ("one ", "two ", "three "):
            await writer.write(piece)
            await sent.arrived.wait()
            sent.arrived.clear()
        sent.kept.remove(8)
        await writer.write("four ")
        for _ in "12":
            await sent.arrived.wait()
            sent.arrived.clear()
        await writer.write("five")
    assert sent.pieces == [
        (0, "one "),
        (4, "two "),
        (8, "three "),
        (14, "four "),
        (0, "one two three four "),
        (19, "five"),
    ]


async def test_text_that_cannot_be_sent_fails_nobody() -> None:
    sent = Sent(broken=1_000)
    async with asyncio.timeout(5):
        async with DeltaWriter(sent) as writer:
            await writer.write("lost")
    assert sent.pieces == []


async def test_a_slow_store_holds_no_writer_back() -> None:
    release = asyncio.Event()

    async def send(offset: int, text: str, follows: int | None) -> bool:
        await release.wait()
        return True

    async with asyncio.timeout(5):
        async with DeltaWriter(send) as writer:
            for _ in range(1_000):
                await writer.write("x")
            release.set()


async def test_a_cancel_leaves_no_task_behind() -> None:
    begun = asyncio.Event()

    async def send(offset: int, text: str, follows: int | None) -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    async def stream() -> None:
        async with DeltaWriter(send) as writer:
            await writer.write("x")
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    streaming = asyncio.create_task(stream())
    await begun.wait()
    streaming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(streaming, 5)
    assert asyncio.all_tasks() == before


async def test_nothing_written_is_nothing_sent() -> None:
    sent = Sent()
    async with DeltaWriter(sent):
        pass
    assert sent.pieces == []
