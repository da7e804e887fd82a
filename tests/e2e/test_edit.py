"""Building a workflow with the mouse, and finding it saved."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import Served, create_workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_graph(page: Page, studio: Served, graph: dict[str, Any]) -> str:
    """A workflow of this test's own, open in the page."""
    address = create_workflow(studio, graph)
    await page.goto(address)
    await expect(page.get_by_test_id("saved")).to_have_text("Saved", timeout=15_000)
    return address.rsplit("/", 1)[1]


async def saved(page: Page, studio: Served, workflow_id: str) -> dict[str, Any]:
    """The draft on the server once the page says that it is saved."""
    await page.wait_for_timeout(500)
    await expect(page.get_by_test_id("saved")).to_have_text("Saved")
    graph: dict[str, Any] = studio.get(f"/api/workflows/{workflow_id}").json()["graph"]
    return graph


async def drag(page: Page, source: Locator, target: Locator) -> None:
    """With the mouse, in steps, as a person does."""
    start, end = await source.bounding_box(), await target.bounding_box()
    assert start is not None
    assert end is not None
    await page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=12)
    await page.mouse.up()


PAIR: dict[str, Any] = {
    "schema": 1,
    "name": "Pair",
    "nodes": [
        {"id": "start", "kind": "trigger", "title": "Start", "position": {"x": 0, "y": 0}},
        {
            "id": "agent",
            "kind": "ai_agent",
            "title": "Agent",
            "position": {"x": 320, "y": 0},
            "config": {"system_prompt": "Answer."},
        },
    ],
    "edges": [],
}


async def test_drag_from_the_palette_connect_select_and_delete(page: Page, studio: Served) -> None:
    workflow_id = await open_graph(page, studio, PAIR)
    await page.locator(".palette-entry", has_text="Visualize").drag_to(
        page.locator(".react-flow__pane"), target_position={"x": 600, "y": 420}
    )
    await expect(page.locator("article.card")).to_have_count(3)

    start, agent = page.get_by_test_id("node-start"), page.get_by_test_id("node-agent")
    await drag(page, start.get_by_label("Output"), agent.get_by_label("Input"))
    await expect(page.locator(".react-flow__edge")).to_have_count(1)
    graph = await saved(page, studio, workflow_id)
    assert [node["kind"] for node in graph["nodes"]] == ["trigger", "ai_agent", "visualize"]
    edge = graph["edges"][0]
    assert (edge["source"], edge["source_port"], edge["target"]) == ("start", "out", "agent")

    await drag(page, start.get_by_label("Output"), agent.get_by_label("Input"))
    await expect(page.get_by_text("already connected")).to_be_visible()
    await expect(page.locator(".react-flow__edge")).to_have_count(1)

    await agent.click()
    await expect(page.get_by_test_id("properties")).to_be_visible()
    await page.locator(".react-flow__pane").focus()
    await page.keyboard.press("Delete")
    await expect(page.locator("article.card")).to_have_count(2)
    graph = await saved(page, studio, workflow_id)
    assert "agent" not in {node["id"] for node in graph["nodes"]}
    assert graph["edges"] == []

    await page.get_by_label("Undo").click()
    await expect(page.locator("article.card")).to_have_count(3)
    graph = await saved(page, studio, workflow_id)
    assert "agent" in {node["id"] for node in graph["nodes"]}
    assert len(graph["edges"]) == 1


async def test_every_config_field_of_an_agent_can_be_edited(page: Page, studio: Served) -> None:
    workflow_id = await open_graph(page, studio, PAIR)
    await page.get_by_test_id("node-agent").click()
    form = page.get_by_test_id("properties")
    await form.get_by_label("Title").fill("Writer")
    await form.get_by_label("System prompt").fill("Write about {{trigger.input}}.")
    await form.get_by_label("Model", exact=True).fill("some/model")
    await form.get_by_label("Temperature").fill("0.5")
    await form.get_by_label("Longest answer").fill("200")
    await form.get_by_label("Output schema").fill('{"type": "object"')
    await expect(form.get_by_text("Not JSON yet")).to_be_visible()
    await form.get_by_label("Output schema").fill('{"type": "object"}')
    await form.get_by_text("When it fails").click()
    await form.get_by_label("Then").select_option("route")
    await form.get_by_label("Attempts").fill("5")
    await expect(page.get_by_test_id("node-agent").get_by_text("On error")).to_be_visible()
    graph = await saved(page, studio, workflow_id)
    agent = graph["nodes"][1]
    assert agent["title"] == "Writer"
    assert agent["config"] == {
        "system_prompt": "Write about {{trigger.input}}.",
        "model": "some/model",
        "temperature": 0.5,
        "max_tokens": 200,
        "output_schema": {"type": "object"},
    }
    assert (agent["on_error"], agent["retry"]) == ("route", {"max_attempts": 5})

    await form.get_by_label("System prompt").fill("")
    await expect(page.locator(".problems summary")).to_be_visible()
    await expect(form.locator(".field.has-problem")).to_have_count(1)


