"""Who listens hears everything that is committed, or that something was missed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from aistudio.embedded.postgres import Postgres
from aistudio.graph.events import Delta, Event
from aistudio.store import deltas, events
from aistudio.store.database import Database
from aistudio.store.hub import QUEUE_SIZE, Hub, Subscription
from aistudio.store.notices import CHANNEL, Gap, Notice
from tests.store.making import complete, kill, new_run, started

NOTIFY = text("SELECT pg_notify(:channel, :payload)")
LISTENERS = text("""
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'
""")
KILL_LISTENERS = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'LISTEN%'
""")


async def hear(subscription: Subscription) -> Notice:
    async with asyncio.timeout(30):
        return await anext(subscription)


async def test_events_and_deltas_arrive_as_they_are_stored(database: Database, hub: Hub, run_id: str) -> None:
    async with hub.subscribe(run_id) as subscription:
        assert await hear(subscription) == Gap()
        written = await events.append(database, run_id, [started("a\0\\"), started("b\ud800")])
        assert [await hear(subscription) for _ in range(2)] == written
        await deltas.append(database, run_id, "a\0\\", 1, 0, "é\0\ud800")
        assert await hear(subscription) == Delta(
            execution_id=run_id, node_id="a\0\\", attempt=1, offset=0, text="é\0\ud800"
        )


async def test_a_large_event_says_up_to_where_to_read(database: Database, hub: Hub, run_id: str) -> None:
    async with hub.subscribe(run_id) as subscription:
        await hear(subscription)
        for size, sequence in ((8_000, 2), (7_000, 3)):
            await events.complete_node(
                database, run_id, str(size), attempt=1, output="x" * size, duration_ms=1
            )
            heard = await hear(subscription)
            if size == 8_000:
                assert heard == Gap(sequence=sequence)
            else:
                assert isinstance(heard, Event)
                assert [heard] == await events.read(database, run_id, after=2)


async def test_no_size_of_event_breaks_the_append(database: Database, run_id: str) -> None:
    for size in range(7_500, 7_800, 3):
        [event] = await events.complete_node(
            database, run_id, f"é{size}", attempt=1, output="x" * size, duration_ms=1
        )
        assert event.payload["output"] == "x" * size


async def test_everybody_hears_of_their_own_run(database: Database, hub: Hub) -> None:
    first, second = await new_run(database), await new_run(database)
    async with (
        hub.subscribe(first) as one,
        hub.subscribe(first.upper()) as two,
        hub.subscribe(second) as other,
    ):
        for subscription in (one, two, other):
            assert await hear(subscription) == Gap()
        written = await events.append(database, first, [started("a")])
        assert [await hear(one), await hear(two)] == written * 2
        written = await events.append(database, second, [started("a")])
        assert [await hear(other)] == written


async def test_a_second_subscriber_needs_no_gap(database: Database, hub: Hub, run_id: str) -> None:
    async with hub.subscribe(run_id) as first:
        await hear(first)
        async with hub.subscribe(run_id) as second:
            written = await events.append(database, run_id, [started("a")])
            assert [await hear(second)] == written


async def test_one_connection_serves_all_and_nothing_is_left_behind(
    database: Database, hub: Hub, run_id: str
) -> None:
    async def one() -> None:
        async with hub.subscribe(run_id) as subscription:
            await hear(subscription)

    async with hub.subscribe(run_id) as first:
        await hear(first)
        tasks = [asyncio.create_task(one()) for _ in range(50)]
        await asyncio.wait(tasks, timeout=0.1)
        async with database.connect() as connection:
            assert len((await connection.execute(LISTENERS)).all()) == 1
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert hub._subscriptions == {}


