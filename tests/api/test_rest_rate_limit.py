"""429 on REST, and whose budget it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from aistudio.api.app import create_api
from aistudio.studio.studio import Studio
from aistudio.ui.address import ClientAddress
from tests.studio.serving import runnable, studio_on

Servers = tuple[str, str]


@pytest.fixture
def servers(database_url: str, temporal_address: str) -> Servers:
    return database_url, temporal_address


@asynccontextmanager
async def behind(hops: int, studio: Studio) -> AsyncIterator[httpx2.AsyncClient]:
    app = ClientAddress(create_api(lambda: studio), hops=hops)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://studio") as client:
        yield client


async def execute_path(client: httpx2.AsyncClient) -> str:
    made = await client.post("/api/workflows", json={"graph": runnable()})
    return f"/api/workflows/{made.json()['id']}/execute"


async def test_a_start_too_many_is_429_and_no_header_helps(servers: Servers) -> None:
    async with (
        studio_on(*servers, rate_limit_execute_per_minute=2) as studio,
        behind(0, studio) as client,
    ):
        path = await execute_path(client)
        accepted = [await client.post(path, headers={"Idempotency-Key": "k"}) for _ in range(3)]
        assert {answer.status_code for answer in accepted} == {202}
        assert len({answer.json()["execution_id"] for answer in accepted}) == 1
        assert (await client.post(path)).status_code == 202
        forged: list[dict[str, str]] = [
            {},
            {"X-Forwarded-For": "6.6.6.6"},
            {"X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6", "CF-Connecting-IP": "6.6.6.6"},
        ]
        for headers in forged:
            refused = await client.post(path, headers=headers)
            assert refused.status_code == 429
            body: dict[str, Any] = refused.json()
            assert body["code"] == "rate_limited"
            assert body["message"].startswith("You have started 2 runs within a minute")
            wait = refused.headers["retry-after"]
            assert wait == str(body["details"]["retry_after_seconds"])
            assert 1 <= int(wait) <= 60
        again = await client.post(path, headers={"Idempotency-Key": "k"})
        assert again.json() == accepted[0].json()


async def test_behind_a_proxy_everybody_has_a_budget_and_nobody_a_second_one(servers: Servers) -> None:
    async with (
        studio_on(*servers, rate_limit_execute_per_day=1) as studio,
        behind(1, studio) as client,
    ):
        path = await execute_path(client)
        found = [
            (await client.post(path, headers={"X-Forwarded-For": chain})).status_code
            for chain in (
                "1.1.1.1",
                "9.9.9.9, 1.1.1.1",
                "2.2.2.2",
                "1.1.1.1, 2.2.2.2",
                "2001:db8::1",
                "2001:db8::2",
                "2001:db8:0:1::1",
            )
        ]
        assert found == [202, 429, 202, 429, 202, 429, 202]


async def test_openapi_tells_of_it(servers: Servers) -> None:
    async with studio_on(*servers) as studio, behind(0, studio) as client:
        paths = (await client.get("/api/openapi.json")).json()["paths"]
    told = paths["/api/workflows/{workflow_id}/execute"]["post"]["responses"]["429"]
    assert told["headers"]["Retry-After"]["schema"] == {"type": "integer", "minimum": 1}