async def test_names_with_texts_and_a_body_that_may_be_json(page: Page, studio: Served) -> None:
    call = {
        "id": "call",
        "kind": "http_request",
        "position": {"x": 320, "y": 0},
        "config": {"url": "https://web.example/", "headers": {"Accept": "text/csv"}},
    }
    workflow_id = await open_graph(page, studio, {**PAIR, "nodes": [PAIR["nodes"][0], call]})
    await page.get_by_test_id("node-call").click()
    form = page.get_by_test_id("properties")
    await form.get_by_label("Method").select_option("PUT")
    query = form.get_by_role("group", name="Query")
    for number, (name, text) in enumerate([("q", "{{trigger.input}}"), ("q", "late"), ("", "nameless")], 1):
        await query.get_by_role("button", name="Add").click()
        await query.get_by_label(f"Name {number} of Query").fill(name)
        await query.get_by_label(f"Value {number} of Query").fill(text)
    await expect(query.get_by_text("stands twice")).to_be_visible()
    await query.get_by_label("Name 2 of Query").fill("page")
    await expect(query.get_by_text("stands twice")).to_have_count(0)
    await form.get_by_role("group", name="Headers").get_by_label("Remove row 1").click()
    await form.get_by_label("Body").fill('{"city": "{{trigger.input}}"')
    graph = await saved(page, studio, workflow_id)
    assert graph["nodes"][1]["config"]["body"] == '{"city": "{{trigger.input}}"'
    await form.get_by_label("Body").press_sequentially("}")
    graph = await saved(page, studio, workflow_id)
    assert graph["nodes"][1]["config"] == {
        "method": "PUT",
        "url": "https://web.example/",
        "headers": {},
        "query": {"q": "{{trigger.input}}", "page": "late"},
        "body": {"city": "{{trigger.input}}"},
    }
    await expect(query.get_by_label("Value 3 of Query")).to_have_value("nameless")


async def test_a_decision_is_edited_with_controls_and_edges_follow_branches(
    page: Page, studio: Served
) -> None:
    decision = {
        "id": "route",
        "kind": "decision",
        "title": "Route",
        "position": {"x": 320, "y": 0},
        "config": {
            "branches": [
                {"id": "yes", "label": "Yes", "conditions": []},
                {"id": "no", "label": "No", "conditions": []},
            ]
        },
    }
    end = {"id": "end", "kind": "visualize", "title": "End", "position": {"x": 640, "y": 0}}
    wires = [{"id": "e1", "source": "start", "target": "route"}]
    wires += [{"id": "e2", "source": "route", "source_port": "no", "target": "end"}]
    graph = {**PAIR, "nodes": [PAIR["nodes"][0], decision, end], "edges": wires}
    workflow_id = await open_graph(page, studio, graph)
    await page.get_by_test_id("node-route").click()
    form = page.get_by_test_id("properties")

    first = form.get_by_role("group", name="Branch 1")
    await first.get_by_role("button", name="Condition", exact=True).click()
    await first.get_by_label("Left side").fill("{{trigger.input}}")
    await first.get_by_label("Operator").select_option("not_equals")
    await first.get_by_label("Right side").fill("stop")
    await first.get_by_role("button", name="Condition", exact=True).click()
    await first.get_by_label("Joined by").select_option("or")
    await first.get_by_label("Left side").nth(1).fill("{{trigger.input}}")
    await first.get_by_label("Operator").nth(1).select_option("is_empty")
    await form.get_by_role("button", name="Branch", exact=True).click()
    await form.get_by_label("Name of branch 3").fill("Perhaps")
    await form.get_by_label("Name of branch 2").fill("Never")

    stored = await saved(page, studio, workflow_id)
    branches = stored["nodes"][1]["config"]["branches"]
    assert [branch["label"] for branch in branches] == ["Yes", "Never", "Perhaps"]
    assert branches[0]["conditions"] == [
        {"left": "{{trigger.input}}", "operator": "not_equals", "right": "stop"},
        {"left": "{{trigger.input}}", "operator": "is_empty", "join": "or"},
    ]
    assert stored["edges"][1]["source_port"] == "no"
    await expect(page.get_by_test_id("node-route").get_by_text("Never")).to_be_visible()

    await form.get_by_label("Remove branch 2").click()
    await expect(page.locator(".react-flow__edge")).to_have_count(1)
    stored = await saved(page, studio, workflow_id)
    assert [edge["id"] for edge in stored["edges"]] == ["e1"]


