"""Runs over REST: what is started, what is refused, what is shown."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from aistudio.engine.client import RunState
from aistudio.studio.studio import Studio
from tests.api.conftest import in_process
from tests.studio.serving import NOWHERE_TEMPORAL, broken, edge, node, runnable, studio_on, worker_on

NOBODY = "00000000-0000-4000-8000-000000000000"
KIB = 1024


@pytest.fixture
async def worker(database_url: str, temporal_address: str) -> AsyncIterator[None]:
    async with worker_on(database_url, temporal_address):
        yield


async def keep(client: httpx2.AsyncClient, graph: Any = None) -> str:
    body = {"graph": runnable() if graph is None else graph}
    created = await client.post("/api/workflows", json=body)
    assert created.status_code == 201
    return f"/api/workflows/{created.json()['id']}"


async def execute(client: httpx2.AsyncClient, workflow: str, **body: Any) -> str:
    """The path of a run that was just started."""
    response = await client.post(f"{workflow}/execute", json=body)
    assert response.status_code == 202, response.text
    return f"/api/executions/{response.json()['execution_id']}"


async def finished(client: httpx2.AsyncClient, execution: str) -> dict[str, Any]:
    """The run after its end."""
    assert (await client.get(f"{execution}/stream")).status_code == 200
    run: dict[str, Any] = (await client.get(execution)).json()
    assert run["finished_at"]
    return run


def code_of(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_a_run_from_start_to_end(client: httpx2.AsyncClient, worker: None) -> None:
    workflow = await keep(client)
    accepted = await client.post(f"{workflow}/execute", json={"input": "hello"})
    execution_id = accepted.json()["execution_id"]
    assert accepted.status_code == 202
    assert accepted.json() == {
        "execution_id": execution_id,
        "status": "pending",
        "stream_url": f"/api/executions/{execution_id}/stream",
    }
    path = f"/api/executions/{execution_id}"
    run = await finished(client, path)
    assert run.keys() == {
        "id",
        "workflow_id",
        "version",
        "status",
        "input",
        "error",
        "created_at",
        "started_at",
        "finished_at",
        "usage",
        "cost_usd",
        "last_sequence",
        "rerun_of",
        "graph",
        "nodes",
    }
    assert (run["status"], run["version"], run["input"]) == ("completed", None, "hello")
    assert run["graph"] == runnable()
    assert run["usage"]["output_tokens"] > 0
    assert run["nodes"].keys() == {"start", "answer", "show"}
    answer = run["nodes"]["answer"]
    assert answer.keys() == {
        "status",
        "attempt",
        "started_at",
        "finished_at",
        "output",
        "error",
        "text",
        "offset",
    }
    assert (answer["status"], answer["attempt"], answer["text"], answer["offset"]) == ("completed", 1, "", 0)
    assert (await client.get(f"{path}/nodes/answer/output")).json() == answer["output"]

    listed = (await client.get("/api/executions")).json()["items"]
    assert [item["id"] for item in listed] == [execution_id]
    assert listed[0] == {key: run[key] for key in run.keys() - {"graph", "nodes"}}

    page = (await client.get(f"{path}/events")).json()
    assert [event["sequence"] for event in page["events"]] == list(range(1, run["last_sequence"] + 1))
    assert (page["last_sequence"], page["has_more"]) == (run["last_sequence"], False)
    rest = (await client.get(f"{path}/events", params={"after": 2})).json()
    assert rest["events"] == page["events"][2:]
    beyond = (await client.get(f"{path}/events", params={"after": 2_000_000_000})).json()
    assert beyond == {"events": [], "last_sequence": run["last_sequence"], "has_more": False}

    assert code_of(await client.delete(path)) == (409, "execution_not_cancellable")
    await client.delete(workflow)
    assert (await client.get(path)).json() == run


async def test_inputs(client: httpx2.AsyncClient, worker: None) -> None:
    """Nothing, '' and an object are three different inputs."""
    workflow = await keep(client, {"nodes": [node("start", "trigger", input="a sample")]})
    for body, stored, output in (
        ({}, None, {"input": "a sample"}),
        ({"input": ""}, "", {"input": ""}),
        ({"input": "x"}, "x", {"input": "x"}),
        ({"input": {}}, {}, {}),
        ({"input": {"b": [1, None], "a": "\u0000"}},) + ({"b": [1, None], "a": "\u0000"},) * 2,
    ):
        run = await finished(client, await execute(client, workflow, **body))
        assert (run["input"], run["nodes"]["start"]["output"]) == (stored, output)
    bare = await client.post(f"{workflow}/execute")
    assert bare.status_code == 202


async def test_what_an_execute_request_may_not_be(client: httpx2.AsyncClient) -> None:
    workflow = await keep(client)
    for body in (
        {"input": None},
        {"input": 7},
        {"input": ["x"]},
        {"input": True},
        {"version": None},
        {"version": "newest"},
        {"version": 0},
        {"version": -1},
        {"version": True},
        {"version": 1.5},
        {"version": 2**31},
        {"inputs": "x"},
        [],
    ):
        response = await client.post(f"{workflow}/execute", json=body)
        assert code_of(response) == (422, "invalid_request"), body
        assert response.json()["details"]["errors"][0]["where"].startswith("body")
    assert code_of(await client.post(f"{workflow}/execute", content=b"{")) == (400, "malformed_json")
    assert (await client.get("/api/executions")).json()["items"] == []


async def test_an_input_may_be_256_kib(client: httpx2.AsyncClient) -> None:
    workflow = await keep(client)
    fitting = ("x" * 256 * KIB, "é" * 128 * KIB, {"a": "x" * (256 * KIB - 8)})
    for given in fitting:
        assert (await client.post(f"{workflow}/execute", json={"input": given})).status_code == 202
    for given in ("x" * 256 * KIB + "x", "é" * 128 * KIB + "x", {"a": "x" * (256 * KIB - 7)}):
        response = await client.post(f"{workflow}/execute", json={"input": given})
        assert code_of(response) == (413, "too_large")
    assert len((await client.get("/api/executions")).json()["items"]) == len(fitting)


async def test_checks_come_in_order(client: httpx2.AsyncClient) -> None:
    """Who does several things wrong hears of the first: id, body, version, problems."""
    nobody = f"/api/workflows/{NOBODY}/execute"
    for content in (b"{", b'{"input": 7}', json.dumps({"input": "x" * 300 * KIB}).encode()):
        assert code_of(await client.post(nobody, content=content)) == (404, "not_found")
    for key in ("", "k" * 256):
        headers = {"Idempotency-Key": key}
        assert code_of(await client.post(nobody, headers=headers)) == (404, "not_found")
    workflow = f"{await keep(client, broken())}/execute"
    big = {"input": "x" * 300 * KIB, "version": "published"}
    assert code_of(await client.post(workflow, json=big)) == (413, "too_large")
    assert code_of(await client.post(workflow, json={"version": "published"})) == (409, "not_published")
    assert code_of(await client.post(workflow, json={"version": 7})) == (404, "not_found")
    refused = await client.post(workflow, json={})
    assert code_of(refused) == (422, "invalid_graph")
    problems = {problem["code"] for problem in refused.json()["details"]["problems"]}
    assert {"unknown_kind", "unknown_node"} <= problems
    assert (await client.get("/api/executions")).json()["items"] == []


async def test_versions(client: httpx2.AsyncClient) -> None:
    workflow = await keep(client, runnable("First"))
    await client.post(f"{workflow}/publish")
    await client.put(workflow, json={"graph": runnable("Second")})
    await client.post(f"{workflow}/publish")
    await client.put(workflow, json={"graph": runnable("Third")})
    for version, number, name in (
        ("published", 2, "Second"),
        (1, 1, "First"),
        (2, 2, "Second"),
        ("draft", None, "Third"),
    ):
        run = (await client.get(await execute(client, workflow, version=version))).json()
        assert (run["version"], run["graph"]["name"]) == (number, name)


async def test_a_repeated_request_runs_once(client: httpx2.AsyncClient) -> None:
    workflow = await keep(client)

    async def ask(path: str, body: Any, key: str = "one") -> httpx2.Response:
        return await client.post(f"{path}/execute", json=body, headers={"Idempotency-Key": key})

    at_once = await asyncio.gather(*(ask(workflow, {"input": {"a": 1, "b": 2}}) for _ in range(8)))
    assert {response.status_code for response in at_once} == {202}
    assert len({response.text for response in at_once}) == 1
    again = await ask(workflow, {"input": {"b": 2, "a": 1}})
    assert again.text == at_once[0].text
    assert len((await client.get("/api/executions")).json()["items"]) == 1

    for other in ({"input": "x"}, {}, {"input": {"a": 1, "b": 2}, "version": "published"}):
        assert code_of(await ask(workflow, other)) == (422, "idempotency_mismatch")
    # A repetition is answered as before, whatever has become of the draft.
    await client.put(workflow, json={"graph": broken()})
    assert (await ask(workflow, {"input": {"a": 1, "b": 2}})).text == at_once[0].text

    elsewhere = await keep(client)
    assert (await ask(elsewhere, {"input": "x"})).status_code == 202
    assert (await ask(elsewhere, {"input": "x"}, key="two")).status_code == 202
    assert len((await client.get("/api/executions")).json()["items"]) == 3
    for key in ("", "k" * 256):
        assert code_of(await ask(workflow, {"input": "x"}, key)) == (422, "invalid_request")


async def test_a_cancelled_run(client: httpx2.AsyncClient) -> None:
    """Without a worker it stays cancelling; asking again adds no event."""
    execution = await execute(client, await keep(client))
    for _ in range(3):
        response = await client.delete(execution)
        assert response.status_code == 202
        assert response.json()["status"] == "cancelling"
    events = (await client.get(f"{execution}/events")).json()["events"]
    assert [event["type"] for event in events] == ["execution_started", "execution_cancelling"]
    assert events[1]["payload"] == {"by": "user"}
    assert (await client.get(execution)).json()["status"] == "cancelling"


async def test_a_worker_finishes_a_cancelled_run(client: httpx2.AsyncClient, worker: None) -> None:
    execution = await execute(client, await keep(client))
    await client.delete(execution)
    run = await finished(client, execution)
    assert run["status"] in {"cancelled", "completed"}
    events = (await client.get(f"{execution}/events")).json()["events"]
    if "execution_cancelling" in {event["type"] for event in events}:
        assert run["status"] == "cancelled"
        assert code_of(await client.delete(execution)) == (409, "execution_not_cancellable")


async def test_lists_of_runs(client: httpx2.AsyncClient) -> None:
    one, other = await keep(client), await keep(client)
    mine = [await execute(client, one) for _ in range(3)]
    theirs = await execute(client, other)
    await client.delete(mine[0])

    async def found(**params: Any) -> list[str]:
        page = await client.get("/api/executions", params=params)
        assert page.status_code == 200
        return [f"/api/executions/{item['id']}" for item in page.json()["items"]]

    assert await found() == [theirs, *mine[::-1]]
    assert await found(workflow_id=one.rpartition("/")[2]) == mine[::-1]
    assert await found(status="cancelling") == [mine[0]]
    assert await found(status="failed") == []
    assert await found(workflow_id=NOBODY) == []
    first = (await client.get("/api/executions", params={"limit": 3})).json()
    last = (await client.get("/api/executions", params={"cursor": first["next_cursor"]})).json()
    assert ([item["id"] for item in last["items"]], last["next_cursor"]) == ([mine[0][16:]], None)
    for query, expected in (
        ("status=odd", (422, "invalid_request")),
        ("workflow_id=nonsense", (404, "not_found")),
        ("limit=201", (422, "invalid_request")),
        ("cursor=x", (422, "invalid_request")),
    ):
        assert code_of(await client.get(f"/api/executions?{query}")) == expected


async def test_nothing_is_found_under_an_unknown_id(client: httpx2.AsyncClient) -> None:
    for execution_id in (NOBODY, "nonsense", "%00", "0" * 5000):
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/events"),
            ("GET", "/stream"),
            ("GET", "/nodes/a/output"),
            ("POST", "/nodes/a/decision"),
        ):
            body = {"decision": "approve"} if path.endswith("/decision") else None
            response = await client.request(method, f"/api/executions/{execution_id}{path}", json=body)
            assert code_of(response) == (404, "not_found"), (method, path, execution_id)
    execution = await execute(client, await keep(client))
    for node_id in ("start", "nobody", "a/b", "%2F", "%00", "%F0%9F%98%80"):
        response = await client.get(f"{execution}/nodes/{node_id}/output")
        assert code_of(response) == (404, "not_found"), node_id
    for query in ("after=-1", "after=x", "after=99999999999", "after=1.5"):
        assert code_of(await client.get(f"{execution}/events?{query}")) == (422, "invalid_request")


async def test_a_large_output_travels_by_reference(client: httpx2.AsyncClient, worker: None) -> None:
    """Under an id that needs quoting."""
    text = "é" * 40 * KIB
    odd = "../a/b c?#%2e"
    graph = {
        "nodes": [node(odd, "trigger"), node("show", "visualize", mode="text")],
        "edges": [edge(odd, "show")],
    }
    run = await finished(client, await execute(client, await keep(client, graph), input=text))
    reference = run["nodes"][odd]["output"]
    assert reference.keys() == {"preview", "size", "href"}
    assert reference["size"] == len(f'{{"input":"{text}"}}'.encode())
    assert (await client.get(reference["href"])).json() == {"input": text}


ODD = "a/b c?#%2e"
ASKING = {
    "nodes": [node("start", "trigger", input="it"), node(ODD, "approval", message="Send {{trigger.input}}?")],
    "edges": [edge("start", ODD)],
}


async def waiting(client: httpx2.AsyncClient, execution: str, node_id: str = ODD) -> str:
    """The path of the decision that the run waits for."""
    async with asyncio.timeout(20):
        while True:
            if (await client.get(execution)).json()["status"] == "waiting":
                return f"{execution}/nodes/{quote(node_id, safe='')}/decision"
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("decision", "output"), [("approve", "approved"), ("reject", "rejected")])
async def test_a_decision(client: httpx2.AsyncClient, worker: None, decision: str, output: str) -> None:
    execution = await execute(client, await keep(client, ASKING))
    path = await waiting(client, execution)
    assert [run["id"] for run in (await client.get("/api/executions?status=waiting")).json()["items"]] == [
        execution.rpartition("/")[2]
    ]
    for body in ({}, {"decision": "maybe"}, {"decision": decision, "comment": "x" * 4_001}, {"by": "me"}):
        assert code_of(await client.post(path, json=body)) == (422, "invalid_request")
    assert code_of(await client.post(path, content="{")) == (400, "malformed_json")
    for other in ("nobody", "start%2F"):
        unknown = f"{execution}/nodes/{other}/decision"
        assert code_of(await client.post(unknown, json={"decision": decision})) == (404, "not_found")
    early = await client.post(f"{execution}/nodes/start/decision", json={"decision": decision})
    assert code_of(early) == (409, "node_not_waiting")

    decided = await client.post(path, json={"decision": decision, "comment": "Äh…\nja"})
    assert (decided.status_code, decided.json()["decision"]) == (200, decision)
    made = {"decision": output, "comment": "Äh…\nja", "by": "local"}
    now = (await client.get(execution)).json()["nodes"][ODD]
    assert (now["status"], now["output"]) == ("completed", made)
    again = await client.post(path, json={"decision": "approve"})
    assert code_of(again) == (409, "node_not_waiting")
    assert f"{output} by local" in again.json()["message"]
    assert (await finished(client, execution))["status"] == "completed"
    events = (await client.get(f"{execution}/events")).json()["events"]
    told = {event["type"]: event["payload"] for event in events if event["node_id"] == ODD}
    assert told["node_waiting"] == {"message": "Send it?", "expires_at": None}
    assert told["node_resumed"] == made


async def test_of_two_decisions_at_once_one_counts(client: httpx2.AsyncClient, worker: None) -> None:
    execution = await execute(client, await keep(client, ASKING))
    path = await waiting(client, execution)
    choices = ["approve", "reject"] * 3
    answers = await asyncio.gather(*(client.post(path, json={"decision": one}) for one in choices))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"node_not_waiting"}
    won = next(answer.json()["decision"] for answer in answers if answer.status_code == 200)
    run = await finished(client, execution)
    assert run["nodes"][ODD]["output"]["decision"].startswith(won)


async def test_a_cancelled_run_takes_no_decision(client: httpx2.AsyncClient, worker: None) -> None:
    execution = await execute(client, await keep(client, ASKING))
    path = await waiting(client, execution)
    await client.delete(execution)
    assert code_of(await client.post(path, json={"decision": "approve"})) == (409, "node_not_waiting")
    run = await finished(client, execution)
    assert (run["status"], run["nodes"][ODD]["status"]) == ("cancelled", "cancelled")
    assert code_of(await client.post(path, json={"decision": "approve"})) == (409, "node_not_waiting")


async def test_a_decision_while_temporal_is_away(
    client: httpx2.AsyncClient, database_url: str, worker: None
) -> None:
    execution = await execute(client, await keep(client, ASKING))
    path = await waiting(client, execution)
    async with studio_on(database_url, NOWHERE_TEMPORAL) as lonely, in_process(lonely) as elsewhere:
        answer = await elsewhere.post(path, json={"decision": "approve"})
    assert code_of(answer) == (503, "unavailable")
    assert "Temporal" in answer.json()["message"]
    assert (await client.post(path, json={"decision": "approve"})).status_code == 200


@pytest.mark.usefixtures("worker")
async def test_an_id_in_capitals_is_the_same_run_to_temporal_as_well(
    client: httpx2.AsyncClient, studio: Studio
) -> None:
    graph = {
        "nodes": [node("t", "trigger"), node("ask", "approval"), node("other", "approval")],
        "edges": [edge("t", "ask"), edge("t", "other")],
    }
    execution = await execute(client, await keep(client, graph))
    capitals = f"/api/executions/{execution.rpartition('/')[2].upper()}"

    async def nodes() -> set[str]:
        return {one["status"] for one in (await client.get(execution)).json()["nodes"].values()}

    async with asyncio.timeout(30):
        while await nodes() != {"completed", "waiting"}:  # noqa: ASYNC110 - nobody tells over REST
            await asyncio.sleep(0.05)
    decided = await client.post(f"{capitals}/nodes/ask/decision", json={"decision": "approve"})
    assert decided.status_code == 200, decided.text
    assert (await client.delete(capitals)).status_code == 202
    run = await finished(client, execution)
    assert run["status"] == "cancelled"
    assert run["nodes"]["ask"]["status"] == "completed"
    async with asyncio.timeout(30):
        while await studio.executions._engine.describe(run["id"]) is RunState.RUNNING:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_long_value_named_often_is_refused_in_time(client: httpx2.AsyncClient, worker: None) -> None:
    often = node("often", "transform", template="{{trigger.input}}" * 8_000)
    graph = {"nodes": [node("t", "trigger"), often], "edges": [edge("t", "often")]}
    run = await finished(client, await execute(client, await keep(client, graph), input="x" * 262_000))
    assert run["error"]["code"] == "output_too_large"
    assert run["nodes"]["often"]["attempt"] == 1
