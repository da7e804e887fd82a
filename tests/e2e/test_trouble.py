"""When PostgreSQL, the key or the connection fails: the page says so, and nothing typed is lost."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from aistudio.embedded.postgres import Postgres
from tests.e2e.conftest import Serve, Served
from tests.e2e.test_edit import PAIR, open_graph, saved
from tests.support.model_server import Behaviour, ModelServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIRED: dict[str, Any] = {**PAIR, "edges": [{"id": "e1", "source": "start", "target": "agent"}]}
KEY = "sk-secret-key-0123456789"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL that this test may stop."""
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    """A model endpoint."""
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def fragile(serve: Serve, postgres: Postgres, model: ModelServer) -> Served:
    """A studio on servers that this test may stop."""
    return serve(DATABASE_URL=postgres.url, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=model.base_url)


async def test_an_edit_outlives_a_stopped_postgresql_and_a_reload(
    page: Page, fragile: Served, postgres: Postgres
) -> None:
    workflow_id = await open_graph(page, fragile, WIRED)
    await page.get_by_test_id("node-agent").click()
    prompt = page.get_by_test_id("properties").get_by_label("System prompt")

    postgres.stop()
    await prompt.fill("Typed while PostgreSQL was away.")
    await expect(page.get_by_test_id("save-trouble")).to_contain_text("PostgreSQL", timeout=20_000)
    health = fragile.get("/api/health")
    assert health.status_code == 503
    assert health.json()["checks"]["database"] != "ok"
    await page.get_by_test_id("run").click()
    await expect(page.get_by_text("The run could not start")).to_be_visible(timeout=20_000)

    await page.reload()
    await expect(page.get_by_test_id("save-trouble")).to_be_visible(timeout=20_000)
    await page.get_by_test_id("node-agent").click()
    await expect(prompt).to_have_value("Typed while PostgreSQL was away.")
    await prompt.press("Control+End")
    await prompt.press_sequentially(" And more.")

    postgres.start()
    await expect(page.get_by_test_id("saved")).to_have_text("Saved", timeout=30_000)
    graph = await saved(page, fragile, workflow_id)
    assert graph["nodes"][1]["config"]["system_prompt"] == "Typed while PostgreSQL was away. And more."


async def test_a_wrong_key_fails_the_node_with_the_providers_reason(
    page: Page, fragile: Served, model: ModelServer
) -> None:
    model.script(Behaviour(status=401, message=f"Incorrect API key provided: {KEY}"))
    await open_graph(page, fragile, WIRED)
    await page.get_by_test_id("run").click()
    card = page.get_by_test_id("node-agent")
    await expect(card).to_have_attribute("data-status", "failed", timeout=20_000)
    await expect(card).to_contain_text("401")
    await expect(card).to_contain_text("OPENAI_API_KEY")
    run = re.search(r"run=([0-9a-f-]{36})", page.url)
    assert run is not None
    stored = fragile.get(f"/api/executions/{run[1]}")
    assert stored.json()["nodes"]["agent"]["error"]["code"] == "model_auth"
    events = fragile.get(f"/api/executions/{run[1]}/events")
    for place in (stored.text, events.text, await page.content(), fragile.log.read_text()):
        assert KEY not in place


async def test_hostile_output_harms_nothing(page: Page, fragile: Served, model: ModelServer) -> None:
    hostile = (
        "# Title\n\n<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\n\n"
        "![tracker](https://evil.example/pixel.png) [click](javascript:window.hacked=1)\n\n"
        "[fine](https://example.com)"
    )
    model.script(Behaviour(text=hostile))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    shown = {"id": "show", "kind": "visualize", "title": "Show", "position": {"x": 640, "y": 0}}
    graph = {
        **WIRED,
        "nodes": [*WIRED["nodes"], shown],
        "edges": [*WIRED["edges"], {"id": "e2", "source": "agent", "target": "show"}],
    }
    await open_graph(page, fragile, graph)
    await page.get_by_test_id("run").click()
    result = page.get_by_test_id("result-show")
    await expect(result.get_by_role("heading", name="Title")).to_be_visible(timeout=20_000)
    assert await result.locator("img, script").count() == 0
    links = await result.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert "https://example.com" in links
    assert not any((link or "").startswith("javascript") for link in links)
    assert await page.evaluate("window.hacked") is None
    assert [url for url in requested if not url.startswith((fragile.url, "ws:", "data:"))] == []