async def test_two_tabs_merge_what_does_not_collide_and_ask_about_what_does(
    page: Page, studio: Served
) -> None:
    workflow_id = await open_graph(page, studio, PAIR)
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.get_by_test_id("saved")).to_have_text("Saved")

    await page.get_by_test_id("node-agent").click()
    await page.get_by_test_id("properties").get_by_label("Title").fill("First tab")
    await saved(page, studio, workflow_id)
    await other.get_by_label("Workflow name").fill("Second tab")
    graph = await saved(other, studio, workflow_id)
    assert (graph["name"], graph["nodes"][1]["title"]) == ("Second tab", "First tab")

    await page.get_by_label("Workflow name").fill("Mine")
    await expect(page.get_by_role("alert")).to_contain_text("changed in another tab")
    await page.get_by_role("button", name="Keep mine").click()
    graph = await saved(page, studio, workflow_id)
    assert (graph["name"], graph["nodes"][1]["title"]) == ("Mine", "First tab")


async def test_undo_takes_back_nobody_elses_work(page: Page, studio: Served) -> None:
    workflow_id = await open_graph(page, studio, PAIR)
    await page.get_by_test_id("node-agent").click()
    await page.get_by_test_id("properties").get_by_label("Title").fill("Mine")
    await saved(page, studio, workflow_id)
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.get_by_test_id("saved")).to_have_text("Saved")
    await other.get_by_label("Workflow name").fill("Theirs")
    await saved(other, studio, workflow_id)

    await page.get_by_test_id("properties").get_by_label("Note").fill("Merges with theirs")
    graph = await saved(page, studio, workflow_id)
    assert graph["name"] == "Theirs"
    await page.get_by_label("Undo").click()
    await page.get_by_label("Undo").click()
    graph = await saved(page, studio, workflow_id)
    assert graph["nodes"][1]["title"] == "Agent"
    assert graph["name"] == "Theirs"


async def test_a_draft_without_a_list_of_edges_is_edited_and_saved(page: Page, studio: Served) -> None:
    workflow_id = await open_graph(page, studio, {"nodes": PAIR["nodes"]})
    await page.get_by_label("Workflow name").fill("Named")
    assert (await saved(page, studio, workflow_id))["name"] == "Named"
    start, agent = page.get_by_test_id("node-start"), page.get_by_test_id("node-agent")
    await drag(page, start.get_by_label("Output"), agent.get_by_label("Input"))
    assert len((await saved(page, studio, workflow_id))["edges"]) == 1


async def test_the_error_wire_goes_with_its_port(page: Page, studio: Served) -> None:
    end = {"id": "end", "kind": "visualize", "title": "End", "position": {"x": 640, "y": 0}}
    agent = {**PAIR["nodes"][1], "on_error": "route"}
    wire = {"id": "e1", "source": "agent", "source_port": "error", "target": "end"}
    graph = {**PAIR, "nodes": [PAIR["nodes"][0], agent, end], "edges": [wire]}
    workflow_id = await open_graph(page, studio, graph)
    await page.get_by_test_id("node-agent").click()
    await page.get_by_test_id("properties").get_by_label("Then").select_option("continue")
    assert (await saved(page, studio, workflow_id))["edges"] == []


async def test_an_unsound_draft_is_shown_saved_and_refuses_to_run(page: Page, studio: Served) -> None:
    broken: dict[str, Any] = {
        **PAIR,
        "nodes": [*PAIR["nodes"], {"id": "odd", "kind": "teleporter", "position": {"x": 0, "y": 200}}],
        "edges": [
            {"id": "e1", "source": "start", "target": "agent"},
            {"id": "e2", "source": "agent", "target": "nobody"},
        ],
    }
    await open_graph(page, studio, broken)
    await expect(page.get_by_text("Unknown kind “teleporter”")).to_be_visible()
    await page.get_by_test_id("run").click()
    await expect(page.get_by_text("Solve the problems first")).to_be_visible()
    await expect(page.get_by_test_id("run")).to_be_enabled()
    await page.locator(".problems summary").click()
    await page.locator(".problems li button", has_text=re.compile("teleporter")).click()
    await expect(page.get_by_test_id("properties")).to_contain_text("odd")
    await page.get_by_role("button", name="Remove wire").first.click()
    await expect(page.get_by_role("button", name="Remove wire")).to_have_count(0)
