"""What the README promises: open the page, press Run, watch every step, and lose nothing on a reload."""

import asyncio
import re
from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Serve, Served, create_workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN_MS = 90_000


async def open_pipeline(page: Page, studio: Served) -> None:
    """A Sales Inquiry Pipeline of this test's own."""
    template = studio.get("/api/templates/sales-inquiry-pipeline").json()
    await page.goto(create_workflow(studio, template["graph"]))
    await expect(page.locator("article.card")).to_have_count(8, timeout=15_000)


async def statuses(page: Page) -> dict[str, str]:
    """Each node's status as the page shows it."""
    cards = await page.locator("article.card").evaluate_all(
        "cards => cards.map(card => [card.dataset.testid.slice(5), card.dataset.status])"
    )
    return dict(cards)


def execution(studio: Served, page: Page) -> dict[str, object]:
    """The run in the page's address, as stored."""
    found = re.search(r"run=([0-9a-f-]{36})", page.url)
    assert found is not None, page.url
    stored: dict[str, object] = studio.get(f"/api/executions/{found[1]}").json()
    return stored


async def test_a_visitor_watches_a_run_and_reloads_in_the_middle(page: Page, serve: Serve) -> None:
    studio = serve()
    await page.goto(studio.url)
    await page.wait_for_url(re.compile(r"/w/[0-9a-f-]{36}"), wait_until="commit")
    await expect(page.get_by_label("Workflow name")).to_have_value("Sales Inquiry Pipeline", timeout=15_000)
    await expect(page.locator("article.card")).to_have_count(8)
    await expect(page.get_by_test_id("offline-banner")).to_contain_text("OPENROUTER_API_KEY")
    await page.get_by_test_id("run").click()

    stream = page.get_by_test_id("stream").first
    await expect(stream).to_be_visible(timeout=RUN_MS)
    seen: list[str] = []
    lengths: list[int] = []
    running_while_idle = False
    reloaded = False
    async with asyncio.timeout(RUN_MS / 1000):
        while await page.get_by_test_id("panel").get_by_text("Completed", exact=True).count() == 0:
            now = await statuses(page)
            running_while_idle |= "running" in now.values() and "idle" in now.values()
            texts = await page.evaluate(
                "() => [...document.querySelectorAll('[data-testid=stream]')].map(p => p.textContent)"
            )
            if texts and (not seen or texts[0] != seen[-1]):
                seen.append(texts[0])
                lengths.append(len(texts[0]))
            if len(seen) == 6 and not reloaded:
                reloaded = True
                before = {node for node, status in now.items() if status == "completed"}
                await page.reload()
                await expect(page.locator("article.card")).to_have_count(8)
                await expect(page.get_by_test_id("panel").locator(".log-line").first).to_be_visible()
                after = await statuses(page)
                assert {node for node in before if after[node] == "completed"} == before
            await asyncio.sleep(0.03)

    assert reloaded
    assert running_while_idle
    grown = [longer for shorter, longer in pairwise(seen) if longer.startswith(shorter)]
    assert len(grown) >= 3, seen

    stored = execution(studio, page)
    assert stored["status"] == "completed"
    shown = await statuses(page)
    nodes = stored["nodes"]
    assert isinstance(nodes, dict)
    assert shown == {node_id: node["status"] for node_id, node in nodes.items()}
    assert "skipped" in shown.values()
    result = next(node_id for node_id, node in nodes.items() if "format" in (node["output"] or {}))
    card = page.get_by_test_id(f"result-{result}")
    text = re.sub(r"\W+", "", await card.inner_text())
    content = re.sub(r"\W+", "", str(nodes[result]["output"]["content"]))
    assert text[:40]
    assert text[:40] in content


async def test_stop_ends_a_run_in_the_middle(page: Page, studio: Served) -> None:
    await open_pipeline(page, studio)
    await page.get_by_test_id("run").click()
    await expect(page.get_by_test_id("stream").first).to_be_visible(timeout=RUN_MS)
    await page.get_by_test_id("stop").click()
    await expect(page.get_by_test_id("panel").get_by_text("Cancelled", exact=True)).to_be_visible(
        timeout=10_000
    )
    await expect(page.get_by_test_id("run")).to_be_enabled()
    assert execution(studio, page)["status"] == "cancelled"
    assert "cancelled" in (await statuses(page)).values()
