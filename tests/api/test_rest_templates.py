"""Every template of the gallery runs on the real engine, over REST; nobody has to be at the other end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from aistudio import gallery
from tests.studio.serving import worker_on


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name of the internet has an address."""
    known = socket.getaddrinfo

    def resolve(host: str, *more: Any, **options: Any) -> Any:
        if host.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
async def worker(database_url: str, temporal_address: str) -> AsyncIterator[None]:
    async with worker_on(database_url, temporal_address):
        yield


async def start(client: httpx2.AsyncClient, slug: str) -> str:
    """The path of a run of a template with its own sample."""
    template = (await client.get(f"/api/templates/{slug}")).json()
    created = await client.post("/api/workflows", json={"graph": template["graph"]})
    assert created.json()["graph"] == template["graph"]
    started = await client.post(f"/api/workflows/{created.json()['id']}/execute", json={})
    assert started.status_code == 202, started.text
    return f"/api/executions/{started.json()['execution_id']}"


async def until(client: httpx2.AsyncClient, run: str, status: str) -> Any:
    """The run's nodes when it has this status."""
    async with asyncio.timeout(30):
        while (now := (await client.get(run)).json())["status"] != status:
            assert now["status"] in ("pending", "running", "waiting"), now["error"]
            await asyncio.sleep(0.05)
    return now["nodes"]


@pytest.mark.parametrize("slug", [one.slug for one in gallery.templates() if one.slug != "refund-approval"])
async def test_a_template_completes(client: httpx2.AsyncClient, worker: None, slug: str) -> None:
    nodes = await until(client, await start(client, slug), "completed")
    assert {node["status"] for node in nodes.values()} <= {"completed", "skipped"}
    assert any("format" in (node["output"] or {}) for node in nodes.values())


async def test_an_approved_refund_goes_on_by_hand_without_a_network(
    client: httpx2.AsyncClient, worker: None
) -> None:
    run = await start(client, "refund-approval")
    await until(client, run, "waiting")
    decided = await client.post(f"{run}/nodes/sign_off/decision", json={"decision": "approve"})
    assert decided.status_code == 200
    nodes = await until(client, run, "completed")
    assert (nodes["book"]["status"], nodes["book"]["attempt"]) == ("failed", 2)
    assert nodes["book"]["error"]["code"] == "http_status"
    assert {name for name, node in nodes.items() if node["status"] == "skipped"} == {"booked", "declined"}
    assert "a colleague books it by hand" in nodes["letter"]["output"]["content"]


async def test_a_rejected_refund_is_declined_in_the_humans_words(
    client: httpx2.AsyncClient, worker: None
) -> None:
    run = await start(client, "refund-approval")
    await until(client, run, "waiting")
    body = {"decision": "reject", "comment": "The table was picked up and paid back in May."}
    await client.post(f"{run}/nodes/sign_off/decision", json=body)
    nodes = await until(client, run, "completed")
    assert {name for name, node in nodes.items() if node["status"] == "skipped"} == {
        "book",
        "booked",
        "by_hand",
    }
    assert body["comment"] in nodes["letter"]["output"]["content"]
