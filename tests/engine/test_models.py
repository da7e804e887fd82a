"""Runs that ask a model over HTTP: streaming, retries, cancel, usage; and what of it Temporal keeps."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType as HistoryEvent
from temporalio.client import Client
from temporalio.converter import DataConverter

from aistudio.engine.routes import run_task
from aistudio.graph.definition import Workflow
from aistudio.graph.events import EventType
from aistudio.settings import Settings
from aistudio.store import deltas, executions, results
from aistudio.store.database import Database
from tests.engine.runs import Studio, graph, of, told, working
from tests.support.model_server import ModelServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-test-0123456789abcdef"


@pytest.fixture(scope="module")
def module_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(module_server: ModelServer) -> ModelServer:
    module_server.reset()
    return module_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asking(
    module_server: ModelServer, temporal_address: str, module_database_url: str
) -> AsyncIterator[Studio]:
    """A studio whose agents ask the model server."""
    settings = Settings(
        _env_file=None,
        openai_api_key=KEY,  # type: ignore[arg-type]
        openai_base_url=module_server.base_url,
        global_variables={"tone": "kind"},
    )
    database = Database(module_database_url)
    async with working(await Client.connect(temporal_address), database, settings) as studio:
        yield studio
    await database.close()


async def test_an_agent_streams_and_then_completes(asking: Studio, server: ModelServer) -> None:
    words = " ".join(f"word{number}" for number in range(30))
    execution_id = await asking.start(graph("t>a", a=f"[[slow:0.05]] [[text:{words}]]"), "hi")
    seen: list[str] = []
    async with asyncio.timeout(20):
        while not await results.get(asking.database, execution_id, "a"):
            attempt, text = (await deltas.texts(asking.database, execution_id)).get("a", (1, ""))
            assert attempt == 1
            # None after some: it completed between the two looks.
            if text or not seen:
                seen.append(text)
            await asyncio.sleep(0.02)
    found = await asking.end(execution_id)
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert len(set(seen)) >= 10
    assert all(words.startswith(text) for text in seen)
    (completed,) = of(found, EventType.NODE_COMPLETED, "a")
    assert completed.payload["output"] == {"response": words}
    assert completed.payload["usage"]["output_tokens"] == 30
    assert completed.payload["first_token_ms"] >= 0
    assert await deltas.texts(asking.database, execution_id) == {}


async def test_what_an_agent_is_asked(asking: Studio, server: ModelServer) -> None:
    asking.acts["b"] = [{"text": "from b"}]
    asking.acts["f"] = [{"branch": "x"}]
    raw = graph(
        "t>b",
        "b>f",
        "f.x>a",
        "f.y>c",
        "c>a",
        a="{{trigger.input}} {{nodes.b.text}} {{variables.v}} {{global.tone}} {{nodes.c.text?}}.",
        b={"title": "First step"},
    )
    raw["variables"] = {"v": [1, 2]}
    await asking.run(raw, "hello")
    (call,) = server.calls
    assert call.system == "hello from b [1,2] kind ."
    assert call.user == "## t\nhello\n\n## First step\nfrom b"


async def test_a_node_sees_nothing_that_is_not_upstream(asking: Studio, server: ModelServer) -> None:
    raw = graph("t>b", "t>c", "c>a", a="{{nodes.b.text}}")
    done = asyncio.Event()

    async def b(context: object) -> dict[str, str]:
        done.set()
        return {"text": "private"}

    async def c(context: object) -> dict[str, str]:
        await done.wait()
        await asyncio.sleep(0.2)
        return {}

    asking.acts["b"], asking.acts["c"] = [b], [c]
    found = await asking.run(raw)
    assert found[-1].payload["error"]["code"] == "unresolved_reference"
    assert of(found, EventType.NODE_FAILED, "a")[0].attempt == 1
    assert not server.calls


async def test_without_an_input_references_read_the_first_triggers_sample(
    asking: Studio, server: ModelServer
) -> None:
    raw = graph(
        "t2",
        "t1>a",
        a="{{trigger.input}}",
        t1={"config": {"input": "one"}},
        t2={"config": {"input": "two"}},
    )
    await asking.run(raw)
    assert server.calls[0].system == "two"
    assert server.calls[0].user == "## t1\none"


async def test_an_absorbed_failure_is_readable_but_not_an_agents_input(
    asking: Studio, server: ModelServer
) -> None:
    asking.acts["b"] = [{"not": "json", "x": float("inf")}]
    raw = graph("t>b", "b>a", a="{{nodes.b.error.code}}", b={"on_error": "continue"})
    await asking.run(raw, "hi")
    assert server.calls[0].system == "internal"
    assert server.calls[0].user == "## t\nhi"


async def test_a_retried_call_streams_anew(asking: Studio, server: ModelServer) -> None:
    prompt = "[[text:one two three four five]] [[drop times=1]] [[slow:0.05]]"
    execution_id = await asking.start(graph("t>a", a=prompt))
    retrying = await asking.until(execution_id, EventType.NODE_RETRYING, "a")
    assert retrying.payload["error"]["code"] == "model_unavailable"
    assert (await deltas.texts(asking.database, execution_id))["a"][0] == 1
    found = await asking.end(execution_id)
    (completed,) = of(found, EventType.NODE_COMPLETED, "a")
    assert completed.attempt == 2
    assert completed.payload["output"] == {"response": "one two three four five"}
    assert len(server.calls) == 2


async def test_a_cancel_aborts_the_models_http_request_within_a_second(
    asking: Studio, server: ModelServer
) -> None:
    execution_id = await asking.start(graph("t>a", "a>b", a="[[endless]]"))
    assert await asyncio.to_thread(server.wait_for, lambda calls: bool(calls) and calls[0].words > 0)
    asked = time.time()
    await asking.cancel(execution_id)
    assert await asyncio.to_thread(server.wait_for, lambda calls: calls[0].ended_at is not None)
    assert server.calls[0].disconnected
    assert server.calls[0].ended_at is not None
    assert server.calls[0].ended_at - asked < 1
    found = await asking.end(execution_id)
    assert told(found)[-3:] == ["execution_cancelling", "cancelled a", "execution_cancelled"]
    assert len(server.calls) == 1
    # The text it had got to stays.
    assert (await deltas.texts(asking.database, execution_id))["a"][1]


async def test_a_timeout_aborts_the_request_and_is_tried_again(asking: Studio, server: ModelServer) -> None:
    raw = graph("t>a", a="[[hang times=1]]")
    raw["nodes"][1]["timeout_seconds"] = 0.3
    found = await asking.run(raw)
    assert server.calls[0].disconnected
    assert of(found, EventType.NODE_RETRYING, "a")[0].payload["error"]["code"] == "timeout"
    assert told(found)[-1] == "execution_completed"


async def test_usage_and_cost_add_up(asking: Studio, server: ModelServer) -> None:
    prompt = "[[cost:0.25]] [[text:one two]]"
    execution_id = await asking.start(graph("t>a", "a>b", a=prompt, b=prompt))
    found = await asking.end(execution_id)
    run = await executions.load_snapshot(asking.database, execution_id)
    assert run is not None
    assert run.cost_usd == pytest.approx(0.5)
    assert run.output_tokens == 4
    assert run.input_tokens == sum(
        event.payload["usage"]["input_tokens"]
        for event in found
        if event.type is EventType.NODE_COMPLETED and "usage" in event.payload
    )


async def test_history_has_one_activity_for_each_working_node_and_nothing_large(
    asking: Studio, server: ModelServer
) -> None:
    """Neither prompts nor outputs are in it, and no payload is over 64 KiB."""
    asking.acts["b"] = [{"text": "b" * 300_000}]
    asking.acts["f"] = [{"branch": "x"}]
    prompt = "[[text:confidential-answer]] confidential-prompt"
    raw = graph("t>b", "b>f", "f.x>a", "f.y>c", "a>d", "c>d", "lonely", a=prompt)
    execution_id = await asking.start(raw, "confidential-input")
    assert told(await asking.end(execution_id))[-1] == "execution_completed"
    history = await asking.client.get_workflow_handle(execution_id).fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == HistoryEvent.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert sorted(scheduled) == ["finish"] + ["run_node"] * 5
    assert all(len(payload) <= 65_536 for payload in payloads(history.to_json_dict()))
    assert "confidential" not in "".join(payloads(history.to_json_dict()))
    assert sum(len(event.SerializeToString()) for event in history.events) < 30_000


def payloads(node: Any) -> list[str]:
    """The data of every payload in a history, decoded."""
    if isinstance(node, dict):
        if "data" in node and "metadata" in node:
            return [base64.b64decode(node["data"]).decode()]
        return [found for value in node.values() for found in payloads(value)]
    if isinstance(node, list):
        return [found for value in node for found in payloads(value)]
    return []


async def test_a_thousand_nodes_with_long_names_stay_small(asking: Studio) -> None:
    names = [f"{number:04}" + "ä" * 190 for number in range(1_000)]
    raw = {
        "nodes": [
            {"id": name, "kind": "trigger" if place == 0 else "step", "timeout_seconds": 604_799.5}
            for place, name in enumerate(names)
        ],
        "edges": [
            {"source": names[place], "source_port": f"port{step}", "target": names[place + step + 1]}
            for place in range(994)
            for step in range(5)
        ],
    }
    task = run_task("x" * 36, Workflow.model_validate(raw), asking.tools.specs)
    (payload,) = await DataConverter.default.encode([task])
    assert 30_000 < payload.ByteSize() < 65_536
