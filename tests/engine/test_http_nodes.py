"""Runs whose nodes call the web and transform what it answers (contract, 3.4 and 3.7)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from aistudio.engine import record
from aistudio.graph.events import Event, EventType
from aistudio.settings import Settings
from aistudio.store import events
from aistudio.store.database import Database
from aistudio.store.events import NewEvent
from tests.engine.runs import Studio, graph, of, told, working
from tests.support.web_server import WebServer, answer, hang

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surfing(temporal_address: str, module_database_url: str) -> AsyncIterator[Studio]:
    """A studio that may call this machine by its address, not by its name."""
    settings = Settings(_env_file=None, http_node_allow_hosts=("127.0.0.1",))
    database = Database(module_database_url)
    async with working(await Client.connect(temporal_address), database, settings) as studio:
        yield studio
    await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[WebServer]:
    async with WebServer() as running:
        yield running


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """No pause between attempts; how long the other side asked to wait."""
    asked: list[float | None] = []

    def pause(failed: int, retry_after: float | None) -> float:
        asked.append(retry_after)
        return 0.01

    monkeypatch.setattr(record, "pause", pause)
    return asked


def request(
    url: str, method: str = "GET", config: dict[str, Any] | None = None, **node: Any
) -> dict[str, Any]:
    """A node that sends a request."""
    return {"kind": "http_request", "config": {"method": method, "url": url, **(config or {})}, **node}


def outcome(found: list[Event], node_id: str = "a") -> tuple[int, str]:
    """How many attempts a node that failed had, and with what code it ended."""
    (failed,) = of(found, EventType.NODE_FAILED, node_id)
    return len(of(found, EventType.NODE_STARTED, node_id)), failed.payload["error"]["code"]


async def test_from_the_input_over_the_web_to_an_object(surfing: Studio, server: WebServer) -> None:
    body = b'{"items": [{"price": 12.5}], "name": "Z\xc3\xbcrich"}'
    server["/search"] = answer(200, body, Content_Type="application/json; charset=utf-8")
    fields = {
        "price": "{{nodes.call.body.items.0.price}}",
        "items": "{{nodes.call.body.items}}",
        "line": "{{nodes.call.status}} from {{nodes.call.body.name}}",
    }
    raw = graph(
        "t>call",
        "call>pick",
        "pick>say",
        call=request(
            f"{server.url}/search",
            "POST",
            {
                "query": {"q": "{{trigger.word}}"},
                "headers": {"X-Id": "{{trigger.id}}"},
                "body": {"ids": ["{{trigger.id}}"], "text": "“{{trigger.word}}”"},
            },
        ),
        pick={"kind": "transform", "config": {"fields": fields}},
        say={"kind": "transform", "config": {"template": "{{nodes.pick.line}}: {{nodes.pick.items}}"}},
    )
    found = await surfing.run(raw, {"word": "a&b", "id": 7})
    (seen,) = server.requests
    assert seen.target == "/search?q=a%26b"
    assert seen.headers["x-id"] == "7"
    assert seen.headers["content-type"] == "application/json"
    assert seen.body.decode() == '{"ids":[7],"text":"“a&b”"}'
    completed = [event for event in found if event.type is EventType.NODE_COMPLETED]
    output = {event.node_id: event.payload["output"] for event in completed}
    assert output["call"]["status"] == 200
    assert output["call"]["headers"]["content-type"] == "application/json; charset=utf-8"
    assert output["call"]["body"] == {"items": [{"price": 12.5}], "name": "Zürich"}
    assert output["pick"] == {"price": 12.5, "items": [{"price": 12.5}], "line": "200 from Zürich"}
    assert output["say"] == {"text": '200 from Zürich: [{"price":12.5}]'}


async def test_a_closed_address_goes_on_by_the_error_port(surfing: Studio, server: WebServer) -> None:
    raw = graph(
        "t>a",
        "a>b",
        "a.error>c",
        a=request(f"http://localhost:{server.port}/", on_error="route"),
        c={"kind": "transform", "config": {"template": "{{nodes.a.error.code}}"}},
    )
    found = await surfing.run(raw)
    assert outcome(found) == (1, "blocked_address")
    (completed,) = of(found, EventType.NODE_COMPLETED, "c")
    assert completed.payload["output"] == {"text": "blocked_address"}
    assert told(found)[-1] == "execution_completed"
    assert server.requests == []


async def test_what_may_pass_is_tried_again_when_the_server_says(
    surfing: Studio, server: WebServer, at_once: list[float | None]
) -> None:
    server["/"] = [answer(503), answer(429, Retry_After="7"), answer(200, b"at last")]
    found = await surfing.run(graph("t>a", a=request(server.url, "PUT")))
    (completed,) = of(found, EventType.NODE_COMPLETED, "a")
    assert (completed.attempt, completed.payload["output"]["body"]) == (3, "at last")
    assert at_once == [None, 7]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("told_to", ["fail", "break off", "hang"])
@pytest.mark.usefixtures("at_once")
async def test_a_post_that_left_is_never_sent_again(
    surfing: Studio, server: WebServer, method: str, told_to: str
) -> None:
    answers = {"fail": answer(503, Retry_After="0"), "break off": b"HTTP/1.1 200 OK\r\n", "hang": hang}
    server["/"] = answers[told_to]
    found = await surfing.run(graph("t>a", a=request(server.url, method, timeout_seconds=0.5)))
    assert outcome(found) == (1, "timeout" if told_to == "hang" else "http_status")
    assert len(server.requests) == 1


@pytest.mark.usefixtures("at_once")
async def test_a_get_that_hangs_is_tried_again(surfing: Studio, server: WebServer) -> None:
    server["/"] = [hang, answer(200)]
    found = await surfing.run(graph("t>a", a=request(server.url, timeout_seconds=0.5)))
    assert [event.attempt for event in of(found, EventType.NODE_COMPLETED, "a")] == [2]


@pytest.mark.usefixtures("at_once")
async def test_a_slow_body_ends_with_the_time_limit(surfing: Studio, server: WebServer) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    server["/"] = drip
    raw = graph("t>a", a=request(server.url, timeout_seconds=0.3, retry={"max_attempts": 1}))
    assert outcome(await surfing.run(raw)) == (1, "timeout")
    await asyncio.wait_for(server.left.wait(), 5)


@pytest.mark.usefixtures("at_once")
async def test_a_post_that_never_left_is_tried_again(surfing: Studio, server: WebServer) -> None:
    await server.__aexit__()
    found = await surfing.run(graph("t>a", a=request(server.url, "POST")))
    assert outcome(found) == (3, "http_status")


@pytest.mark.parametrize(("method", "sent"), [("POST", 0), ("GET", 1)])
async def test_after_a_lost_worker_only_what_can_be_repeated_is_sent(
    surfing: Studio, server: WebServer, method: str, sent: int
) -> None:
    server["/"] = answer(200)
    raw = graph("t>a", a=request(server.url, method))
    execution_id = await surfing.write(raw)
    lost = NewEvent(type=EventType.NODE_STARTED, node_id="a", attempt=1, payload={"ready_at": "…"})
    await events.append(surfing.database, execution_id, [lost])
    await surfing.submit(execution_id)
    found = await surfing.end(execution_id)
    assert len(server.requests) == sent
    if sent:
        assert [event.attempt for event in of(found, EventType.NODE_COMPLETED, "a")] == [2]
    else:
        assert outcome(found) == (2, "http_status")
        assert "nobody knows whether its POST arrived" in found[-1].payload["error"]["message"]


async def test_a_cancel_hangs_up(surfing: Studio, server: WebServer) -> None:
    server["/"] = hang
    execution_id = await surfing.start(graph("t>a", a=request(server.url)))
    await asyncio.wait_for(server.asked.wait(), 10)
    await surfing.cancel(execution_id)
    await asyncio.wait_for(server.left.wait(), 5)
    assert told(await surfing.end(execution_id))[-2:] == ["cancelled a", "execution_cancelled"]
