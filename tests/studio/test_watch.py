"""Watching a run: whoever joins, and whenever, is told everything once and in order."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import psycopg
import pytest

from aistudio.graph.events import Delta, Event, EventType
from aistudio.nodes import registry
from aistudio.store import deltas, events, executions, workflows
from aistudio.store.database import Database
from aistudio.store.events import NewEvent
from aistudio.store.hub import Hub
from aistudio.studio import watch as module
from aistudio.studio.errors import StudioError
from aistudio.studio.runs import Run
from aistudio.studio.watch import Snapshot, Told, watch
from tests.studio.serving import runnable

OWNER = "somebody"
STARTED, COMPLETED = EventType.NODE_STARTED, EventType.NODE_COMPLETED


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    opened = Hub(database.url)
    async with opened.subscribe("nothing") as subscription:
        # Once it listens, it tells everybody that they may have missed something.
        await asyncio.wait_for(anext(subscription), 10)
    yield opened
    await opened.close()


class Writer:
    """Stands in for the engine: writes a run's events and text as it does."""

    def __init__(self, database: Database, hub: Hub, execution_id: str) -> None:
        self.database = database
        self.hub = hub
        self.execution_id = execution_id

    def watch(self, after: int | None = None, owner: str = OWNER) -> AsyncGenerator[Told, None]:
        return watch(self.database, self.hub, registry.specs(), owner, self.execution_id, after)

    async def say(
        self, type: EventType, node_id: str | None = None, attempt: int = 1, **payload: Any
    ) -> None:
        new = NewEvent(type=type, node_id=node_id, attempt=attempt if node_id else 0, payload=payload)
        assert await events.append(self.database, self.execution_id, [new])

    async def stream(self, offset: int, text: str, attempt: int = 1) -> None:
        await deltas.append(self.database, self.execution_id, "answer", attempt, offset, text)

    async def complete(self, node_id: str, output: Any) -> None:
        await events.complete_node(
            self.database, self.execution_id, node_id, attempt=1, output=output, duration_ms=1
        )

    async def end(self) -> None:
        await self.say(EventType.EXECUTION_COMPLETED)


@pytest.fixture
async def writer(database: Database, hub: Hub) -> Writer:
    workflow = await workflows.create(database, OWNER, name="", graph=runnable())
    execution_id, _ = await executions.create(
        database, OWNER, workflow_id=workflow.id, version=None, graph=runnable()
    )
    return Writer(database, hub, execution_id)


