"""The limit as a visitor meets it: page and REST take from one budget, and a toast says when it goes on."""

import json

import pytest
from playwright.async_api import Page, expect
from simple_websocket import Client

from aistudio.ui.state import StudioState
from tests.e2e.conftest import Serve, Served
from tests.e2e.test_edit import open_graph, saved
from tests.e2e.test_trouble import WIRED
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORGED = {"X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6", "CF-Connecting-IP": "6.6.6.6"}


@pytest.fixture(scope="module")
def limited(serve: Serve, redis_of_session: RedisServer) -> Served:
    """A studio behind one trusted proxy, where two runs a minute may start."""
    return serve(RATE_LIMIT_EXECUTE_PER_MINUTE="2", REDIS_URL=redis_of_session.url, TRUST_PROXY="1")


def counted(server: RedisServer) -> set[str]:
    """The clients that have started runs."""
    return {name.split("/")[1] for name in server.names()}


async def test_page_and_rest_share_a_budget_and_run_works_again(
    page: Page, limited: Served, redis_of_session: RedisServer
) -> None:
    redis_of_session.forget()
    workflow_id = await open_graph(page, limited, WIRED)
    execute = f"/api/workflows/{workflow_id}/execute"
    card = page.get_by_test_id("node-agent")
    assert limited.post(execute, {}).status_code == 202
    await page.get_by_test_id("run").click()
    await expect(card).to_have_attribute("data-status", "completed", timeout=20_000)

    await card.click()
    prompt = page.get_by_test_id("properties").get_by_label("System prompt")
    await prompt.fill("Typed before the limit was met.")
    await page.get_by_test_id("run").click()
    toast = page.locator("[data-sonner-toast]")
    await expect(toast).to_contain_text("The run could not start")
    await expect(toast).to_contain_text(
        "You have started 2 runs within a minute, which is the limit here. The next can start in"
    )
    refused = limited.post(execute, {}, FORGED)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    await expect(prompt).to_have_value("Typed before the limit was met.")
    graph = await saved(page, limited, workflow_id)
    assert graph["nodes"][1]["config"]["system_prompt"] == "Typed before the limit was met."

    # Both doors know the same client.
    assert counted(redis_of_session) == {"127.0.0.1"}

    # As when the minute has passed.
    redis_of_session.forget()
    earlier = page.url
    await page.get_by_test_id("run").click()
    await expect(page).not_to_have_url(earlier)
    await expect(card).to_have_attribute("data-status", "completed", timeout=20_000)
    assert len(limited.get(f"/api/executions?workflow_id={workflow_id}").json()["items"]) == 3
    assert limited.get("/api/health").json()["checks"]["redis"] == "ok"


async def test_a_websocket_cannot_say_itself_whose_it_is(
    limited: Served, redis_of_session: RedisServer
) -> None:
    """Not by what is left of the proxy's entry, nor by other headers, cookies, the query or the event."""
    redis_of_session.forget()
    workflow_id = limited.post("/api/workflows", {"graph": WIRED}).json()["id"]
    headers = {**FORGED, "X-Forwarded-For": "6.6.6.6, 1.1.1.1", "Cookie": "ip=6.6.6.6"}
    query = "EIO=4&transport=websocket&token=of-a-test&ip=6.6.6.6&client_ip=6.6.6.6"
    address = f"{limited.url.replace('http', 'ws')}/_event/?{query}"
    socket = Client.connect(address, headers=headers)
    try:
        socket.send("40/_event,")
        for number in range(3):
            event = {
                "name": f"{StudioState.get_full_name()}.run",
                "payload": {"payload": {"workflow_id": workflow_id, "key": f"key {number}"}},
                "router_data": {"ip": "6.6.6.6", "headers": {"x-forwarded-for": "6.6.6.6"}, "pathname": "/"},
            }
            socket.send(f"42/_event,{json.dumps(['event', event])}")
        told = ""
        while "You have started 2 runs within a minute" not in told:
            message = socket.receive(timeout=20)
            assert message is not None, f"no refusal in {told}"
            told += message
            if message == "2":
                socket.send("3")
    finally:
        socket.close()
    assert counted(redis_of_session) == {"1.1.1.1"}
    assert len(limited.get(f"/api/executions?workflow_id={workflow_id}").json()["items"]) == 2
