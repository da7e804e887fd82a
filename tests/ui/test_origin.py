"""Whose requests are served: those of this host's pages and of programs."""

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from aistudio.ui.origin import SameOrigin


async def status(local: bool, method: str, host: str, origin: str | None = None) -> int:
    app = SameOrigin(PlainTextResponse("served"), local=local)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
        answer = await client.request(method, "/", headers=headers)
    if answer.status_code == 403:
        assert answer.json()["code"] == "foreign_origin"
    return answer.status_code


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(
    ("method", "origin", "expected"),
    [
        ("POST", None, 200),
        ("POST", "http://localhost:3000", 200),
        ("POST", "http://127.0.0.1:3000", 200),
        ("POST", "http://evil.example", 403),
        ("POST", "null", 403),
        ("POST", "http://[", 403),
        ("GET", "http://evil.example", 200),
    ],
)
async def test_foreign_pages_change_nothing(
    local: bool, method: str, origin: str | None, expected: int
) -> None:
    assert await status(local, method, "localhost:8000", origin) == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["rebound.example:8000", "10.0.0.1", "[", "localhost.evil.example"])
async def test_a_name_that_was_made_to_lead_here_reads_nothing(method: str, host: str) -> None:
    origin = f"http://{host}"
    assert await status(True, method, host, origin) == 403
    if host != "[":
        assert await status(False, method, host, origin) == 200, "behind a name of its own it may"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "studio.localhost:8000"])
async def test_every_name_of_this_machine_is_served(host: str) -> None:
    assert await status(True, "GET", host) == 200


async def test_a_websocket_is_refused_before_it_is_accepted() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/_event", "headers": [(b"host", b"rebound.example")]}
    await SameOrigin(PlainTextResponse("served"), local=True)(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