class Reader:
    """Rebuilds a run from what a watch tells, as a client would, and minds every rule on the way."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.texts: dict[str, tuple[int, str]] = {}
        self.told: list[Told] = []

    def take(self, told: Told) -> None:
        self.told.append(told)
        match told:
            case Snapshot():
                assert len(self.told) == 1
                for event in told.execution.get("events", []):
                    self._sequence(event["sequence"])
                for name, node in told.execution["nodes"].items():
                    assert node["offset"] == len(node["text"])
                    self.texts[name] = (node["attempt"], node["text"])
            case Event():
                self._sequence(told.sequence)
            case Delta():
                attempt, text = self.texts.get(told.node_id, (0, ""))
                if told.attempt > attempt:
                    text = ""
                assert told.attempt >= attempt
                assert told.offset == len(text)
                self.texts[told.node_id] = (told.attempt, text + told.text)

    def _sequence(self, sequence: int) -> None:
        assert not self.sequences or sequence == self.sequences[-1] + 1
        self.sequences.append(sequence)

    async def read(self, watching: AsyncGenerator[Told, None]) -> "Reader":
        async with aclosing(watching) as stream:
            async for told in stream:
                self.take(told)
        return self


async def take(watching: AsyncGenerator[Told, None], count: int) -> Sequence[Told]:
    return [await asyncio.wait_for(anext(watching), 10) for _ in range(count)]


async def test_a_snapshot_and_then_what_follows(writer: Writer) -> None:
    await writer.say(STARTED, "start")
    watching = writer.watch()
    [snapshot] = await take(watching, 1)
    assert isinstance(snapshot, Snapshot)
    assert [event["sequence"] for event in snapshot.execution["events"]] == [1, 2]
    assert snapshot.execution["last_sequence"] == 2
    assert snapshot.execution["nodes"]["start"]["status"] == "running"
    await writer.complete("start", {"input": ""})
    await writer.say(STARTED, "answer")
    await writer.stream(0, "Hé")
    await writer.stream(2, "llo")
    await writer.complete("answer", {"response": "Hello"})
    await writer.end()
    rest = [told async for told in watching]
    assert [told.sequence for told in rest if isinstance(told, Event)] == [3, 4, 5, 6]
    assert [told.text for told in rest if isinstance(told, Delta)] == ["Hé", "llo"]
    assert rest[-1].type is EventType.EXECUTION_COMPLETED  # type: ignore[union-attr]


async def test_an_empty_piece_is_passed_on_where_it_fits(writer: Writer) -> None:
    await writer.say(STARTED, "answer")
    watching = writer.watch()
    await take(watching, 1)
    for offset, text in ((0, "yes"), (3, ""), (0, ""), (3, ""), (3, "!"), (3, "")):
        await writer.stream(offset, text)
    await writer.end()
    rest = [told async for told in watching]
    pieces = [(told.offset, told.text) for told in rest if isinstance(told, Delta)]
    assert pieces == [(0, "yes"), (3, ""), (3, ""), (3, "!")]


async def test_resuming_after_an_event(writer: Writer) -> None:
    await writer.say(STARTED, "start")
    await writer.complete("start", {"input": ""})
    for after, expected in ((0, [1, 2, 3]), (1, [2, 3]), (3, []), (99, [])):
        watching = writer.watch(after)
        [snapshot, *missed] = await take(watching, 1 + len(expected))
        assert isinstance(snapshot, Snapshot)
        assert "events" not in snapshot.execution
        assert [told.sequence for told in missed if isinstance(told, Event)] == expected
        await watching.aclose()
    watching = writer.watch(99)
    await take(watching, 1)
    await writer.end()
    assert [told.sequence async for told in watching if isinstance(told, Event)] == [4]


async def test_a_finished_run_needs_no_waiting(writer: Writer) -> None:
    await writer.say(STARTED, "start")
    await writer.end()
    whole = await Reader().read(writer.watch())
    assert (len(whole.told), whole.sequences) == (1, [1, 2, 3])
    assert (await Reader().read(writer.watch(1))).sequences == [2, 3]
    assert len((await Reader().read(writer.watch(3))).told) == 1


async def test_a_run_of_somebody_else_is_not_there(writer: Writer) -> None:
    with pytest.raises(StudioError) as caught:
        await Reader().read(writer.watch(owner="somebody else"))
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    assert not writer.hub._subscriptions


@pytest.mark.parametrize("before", [True, False])
async def test_what_happens_around_the_snapshot_is_told_once(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """The end may fall just before the snapshot is read, or just after."""
    await writer.say(STARTED, "answer")
    reading = module.read_run

    async def slowly(*arguments: Any) -> Run | None:
        if not before:
            run = await reading(*arguments)
        await writer.stream(0, "Hello")
        await writer.complete("answer", {"response": "Hello"})
        await writer.end()
        return await reading(*arguments) if before else run

    monkeypatch.setattr(module, "read_run", slowly)
    reader = await asyncio.wait_for(Reader().read(writer.watch()), 10)
    assert reader.sequences == [1, 2, 3, 4]


async def test_text_so_far_is_in_the_snapshot(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    await writer.say(STARTED, "answer")
    await writer.stream(0, "Hé")
    reading = module.read_run

    async def meanwhile(*arguments: Any) -> Run | None:
        await writer.stream(2, "ll")
        return await reading(*arguments)

    monkeypatch.setattr(module, "read_run", meanwhile)
    watching = writer.watch()
    reader = Reader()
    reader.take(*await take(watching, 1))
    assert reader.texts["answer"] == (1, "Héll")
    # An overlapping piece, as after a write whose answer was lost.
    await writer.stream(0, "Hello")
    reader.take(*await take(watching, 1))
    assert reader.texts["answer"] == (1, "Héllo")
    await watching.aclose()


async def test_another_attempt_begins_anew(writer: Writer) -> None:
    await writer.say(STARTED, "answer")
    await writer.stream(0, "first")
    watching = writer.watch()
    reader = Reader()
    reader.take(*await take(watching, 1))
    error = {"code": "model_unavailable", "message": "gone"}
    await writer.say(EventType.NODE_RETRYING, "answer", error=error)
    await writer.say(STARTED, "answer", attempt=2)
    await writer.stream(0, "second", attempt=2)
    for told in await take(watching, 3):
        reader.take(told)
    assert reader.texts["answer"] == (2, "second")
    joined = Reader()
    joined.take(*await take(later := writer.watch(), 1))
    assert joined.texts["answer"] == (2, "second")
    await watching.aclose()
    await later.aclose()


async def test_a_large_event_arrives_whole(writer: Writer) -> None:
    watching = writer.watch()
    await take(watching, 1)
    await writer.say(STARTED, "answer")
    await writer.complete("answer", {"response": "x" * 20_000})
    await writer.end()
    events_told = [told async for told in watching if isinstance(told, Event)]
    assert [told.sequence for told in events_told] == [2, 3, 4]
    assert events_told[1].payload["output"] == {"response": "x" * 20_000}


async def test_a_reader_that_falls_behind_misses_nothing(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistudio.store.hub.QUEUE_SIZE", 20)
    await writer.say(STARTED, "answer")
    watching = writer.watch()
    reader = Reader()
    reader.take(*await take(watching, 1))
    for offset in range(50):
        await writer.stream(offset, "x")
    await writer.say(EventType.EXECUTION_CANCELLING)
    while reader.sequences[-1] < 3 or reader.texts["answer"] != (1, "x" * 50):
        reader.take(*await take(watching, 1))
    assert len(reader.told) < 50
    await watching.aclose()


async def test_a_lost_listener_costs_nothing(writer: Writer) -> None:
    await writer.say(STARTED, "answer")
    watching = writer.watch()
    reader = Reader()
    reader.take(*await take(watching, 1))
    await writer.stream(0, "a")
    reader.take(*await take(watching, 1))
    async with await psycopg.AsyncConnection.connect(writer.database.url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
    await writer.stream(1, "b")
    await writer.say(EventType.EXECUTION_CANCELLING)
    while reader.sequences[-1] < 3 or reader.texts["answer"][1] != "ab":
        reader.take(*await take(watching, 1))
    await watching.aclose()


async def test_leaving_frees_the_subscription(writer: Writer) -> None:
    watching = writer.watch()
    await take(watching, 1)
    assert writer.hub._subscriptions
    waiting = asyncio.create_task(anext(watching))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not writer.hub._subscriptions


async def test_closing_the_hub_ends_a_watch(writer: Writer) -> None:
    watching = writer.watch()
    await take(watching, 1)
    await writer.hub.close()
    assert [told async for told in watching] == []


async def test_readers_who_join_at_any_time_agree(writer: Writer) -> None:
    """A run is written while readers come, with and without a place to resume at."""
    chance = random.Random(7)
    text = "".join(chr(chance.randrange(0x20, 0x3000)) for _ in range(400))

    async def write() -> None:
        await writer.say(STARTED, "start")
        await writer.complete("start", {"input": "x" * 9_000})
        for attempt in (1, 2):
            await writer.say(STARTED, "answer", attempt)
            offset = 0
            while offset < len(text):
                size = chance.randrange(1, 12)
                await writer.stream(offset, text[offset : offset + size], attempt)
                offset += size
            if attempt == 1:
                await writer.say(EventType.NODE_RETRYING, "answer", error={"code": "timeout", "message": ""})
        await writer.say(EventType.EXECUTION_CANCELLING)
        await writer.say(EventType.NODE_CANCELLED, "answer", 2)
        await writer.say(EventType.EXECUTION_CANCELLED)

    async def join(number: int) -> Reader:
        await asyncio.sleep(number * 0.01)
        after = chance.choice([None, None, 0, 1, 2])
        return await Reader().read(writer.watch(after))

    async with asyncio.timeout(30):
        _, *readers = await asyncio.gather(write(), *(join(number) for number in range(30)))
    for reader in readers:
        assert reader.sequences[-1] == 9
        assert reader.sequences[0] <= 3
        assert reader.texts["answer"] == (2, text)


async def test_readers_who_join_at_every_sequence_get_everything_and_an_end(
    writer: Writer, database: Database
) -> None:
    """Also while an event is written but not yet committed, the last one included, and right after it."""
    life = [
        NewEvent(type=STARTED, node_id="start", attempt=1),
        NewEvent(type=COMPLETED, node_id="start", attempt=1, payload={"output": {"input": ""}}),
        NewEvent(type=STARTED, node_id="answer", attempt=1),
        NewEvent(type=EventType.NODE_RETRYING, node_id="answer", attempt=1, payload={"attempt": 1}),
        NewEvent(type=STARTED, node_id="answer", attempt=2),
        NewEvent(type=COMPLETED, node_id="answer", attempt=2, payload={"output": {"response": "x" * 9_000}}),
        NewEvent(type=EventType.EXECUTION_COMPLETED),
    ]
    last = len(life) + 1
    readers: list[tuple[int, asyncio.Task[Reader]]] = []

    async def join(known: int) -> None:
        """A new reader, and one that comes back from every sequence there has been."""
        for after in (None, *range(known + 1)):
            reader = Reader()
            readers.append((after or 0, asyncio.create_task(reader.read(writer.watch(after)))))
            while not reader.told:  # noqa: ASYNC110 - until it has its snapshot
                await asyncio.sleep(0)

    for sequence, event in enumerate(life, start=2):
        await join(sequence - 1)
        async with database.begin() as connection:
            assert await events.append(connection, writer.execution_id, [event])
            await join(sequence - 1)
    await join(last)
    for after, task in readers:
        reader = await asyncio.wait_for(task, 10)
        assert reader.sequences == list(range(after + 1, last + 1))