async def test_a_slow_subscriber_gets_a_gap_and_no_one_else(
    database: Database, hub: Hub, run_id: str
) -> None:
    async with hub.subscribe(run_id) as slow, hub.subscribe(run_id) as quick:
        await hear(slow)
        await hear(quick)
        heard = 0
        for start in range(0, QUEUE_SIZE + 200, 100):
            await events.append(
                database, run_id, [started(str(number)) for number in range(start, start + 100)]
            )
            for _ in range(100):
                assert isinstance(await hear(quick), Event)
                heard += 1
            assert len(slow._queue) <= QUEUE_SIZE
        assert heard == QUEUE_SIZE + 200
        assert await hear(slow) == Gap()
        after = await hear(slow)
        assert isinstance(after, Event)
        rest = await events.read(database, run_id, after=after.sequence)
        assert [await hear(slow) for _ in rest] == rest


async def test_a_notice_of_another_version_is_a_gap(database: Database, hub: Hub, run_id: str) -> None:
    async with hub.subscribe(run_id) as subscription:
        await hear(subscription)
        for body in ("nonsense", '{"sequence": 1}', "{", ""):
            async with database.connect() as connection:
                await connection.execute(NOTIFY, {"channel": CHANNEL, "payload": f"{run_id} {body}"})
            assert await hear(subscription) == Gap()
        written = await events.append(database, run_id, [started("a")])
        assert [await hear(subscription)] == written


async def test_a_lost_listener_comes_back(database: Database, hub: Hub, run_id: str) -> None:
    async with hub.subscribe(run_id) as subscription:
        await hear(subscription)
        async with database.connect() as connection:
            await connection.execute(KILL_LISTENERS)
        assert await hear(subscription) == Gap()
        written = await events.append(database, run_id, [started("a")])
        assert [await hear(subscription)] == written


async def test_a_quiet_connection_is_asked_and_misses_nothing(
    database: Database, hub: Hub, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistudio.store.hub.QUIET_SECONDS", 0.005)
    async with hub.subscribe(run_id) as subscription:
        await hear(subscription)
        for number in range(100):
            written = await events.append(database, run_id, [started(str(number))])
            assert [await hear(subscription)] == written


async def test_closing_ends_every_subscription(database: Database, run_id: str) -> None:
    hub = Hub(database.url)
    async with hub.subscribe(run_id) as subscription:
        await hear(subscription)
        await hub.close()
        async with asyncio.timeout(5):
            assert [notice async for notice in subscription] == []
    # The server notices on its own time that a client has gone.
    async with asyncio.timeout(10), database.connect() as connection:
        while (await connection.execute(LISTENERS)).all():
            pass


@pytest.fixture
async def own_hub(own_server: Postgres) -> AsyncIterator[Hub]:
    opened = Hub(own_server.url)
    yield opened
    await opened.close()


async def test_postgresql_may_die_and_come_back(
    own_server: Postgres, own_database: Database, own_hub: Hub
) -> None:
    run_id = await new_run(own_database)
    async with own_hub.subscribe(run_id) as subscription:
        await hear(subscription)
        await events.append(own_database, run_id, [started("a")])
        await hear(subscription)
        await asyncio.to_thread(kill, own_server)
        await asyncio.to_thread(own_server.start)
        # Whether the hub is back before this is written is open: a reader must end up with all of it.
        await complete(own_database, run_id, "a")
        assert await hear(subscription) == Gap()
        known = await events.read(own_database, run_id)
        await events.append(own_database, run_id, [started("b")])
        while known[-1].sequence < 4:
            notice = await hear(subscription)
            assert isinstance(notice, Event)
            if notice.sequence > known[-1].sequence:
                known.append(notice)
    assert known == await events.read(own_database, run_id)
    assert [event.sequence for event in known] == [1, 2, 3, 4]


async def test_subscribing_while_postgresql_is_away(own_server: Postgres, own_hub: Hub) -> None:
    await asyncio.to_thread(own_server.stop)
    async with own_hub.subscribe("0f8fad5b-d9cb-469f-a165-70867728950e") as subscription:
        waiting = asyncio.create_task(hear(subscription))
        await asyncio.wait([waiting], timeout=0.5)
        assert not waiting.done()
        await asyncio.to_thread(own_server.start)
        assert await waiting == Gap()
