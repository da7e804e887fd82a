"""Running again over REST: whole, from a node on, on the draft, and one node alone."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from tests.api.test_rest_executions import NOBODY, code_of, execute, finished, keep
from tests.studio.serving import edge, node, worker_on
from tests.support.model_server import ModelServer


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
async def worker(database_url: str, temporal_address: str, model: ModelServer) -> Any:
    key = SecretStr("sk-test-0123456789")
    async with worker_on(database_url, temporal_address, openai_api_key=key, openai_base_url=model.base_url):
        yield


def asking(name: str, text: str) -> dict[str, Any]:
    return node(name, "ai_agent", system_prompt=text)


def pipeline() -> dict[str, Any]:
    """start → first → which → yes | no → last."""
    said = {"left": "{{nodes.first.response}}", "operator": "equals", "right": "y"}
    branches = [{"id": "yes", "conditions": [said]}, {"id": "no", "conditions": []}]
    nodes = [
        node("start", "trigger", input="Hello"),
        asking("first", "[[text:y]] first"),
        node("which", "decision", branches=branches),
        asking("yes", "[[cost:0.25]] yes"),
        asking("no", "no"),
        asking("last", "last"),
    ]
    edges = [edge("start", "first"), edge("first", "which"), edge("which", "yes", "yes")]
    return {
        "name": "Again",
        "nodes": nodes,
        "edges": [*edges, edge("which", "no", "no"), edge("yes", "last"), edge("no", "last")],
    }


async def again(client: httpx2.AsyncClient, execution: str, **body: Any) -> tuple[str, dict[str, Any]]:
    response = await client.post(f"{execution}/rerun", json=body)
    assert response.status_code == 202, response.text
    path = f"/api/executions/{response.json()['execution_id']}"
    return path, await finished(client, path)


async def events(client: httpx2.AsyncClient, execution: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{execution}/events")).json()["events"]
    assert [event["sequence"] for event in found] == list(range(1, len(found) + 1))
    return found


def called(model: ModelServer) -> list[str]:
    return [call.system.rpartition("] ")[2] for call in model.calls]


@pytest.mark.usefixtures("worker")
async def test_from_a_node_on_nothing_above_is_called_or_paid_again(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    first = await execute(client, await keep(client, pipeline()), input="Hello")
    before = await finished(client, first)
    assert before["cost_usd"] > 0.25
    model.calls.clear()
    path, run = await again(client, first, from_node="last")
    assert called(model) == ["last"]
    assert run["status"] == "completed"
    assert run["rerun_of"] == first.rpartition("/")[2]
    assert run["input"] == "Hello"
    assert run["nodes"]["yes"]["output"] == before["nodes"]["yes"]["output"]
    told = await events(client, path)
    assert [event["type"] for event in told[:6]] == [
        "execution_started",
        *["node_completed"] * 3,
        "node_skipped",
        "node_completed",
    ]
    for event in told[1:6]:
        assert event["attempt"] == 0
        if event["type"] == "node_completed":
            assert event["payload"]["reused_from"] == run["rerun_of"]
            assert "usage" not in event["payload"]
    assert told[2]["payload"]["output"] == {"response": "y"}
    # Only the last node's call counts.
    assert run["usage"]["input_tokens"] < before["usage"]["input_tokens"]
    assert run["cost_usd"] < 0.25
    # A run that kept is kept from in its turn.
    model.calls.clear()
    _, third = await again(client, path, from_node="yes")
    assert called(model) == ["yes", "last"]
    assert third["nodes"]["no"]["status"] == "skipped"


@pytest.mark.usefixtures("worker")
async def test_the_whole_runs_again(client: httpx2.AsyncClient, model: ModelServer) -> None:
    first = await execute(client, await keep(client, pipeline()))
    await finished(client, first)
    model.calls.clear()
    _, run = await again(client, first)
    assert called(model) == ["first", "yes", "last"]
    assert run["status"] == "completed"


@pytest.mark.usefixtures("worker")
async def test_on_the_draft_what_was_edited_and_all_below_runs_again(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    graph = pipeline()
    workflow = await keep(client, graph)
    first = await execute(client, workflow)
    await finished(client, first)
    graph["nodes"][1]["config"]["system_prompt"] = "[[text:n]] edited"
    await client.put(workflow, json={"graph": graph})
    model.calls.clear()
    _, run = await again(client, first, from_node="last", graph="draft")
    assert called(model) == ["edited", "no", "last"]
    assert run["nodes"]["yes"]["status"] == "skipped"
    assert run["version"] is None
    model.calls.clear()
    await again(client, first, from_node="last", graph="same")
    assert called(model) == ["last"]


@pytest.mark.usefixtures("worker")
async def test_a_node_runs_alone_with_its_last_input(client: httpx2.AsyncClient, model: ModelServer) -> None:
    first = await execute(client, await keep(client, pipeline()))
    await finished(client, first)
    asked = [call.user for call in model.calls]
    model.calls.clear()
    _, run = await again(client, first, from_node="yes", alone=True)
    assert called(model) == ["yes"]
    assert model.calls[0].user == asked[1]
    assert list(run["nodes"]) == ["start", "first", "which", "yes"]
    assert run["status"] == "completed"


@pytest.mark.usefixtures("worker")
async def test_a_large_output_is_kept_by_reference(client: httpx2.AsyncClient) -> None:
    nodes = [
        node("start", "trigger"),
        node("big", "transform", template="x" * 70_000),
        asking("last", "last"),
    ]
    graph = {"name": "Big", "nodes": nodes, "edges": [edge("start", "big"), edge("big", "last")]}
    first = await execute(client, await keep(client, graph))
    await finished(client, first)
    path, run = await again(client, first, from_node="last")
    assert run["status"] == "completed"
    href = run["nodes"]["big"]["output"]["href"]
    assert href == f"{path}/nodes/big/output"
    assert (await client.get(href)).json() == {"text": "x" * 70_000}


async def test_what_is_refused(client: httpx2.AsyncClient) -> None:
    assert code_of(await client.post(f"/api/executions/{NOBODY}/rerun", content=b"[")) == (404, "not_found")
    # Without a worker it never ends.
    running = await execute(client, await keep(client, pipeline()))
    assert code_of(await client.post(f"{running}/rerun")) == (409, "execution_not_finished")
    assert code_of(await client.post(f"{running}/rerun", content=b"{")) == (400, "malformed_json")
    wrong = await client.post(f"{running}/rerun", json={"graph": "new"})
    assert code_of(wrong) == (422, "invalid_request")


@pytest.mark.usefixtures("worker")
async def test_what_is_refused_of_a_run_that_has_ended(client: httpx2.AsyncClient) -> None:
    graph = pipeline()
    workflow = await keep(client, graph)
    first = await execute(client, workflow)
    await finished(client, first)

    async def refused(**body: Any) -> tuple[int, str]:
        return code_of(await client.post(f"{first}/rerun", json=body))

    assert await refused(from_node="nobody") == (422, "invalid_request")
    assert await refused(alone=True) == (422, "invalid_request")
    graph["nodes"].pop(0)
    await client.put(workflow, json={"graph": graph})
    assert await refused(graph="draft") == (422, "invalid_graph")
    await client.delete(workflow)
    assert await refused(graph="draft") == (404, "not_found")
    _, run = await again(client, first)
    assert run["status"] == "completed"


@pytest.mark.usefixtures("worker")
async def test_the_same_key_runs_again_once(client: httpx2.AsyncClient) -> None:
    first = await execute(client, await keep(client, pipeline()))
    await finished(client, first)

    async def rerun(body: dict[str, Any]) -> httpx2.Response:
        headers = {"idempotency-key": "k", "content-type": "application/json"}
        return await client.post(f"{first}/rerun", content=json.dumps(body), headers=headers)

    one, other = await rerun({}), await rerun({"graph": "same"})
    assert one.json() == other.json()
    assert code_of(await rerun({"graph": "draft"})) == (422, "idempotency_mismatch")
