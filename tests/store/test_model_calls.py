"""Every model call is written once, and its usage and cost are the run's, once."""

import asyncio
import uuid

from sqlalchemy import text

from aistudio.store import events, model_calls
from aistudio.store.database import Database
from tests.store.making import a_call, complete, ended, new_run, row, started


async def count(database: Database) -> int:
    async with database.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM model_calls"))).scalar_one())


async def test_a_call_counts_once_however_often_it_is_written(database: Database, run_id: str) -> None:
    call = a_call(run_id, "node\0")
    await model_calls.begin(database, call)
    assert (await row(database, run_id)).input_tokens == 0
    for _ in range(3):
        await model_calls.end(database, ended(call))
    await model_calls.begin(database, call)
    await model_calls.end(database, ended(a_call(run_id)))
    run = await row(database, run_id)
    assert (run.input_tokens, run.output_tokens, run.cost_usd) == (20, 6, 0.2)
    assert await count(database) == 2


async def test_an_unknown_price_makes_the_runs_cost_unknown(database: Database, run_id: str) -> None:
    for cost in (0.1, None, 0.1):
        await model_calls.end(database, ended(a_call(run_id), cost))
    run = await row(database, run_id)
    assert (run.input_tokens, run.cost_usd) == (30, None)


async def test_a_run_that_is_gone_has_no_calls(database: Database) -> None:
    await model_calls.begin(database, a_call(str(uuid.uuid4())))
    await model_calls.end(database, ended(a_call(str(uuid.uuid4()))))
    assert await count(database) == 0


async def test_calls_and_events_written_at_once_lose_neither(database: Database) -> None:
    """From a process each, so that they wait for the run's row in PostgreSQL."""
    writers = [Database(database.url) for _ in range(8)]
    run_id = await new_run(database)

    async def work(place: int, writer: Database) -> None:
        for number in range(10):
            node_id = f"{place}.{number}"
            call = a_call(run_id, node_id)
            await events.append(writer, run_id, [started(node_id)])
            await model_calls.begin(writer, call)
            await model_calls.end(writer, ended(call, 1))
            await complete(writer, run_id, node_id)

    await asyncio.gather(*(work(place, writer) for place, writer in enumerate(writers)))
    run = await row(database, run_id)
    assert (run.input_tokens, run.output_tokens, run.cost_usd) == (800, 240, 80)
    assert run.status == "running"
    read = await events.read(database, run_id)
    assert [event.sequence for event in read] == list(range(1, 162))
    await asyncio.gather(*(writer.close() for writer in writers))
