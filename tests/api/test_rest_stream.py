"""Server-sent events behind the production server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from aistudio.api import stream
from aistudio.api.app import create_api
from aistudio.studio.studio import Studio
from tests.api.conftest import served
from tests.studio.serving import NOWHERE_TEMPORAL, edge, node, runnable, studio_on, worker_on
from tests.support.model_server import ModelServer


@dataclass
class Message:
    event: str
    data: dict[str, Any]
    id: str | None


async def messages(response: httpx2.Response) -> AsyncIterator[Message]:
    """The events of an SSE response, strictly as they may look."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            if fields:
                assert fields.keys() <= {"event", "data", "id"}
                yield Message(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            assert name not in fields
            fields[name] = value
    assert not fields, "the stream ends after a whole event"


async def start(client: httpx2.AsyncClient, graph: Any = None, **body: Any) -> str:
    created = await client.post("/api/workflows", json={"graph": runnable() if graph is None else graph})
    accepted = await client.post(f"/api/workflows/{created.json()['id']}/execute", json=body)
    assert accepted.status_code == 202, accepted.text
    url: str = accepted.json()["stream_url"]
    return url


async def follow(client: httpx2.AsyncClient, url: str, **headers: str) -> list[Message]:
    async with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        return [message async for message in messages(response)]


@pytest.fixture
async def writing(database_url: str, temporal_address: str) -> AsyncIterator[ModelServer]:
    """A worker whose model writes a word every 20 ms."""
    with ModelServer(interval=0.02, text="one two three four five six seven eight nine ten") as model:
        endpoint = {"openai_api_key": "test-key", "openai_base_url": model.base_url}
        async with worker_on(database_url, temporal_address, **endpoint):
            yield model


async def test_a_run_live(server: httpx2.AsyncClient, writing: ModelServer) -> None:
    url = await start(server, input="x")
    async with server.stream("GET", url) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers
        told = [message async for message in messages(response)]
    snapshot, *rest = told
    assert (snapshot.event, snapshot.id) == ("snapshot", str(snapshot.data["last_sequence"]))
    assert len(snapshot.data["events"]) == snapshot.data["last_sequence"]
    events = snapshot.data["events"] + [message.data for message in rest if message.event == "event"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "execution_completed"
    assert told[-1].data == events[-1]
    assert all(message.id == str(message.data["sequence"]) for message in rest if message.event == "event")

    deltas = [message for message in rest if message.event == "delta"]
    assert len(deltas) >= 3
    assert all(message.id is None for message in deltas)
    assert deltas[0].data.keys() == {"execution_id", "node_id", "attempt", "offset", "text"}
    text = snapshot.data["nodes"]["answer"]["text"]
    for delta in deltas:
        assert delta.data["offset"] == len(text)
        text += delta.data["text"]
    final = (await server.get(url.removesuffix("/stream"))).json()
    assert final["nodes"]["answer"]["output"] == {"response": text}

    whole = await follow(server, url)
    assert [message.event for message in whole] == ["snapshot"]
    assert whole[0].data == {**final, "events": events}


async def test_even_a_word_arrives_in_ten_deltas(
    server: httpx2.AsyncClient, database_url: str, temporal_address: str
) -> None:
    graph = runnable()
    graph["nodes"][1]["config"]["system_prompt"] = "Answer with one word: boat or car."
    async with worker_on(database_url, temporal_address, pace=1):
        url = await start(server, graph, input="It swims on the sea, a boat.")
        told = await follow(server, url)
    deltas = [message.data for message in told if message.event == "delta"]
    assert len(deltas) >= 10
    assert "".join(delta["text"] for delta in deltas) == "boat"
    [response] = [
        message.data["payload"]["output"]["response"]
        for message in told
        if message.event == "event"
        and (message.data["type"], message.data["node_id"]) == ("node_completed", "answer")
    ]
    assert response == "boat"


async def test_resuming(server: httpx2.AsyncClient, writing: ModelServer) -> None:
    url = await start(server)
    last = (await follow(server, url))[-1].data["sequence"]
    for target, headers in (
        (f"{url}?after=3", {}),
        (url, {"last-event-id": "3"}),
        (f"{url}?after=1", {"last-event-id": "3"}),
    ):
        snapshot, *rest = await follow(server, target, **headers)
        assert (snapshot.event, snapshot.id, "events" in snapshot.data) == ("snapshot", str(last), False)
        assert [message.id for message in rest] == [str(number) for number in range(4, last + 1)]
    for target, headers in (
        (f"{url}?after={last}", {}),
        (url, {"last-event-id": str(last)}),
        (f"{url}?after=2000000000", {}),
    ):
        response = await server.get(target, headers=headers)
        assert (response.status_code, response.content) == (204, b"")
    for target, headers in ((f"{url}?after=x", {}), (f"{url}?after=-1", {}), (url, {"last-event-id": "x"})):
        response = await server.get(target, headers=headers)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_joining_in_the_middle(server: httpx2.AsyncClient, writing: ModelServer) -> None:
    """A reload in the middle of a stream finds the text so far and goes on."""
    url = await start(server)
    async with server.stream("GET", url) as response, aclosing(messages(response)) as stream_:
        seen = [message async for message in _until(stream_, "delta", 2)]
    before = "".join(message.data["text"] for message in seen if message.event == "delta")
    snapshot, *rest = await follow(server, url)
    text = snapshot.data["nodes"]["answer"]["text"]
    assert text.startswith(before)
    assert snapshot.data["nodes"]["answer"]["status"] == "running"
    for message in rest:
        if message.event == "delta":
            assert message.data["offset"] == len(text)
            text += message.data["text"]
    assert text == "one two three four five six seven eight nine ten"


async def _until(told: AsyncIterator[Message], event: str, count: int) -> AsyncIterator[Message]:
    async for message in told:
        yield message
        count -= message.event == event
        if not count:
            return


async def test_two_branches_stream_side_by_side(server: httpx2.AsyncClient, writing: ModelServer) -> None:
    graph = {
        "nodes": [
            node("start", "trigger"),
            node("left", "ai_agent", system_prompt="l"),
            node("right", "ai_agent", system_prompt="r"),
        ],
        "edges": [edge("start", "left"), edge("start", "right")],
    }
    told = await follow(server, await start(server, graph))
    order = "".join(message.data["node_id"][0] for message in told if message.event == "delta")
    assert re.search("l.*r.*l|r.*l.*r", order), "neither waited for the other"


async def test_heartbeats(server: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    async with server.stream("GET", await start(server)) as response:
        beats = 0
        async for line in response.aiter_lines():
            beats += line == ": heartbeat"
            if beats == 3:
                break
    assert beats == 3


async def test_a_client_that_leaves_is_forgotten_at_once(server: httpx2.AsyncClient, studio: Studio) -> None:
    """Though nothing happens in the run, and no heartbeat is due for a long time."""
    subscriptions = studio.executions._hub._subscriptions
    async with server.stream("GET", await start(server)) as response:
        async for _ in _until(messages(response), "snapshot", 1):
            pass
        assert len(subscriptions) == 1
    async with asyncio.timeout(3):
        while subscriptions:  # noqa: ASYNC110 - the server tells nobody that a client left
            await asyncio.sleep(0.01)


async def test_a_stream_ends_when_the_studio_closes(database_url: str, temporal_address: str) -> None:
    async with (
        studio_on(database_url, temporal_address) as studio,
        served(studio) as url,
        httpx2.AsyncClient(base_url=url) as client,
        client.stream("GET", await start(client)) as response,
        aclosing(messages(response)) as told,
    ):
        async for _ in _until(told, "snapshot", 1):
            pass
        await studio.executions._hub.close()
        assert [message async for message in told] == []


async def test_cancel_without_temporal_is_still_written(database_url: str, temporal_address: str) -> None:
    async with studio_on(database_url, temporal_address) as studio:
        api = httpx2.ASGITransport(app=create_api(lambda: studio))
        async with httpx2.AsyncClient(transport=api, base_url="http://studio") as client:
            url = (await start(client)).removesuffix("/stream")
    async with studio_on(database_url, NOWHERE_TEMPORAL) as studio:
        api = httpx2.ASGITransport(app=create_api(lambda: studio))
        async with httpx2.AsyncClient(transport=api, base_url="http://studio") as client:
            assert (await client.delete(url)).status_code == 202
            assert (await client.get(url)).json()["status"] == "cancelling"
    # The worker's reconciler sees to it, whether or not Temporal had heard.
    async with studio_on(database_url, temporal_address) as studio, worker_on(database_url, temporal_address):
        api = httpx2.ASGITransport(app=create_api(lambda: studio))
        async with httpx2.AsyncClient(transport=api, base_url="http://studio") as client:
            await client.get(f"{url}/stream")
            assert (await client.get(url)).json()["status"] == "cancelled"
