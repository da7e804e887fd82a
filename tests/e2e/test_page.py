"""The page itself: its policy, its themes, an address that leads nowhere."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Served
from tests.e2e.test_first_run import open_pipeline

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_policy_allows_no_eval_and_nothing_remote(page: Page, studio: Served) -> None:
    policy = studio.get("/").headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    await open_pipeline(page, studio)
    # From a timer of the page's own: the policy does not bind what the debugger evaluates.
    allowed = await page.evaluate(
        "() => new Promise(tell => setTimeout(() => {"
        "  try { window.eval('1'); tell(true) } catch { tell(false) }"
        "}))"
    )
    assert allowed is False
    page.complaints.clear()  # type: ignore[attr-defined]


async def test_both_themes_are_designed(page: Page, studio: Served) -> None:
    await open_pipeline(page, studio)
    colours = []
    for _ in range(2):
        colours.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        await page.get_by_label("Switch between light and dark").click()
        await page.wait_for_timeout(200)
    assert len(set(colours)) == 2


async def test_an_unknown_workflow_says_so_and_leads_on(page: Page, studio: Served) -> None:
    await page.goto(f"{studio.url}/w/00000000-0000-4000-8000-000000000000")
    await expect(page.get_by_role("heading", name="This workflow is not here")).to_be_visible()
    await page.get_by_role("link", name="Open your latest workflow").click()
    await expect(page.locator("article.card").first).to_be_visible()


async def test_an_address_that_is_no_page_says_so_and_leads_on(page: Page, studio: Served) -> None:
    answer = await page.goto(f"{studio.url}/nothing")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="This page is not here")).to_be_visible()
    await page.get_by_role("link", name="Open your latest workflow").click()
    await expect(page.locator("article.card").first).to_be_visible()
    # The browser itself notes the status of what it was asked to open.
    assert [line for line in page.complaints if "404" not in line] == []  # type: ignore[attr-defined]
    page.complaints.clear()  # type: ignore[attr-defined]


async def test_another_website_is_kept_out(studio: Served) -> None:
    foreign = {"Origin": "https://evil.example"}
    refused = studio.post("/api/workflows", {"graph": {}}, foreign)
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign_origin")
    own = studio.post("/api/workflows", {"graph": {}}, {"Origin": studio.url})
    assert own.status_code == 201
