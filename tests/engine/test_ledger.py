"""Every call to a model is in the ledger, once, whatever became of it; the run costs what its calls cost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.client import Client

from aistudio.graph.events import EventType
from aistudio.settings import Settings
from aistudio.store import executions
from aistudio.store.database import Database
from tests.engine.runs import Studio, graph, of, told, working
from tests.support.model_server import Behaviour, ModelServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

# US dollars per million tokens: one for a token of the question, two for one of the answer.
PRICES = {"priced": (1_000_000.0, 2_000_000.0)}


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asking(
    server: ModelServer, temporal_address: str, module_database_url: str
) -> AsyncIterator[Studio]:
    """A studio whose agents ask the model server."""
    settings = Settings(
        _env_file=None,
        openai_api_key="sk-test-0123456789",  # type: ignore[arg-type]
        openai_base_url=server.base_url,
        ai_model="priced",
        ai_prices=PRICES,
    )
    database = Database(module_database_url)
    async with working(await Client.connect(temporal_address), database, settings) as studio:
        yield studio
    await database.close()


async def calls(studio: Studio, execution_id: str) -> list[dict[str, Any]]:
    """The run's ledger, in the order of the calls."""
    query = "SELECT * FROM model_calls WHERE execution_id = :id ORDER BY started_at"
    async with studio.database.connect() as connection:
        found = await connection.execute(text(query), {"id": execution_id})
        return [dict(row._mapping) for row in found]


async def assert_sums(studio: Studio, execution_id: str) -> None:
    """The run's usage and cost are those of its calls."""
    run = await executions.load_snapshot(studio.database, execution_id)
    assert run is not None
    made = await calls(studio, execution_id)
    assert run.input_tokens == sum(call["input_tokens"] for call in made)
    assert run.output_tokens == sum(call["output_tokens"] for call in made)
    assert run.cost_usd == pytest.approx(float(sum(call["cost_usd"] for call in made)))


async def test_a_retried_node_costs_what_all_its_calls_cost(asking: Studio) -> None:
    prompt = "[[drop:3 times=1]] [[text:one two three four]]"
    execution_id = await asking.start(graph("t>a", a=prompt), "hi")
    (completed,) = of(await asking.end(execution_id), EventType.NODE_COMPLETED, "a")
    broken, whole = await calls(asking, execution_id)
    assert [(call["attempt"], call["number"], call["outcome"]) for call in (broken, whole)] == [
        (1, 1, "failed"),
        (2, 1, "ok"),
    ]
    # What had come of the broken answer, at four bytes a token, and the question.
    question = len(prompt) + len("## t\nhi")
    assert (broken["input_tokens"], broken["output_tokens"]) == (
        -(-question // 4),
        -(-len("one two three") // 4),
    )
    assert broken["cost_usd"] == broken["input_tokens"] * 1.0 + broken["output_tokens"] * 2.0
    assert broken["estimated"]
    assert not whole["estimated"]
    # The event tells of the attempt that answered, the run of both.
    assert completed.payload["usage"]["output_tokens"] == whole["output_tokens"] == 4
    await assert_sums(asking, execution_id)


async def test_a_refused_call_is_there_and_costs_nothing(asking: Studio) -> None:
    execution_id = await asking.start(graph("t>a", a="[[status:429 retry_after=0 times=1]] [[cost:0.25]]"))
    await asking.end(execution_id)
    refused, whole = await calls(asking, execution_id)
    assert (refused["outcome"], refused["input_tokens"], refused["cost_usd"]) == ("failed", 0, 0)
    assert not refused["estimated"]
    assert whole["cost_usd"] == 0.25
    await assert_sums(asking, execution_id)


async def test_a_repair_is_a_call_of_its_own(asking: Studio, server: ModelServer) -> None:
    server.script(Behaviour(text="no JSON"), Behaviour(text='{"n": 1}'))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    raw = graph("t>a", a={"kind": "ai_agent", "config": {"system_prompt": "Count.", "output_schema": schema}})
    execution_id = await asking.start(raw)
    (completed,) = of(await asking.end(execution_id), EventType.NODE_COMPLETED, "a")
    made = await calls(asking, execution_id)
    assert [(call["attempt"], call["number"], call["outcome"]) for call in made] == [
        (1, 1, "ok"),
        (1, 2, "ok"),
    ]
    assert completed.payload["usage"]["output_tokens"] == sum(call["output_tokens"] for call in made)
    await assert_sums(asking, execution_id)


async def test_a_call_that_is_cut_off_is_cancelled_and_costs_what_had_come(asking: Studio) -> None:
    execution_id = await asking.start(graph("t>a", a="[[endless]]"))
    async with asyncio.timeout(20):
        while not await calls(asking, execution_id):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    (begun,) = await calls(asking, execution_id)
    assert (begun["outcome"], begun["finished_at"], begun["model"]) == (None, None, "priced")
    await asyncio.sleep(0.3)
    await asking.cancel(execution_id)
    assert told(await asking.end(execution_id))[-1] == "execution_cancelled"
    (cut,) = await calls(asking, execution_id)
    assert (cut["id"], cut["outcome"], cut["estimated"]) == (begun["id"], "cancelled", True)
    assert cut["output_tokens"] > 0
    assert cut["finished_at"] > cut["started_at"]
    await assert_sums(asking, execution_id)


async def test_a_call_whose_time_was_up_is_cancelled(asking: Studio) -> None:
    raw = graph("t>a", a="[[hang:0 times=1]]")
    raw["nodes"][1]["timeout_seconds"] = 0.5
    execution_id = await asking.start(raw)
    await asking.end(execution_id)
    assert [call["outcome"] for call in await calls(asking, execution_id)] == ["cancelled", "ok"]
    await assert_sums(asking, execution_id)
