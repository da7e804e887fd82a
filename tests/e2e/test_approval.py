"""Somebody approves or rejects on the page, and everybody who looks sees who did and why."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Served, create_workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODES: list[dict[str, Any]] = [
    {"id": "start", "kind": "trigger", "title": "Order", "config": {"input": "400 tablets"}},
    {
        "id": "ask",
        "kind": "approval",
        "title": "Manager",
        "config": {"message": "Shall we order {{trigger.input}}?", "wait_seconds": 86_400},
    },
    {"id": "yes", "kind": "visualize", "title": "Ordered", "config": {"mode": "json"}},
    {"id": "no", "kind": "visualize", "title": "Turned down", "config": {"mode": "json"}},
]
PLACES = [(0, 80), (304, 80), (640, 0), (640, 200)]
GRAPH = {
    "schema": 1,
    "name": "Purchase",
    "nodes": [node | {"position": {"x": x, "y": y}} for node, (x, y) in zip(NODES, PLACES, strict=True)],
    "edges": [
        {"source": "start", "target": "ask"},
        {"source": "ask", "source_port": "approved", "target": "yes"},
        {"source": "ask", "source_port": "rejected", "target": "no"},
    ],
}


async def run_until_it_asks(page: Page, studio: Served) -> str:
    """Run the workflow of this module; the run's path in the API."""
    await page.goto(create_workflow(studio, GRAPH))
    await page.get_by_test_id("run").click()
    await expect(page.get_by_test_id("node-ask")).to_have_attribute("data-status", "waiting", timeout=20_000)
    run = re.search(r"run=([0-9a-f-]{36})", page.url)
    assert run is not None
    return f"/api/executions/{run[1]}"


async def test_somebody_approves_on_the_node_and_a_second_tab_sees_it(page: Page, studio: Served) -> None:
    path = await run_until_it_asks(page, studio)
    panel = page.get_by_test_id("panel")
    await expect(panel.locator("header").get_by_text("Waiting", exact=True)).to_be_visible()
    card = page.get_by_test_id("node-ask")
    await expect(card).to_contain_text("Shall we order 400 tablets?")
    await expect(card).to_contain_text("Until")
    second = await page.context.new_page()
    await second.goto(page.url)
    await expect(second.get_by_test_id("output").get_by_role("button", name="Approve")).to_be_visible()

    await card.get_by_label("Comment").fill("Within budget.")
    await card.get_by_role("button", name="Approve").click()
    for tab in (page, second):
        await expect(tab.get_by_test_id("node-ask")).to_have_attribute("data-status", "completed")
        await expect(tab.get_by_test_id("node-ask")).to_contain_text("Approved by local")
        await expect(tab.get_by_test_id("node-ask")).to_contain_text("Within budget.")
        await expect(tab.get_by_test_id("node-yes")).to_have_attribute("data-status", "completed")
        await expect(tab.get_by_test_id("node-no")).to_have_attribute("data-status", "skipped")
    await expect(page.locator(".wire.is-taken")).to_have_count(2)
    run = studio.get(path).json()
    assert run["status"] == "completed"
    assert run["nodes"]["ask"]["output"] == {
        "decision": "approved",
        "comment": "Within budget.",
        "by": "local",
    }


async def test_whoever_decides_second_is_told_who_was_faster(page: Page, studio: Served) -> None:
    path = await run_until_it_asks(page, studio)
    second = await page.context.new_page()
    await second.goto(page.url)
    await expect(second.get_by_test_id("output").get_by_role("button", name="Approve")).to_be_visible()
    # The other decision is through before this tab can have heard of it.
    await second.evaluate(
        """([path, body]) => {
            const other = new XMLHttpRequest();
            other.open("POST", path, false);
            other.setRequestHeader("content-type", "application/json");
            other.send(body);
            if (other.status !== 200) throw new Error(other.responseText);
            [...document.querySelectorAll("[data-testid=approval-ask] button")][0].click();
        }""",
        [f"{path}/nodes/ask/decision", json.dumps({"decision": "reject", "comment": "Too many."})],
    )
    await expect(second.get_by_text("It was rejected by local.")).to_be_visible(timeout=10_000)
    for tab in (page, second):
        await expect(tab.get_by_test_id("verdict-ask").first).to_contain_text("Rejected by local")
        await expect(tab.get_by_test_id("node-no")).to_have_attribute("data-status", "completed")
    assert "Too many." in await page.get_by_test_id("node-ask").inner_text()
