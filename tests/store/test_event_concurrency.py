"""Sequences stay gapless whoever writes at the same time and whoever dies meanwhile."""

import asyncio
import random
from collections import Counter

from sqlalchemy import text

from aistudio.graph.events import SETTLING_EVENTS, EventType
from aistudio.store import events, executions, results
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from tests.store.making import OWNER, complete, new_run, of_node, row, started

KILL_ONE = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY random() LIMIT 1
""")


def exact(written: list[int]) -> bool:
    return written == list(range(1, len(written) + 1))


async def test_twenty_writers_of_their_own_facts(database: Database, run_id: str) -> None:
    other = Database(database.url)

    async def write(number: int) -> None:
        for place in range(10):
            await events.append((database, other)[number % 2], run_id, [started(f"{number}.{place}")])

    await asyncio.gather(*(write(number) for number in range(20)))
    read = await events.read(database, run_id)
    assert exact([event.sequence for event in read])
    assert len(read) == 201
    assert (await row(database, run_id)).last_sequence == 201
    assert sorted(event.timestamp for event in read) == [event.timestamp for event in read]
    await other.close()


async def test_twenty_writers_of_the_same_facts(database: Database, run_id: str) -> None:
    """From a process each, so that they meet in PostgreSQL and not before."""
    writers = [Database(database.url) for _ in range(20)]
    facts = [started(str(number)) for number in range(12)]

    async def write(writer: Database) -> int:
        mine = random.sample(facts, len(facts))
        return sum([len(await events.append(writer, run_id, mine[place : place + 3])) for place in range(10)])

    counts = await asyncio.gather(*(write(writer) for writer in writers))
    read = await events.read(database, run_id)
    assert exact([event.sequence for event in read])
    assert len(read) == 1 + len(facts) == 1 + sum(counts)
    await asyncio.gather(*(writer.close() for writer in writers))


async def test_two_attempts_settle_a_node_once(database: Database) -> None:
    """A worker that was given up may still be at work when the next one is."""
    writers = [Database(database.url) for _ in range(6)]
    for _ in range(10):
        run_id = await new_run(database)

        async def settle(attempt: int, writer: Database, run_id: str = run_id) -> int:
            await events.append(writer, run_id, [started("a", attempt)])
            written = await events.complete_node(
                writer, run_id, "a", attempt=attempt, output=attempt, duration_ms=1
            )
            return len(written)

        tried = [settle(attempt, writer) for attempt, writer in enumerate(writers, start=1)]
        assert sum(await asyncio.gather(*tried)) == 1
        read = await events.read(database, run_id)
        assert exact([event.sequence for event in read])
        assert read[-1].type == "node_completed"
        result = await results.get(database, run_id, "a")
        assert result is not None
        assert (result.attempt, result.output) == (read[-1].attempt, read[-1].payload["output"])
    await asyncio.gather(*(writer.close() for writer in writers))


async def test_the_terminal_event_is_the_last_one(database: Database) -> None:
    writers = [Database(database.url) for _ in range(8)]
    for _ in range(10):
        run_id = await new_run(database)
        ends = [EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED]

        async def write(number: int, run_id: str = run_id) -> None:
            await events.append(writers[number], run_id, [started(str(number))])
            await complete(writers[number], run_id, str(number))

        await asyncio.gather(
            *(write(number) for number in range(5)),
            *(events.finish(writers[5 + place], run_id, end) for place, end in enumerate(ends)),
            executions.request_cancel(writers[7], OWNER, run_id),
        )
        read = await events.read(database, run_id)
        assert exact([event.sequence for event in read])
        types = [event.type for event in read]
        terminal = [kind for kind in types if kind.startswith("execution_") and kind.endswith("ed")]
        assert len(terminal) == 2
        assert terminal[-1] == types[-1]
        if "execution_cancelling" in types:
            assert types[-1] == "execution_cancelled"
        begun = Counter(event.node_id for event in read if event.type == "node_started")
        settled = Counter(event.node_id for event in read if event.type in SETTLING_EVENTS)
        assert begun == settled
    await asyncio.gather(*(writer.close() for writer in writers))


async def test_connections_that_die_lose_and_repeat_nothing(database: Database, run_id: str) -> None:
    writers = [Database(database.url) for _ in range(4)]
    lost = 0

    async def surely(number: int, place: int) -> None:
        nonlocal lost
        while True:
            try:
                await events.append(
                    writers[number % 4],
                    run_id,
                    [started("shared", place), started(f"{number}", place)],
                )
            except DatabaseUnavailable:
                lost += 1
            else:
                return

    async def write(number: int) -> None:
        for place in range(1, 11):
            await surely(number, place)

    async def kill() -> None:
        while True:
            async with database.connect() as connection:
                await connection.execute(KILL_ONE)
            await asyncio.sleep(0.05)

    killer = asyncio.create_task(kill())
    await asyncio.gather(*(write(number) for number in range(20)))
    killer.cancel()
    await asyncio.wait([killer])
    read = await events.read(database, run_id)
    assert exact([event.sequence for event in read])
    assert len(read) == 1 + 20 * 10 + 10
    assert len({(event.node_id, event.attempt) for event in read}) == len(read)
    assert lost > 0
    await asyncio.gather(*(writer.close() for writer in writers))


async def test_a_cancelled_writer_leaves_no_lock_behind(database: Database, run_id: str) -> None:
    async with database.begin() as holder:
        await holder.execute(events.LOCK, {"execution_id": run_id})
        waiting = [asyncio.create_task(events.append(database, run_id, [started(str(n))])) for n in range(5)]
        other = Database(database.url)
        waiting.append(asyncio.create_task(events.append(other, run_id, [started("other")])))
        await asyncio.wait(waiting, timeout=0.3)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    assert all(task.cancelled() for task in waiting)
    [written] = await events.append(database, run_id, [started("after")])
    assert written.sequence == 2
    await other.close()


async def test_a_stale_view_inside_a_transaction_is_looked_at_again(database: Database, run_id: str) -> None:
    """The caller's transaction waits for the lock; what was committed meanwhile is seen all the same."""
    same = [started("a"), of_node(EventType.NODE_COMPLETED, "b", 0)]
    async with database.begin() as first, database.begin() as second:
        await events.append(first, run_id, same)
        more = [*same, of_node(EventType.NODE_SKIPPED, "c", 0)]
        waiting = asyncio.create_task(events.append(second, run_id, more))
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
        await first.commit()
        [written] = await waiting
    assert (written.sequence, written.node_id) == (4, "c")
