"""Every template is valid, tidy, and runs to its end on the offline model along every branch."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from interpreter import Run, interpret

from aistudio import gallery
from aistudio.gallery import Sample, Template
from aistudio.graph.definition import Node, Workflow
from aistudio.graph.validation import validate
from aistudio.llm.client import ModelClient
from aistudio.nodes.registry import specs
from aistudio.settings import Settings

TEMPLATES = gallery.templates()
CASES = [(template, sample) for template in TEMPLATES for sample in template.samples]
CARD_WIDTH, CARD_HEIGHT, DECISION_HEIGHT = 240, 96, 200
GAP = 32


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelClient]:
    for key in ("OPENROUTER_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    client = ModelClient(Settings(_env_file=None), offline_pace=0)
    assert client.simulated
    yield client
    await client.aclose()


def workflow_of(template: Template) -> Workflow:
    found = validate(template.graph, specs())
    assert found.problems == []
    assert found.workflow is not None
    return found.workflow


def test_a_new_visitor_is_met_by_the_sales_inquiry_pipeline() -> None:
    assert TEMPLATES[0].slug == "sales-inquiry-pipeline"


def test_the_gallery_has_seven_templates() -> None:
    assert {template.slug for template in TEMPLATES} == RESULTS.keys()
    assert len(TEMPLATES) == 7


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.slug)
def test_a_template_is_valid_and_complete(template: Template) -> None:
    workflow = workflow_of(template)
    assert workflow.name == template.name
    assert template.outcome.endswith(".")
    assert all(node.title and node.description for node in workflow.nodes)
    assert all(branches[-1]["conditions"] == [] for branches in decisions(workflow).values())
    named = [sample.branch for sample in template.samples if sample.branch is not None]
    if named:
        (branches,) = decisions(workflow).values()
        assert named == [branch["id"] for branch in branches]
    (trigger,) = [node for node in workflow.nodes if node.kind == "trigger"]
    assert trigger.config["input"] in [sample.input for sample in template.samples]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.slug)
def test_a_template_that_is_exported_and_imported_is_the_same(template: Template) -> None:
    exported = json.dumps(workflow_of(template).model_dump(mode="json"))
    assert workflow_of(template) == Workflow.model_validate_json(exported)
    for node, raw in zip(json.loads(exported)["nodes"], template.graph["nodes"], strict=True):  # type: ignore[arg-type]
        assert raw.items() <= node.items()  # type: ignore[union-attr]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.slug)
def test_a_template_is_laid_out_from_left_to_right_without_overlaps(template: Template) -> None:
    workflow = workflow_of(template)
    at = {node.id: node.position for node in workflow.nodes}
    for edge in workflow.edges:
        assert at[edge.target].x - at[edge.source].x >= CARD_WIDTH + GAP
    for index, one in enumerate(workflow.nodes):
        assert (one.position.x % 16, one.position.y % 16) == (0, 0)
        assert not [other.id for other in workflow.nodes[:index] if overlap(one, other)]


def overlap(one: Node, other: Node) -> bool:
    upper, lower = sorted((one, other), key=lambda node: node.position.y)
    height = DECISION_HEIGHT if upper.kind == "decision" else CARD_HEIGHT
    return (
        abs(one.position.x - other.position.x) < CARD_WIDTH
        and lower.position.y - upper.position.y < height + GAP
    )


@pytest.mark.parametrize(
    ("template", "sample"), CASES, ids=[f"{template.slug}-{sample.label}" for template, sample in CASES]
)
async def test_each_sample_takes_its_branch_and_completes(
    template: Template, sample: Sample, model: ModelClient
) -> None:
    workflow = workflow_of(template)
    run = await interpret(workflow, sample.input, model)

    if sample.branch is not None:
        (route,) = decisions(workflow)
        assert run.outputs[route] == {"branch": sample.branch}
    assert run.outputs.keys() | run.skipped == {node.id for node in workflow.nodes}
    for node in workflow.nodes:
        if node.kind == "ai_agent" and node.id in run.outputs:
            assert text(run, node.id), node.id
    shown = {node.id for node in workflow.nodes if node.kind == "visualize"} & run.outputs.keys()
    assert shown
    for node_id in shown:
        assert "{{" not in str(run.outputs[node_id])
    RESULTS[template.slug](run, sample)


async def test_the_sample_of_the_trigger_runs_without_an_input(model: ModelClient) -> None:
    for template in TEMPLATES:
        workflow = workflow_of(template)
        run = await interpret(workflow, None, model)
        (trigger,) = [node for node in workflow.nodes if node.kind == "trigger"]
        assert run.outputs[trigger.id] == trigger.config


def decisions(workflow: Workflow) -> dict[str, Any]:
    """The branches of each decision, by its id."""
    return {node.id: node.config["branches"] for node in workflow.nodes if node.kind == "decision"}


def named(slug: str) -> Workflow:
    """The workflow of a template."""
    return workflow_of(next(template for template in TEMPLATES if template.slug == slug))


def text(run: Run, node_id: str) -> str:
    output: Any = run.outputs[node_id]
    return str(output["response"]).strip()


def content(run: Run, node_id: str, wanted: str) -> Any:
    """What a visualisation shows, which has this format."""
    output: Any = run.outputs[node_id]
    assert output["format"] == wanted
    return output["content"]


def sales_result(run: Run, sample: Sample) -> None:
    draft = text(run, f"{sample.branch}_specialist")
    assert len(draft.split()) > 25
    reply = content(run, "reply", "markdown")
    assert reply.strip() == text(run, "review")
    assert reply.startswith(draft.splitlines()[0])


def support_result(run: Run, sample: Sample) -> None:
    team = {"billing": "billing_agent", "technical": "technical_agent", "other": "care_agent"}
    draft = text(run, team[str(sample.branch)])
    assert len(draft.split()) > 25
    assert content(run, "answer", "markdown").strip() == draft
    summary = content(run, "summary", "table")
    assert len(summary) > 1
    for row in summary:
        assert list(row) == ["Topic", "Details", "Owner", "Priority"]
        assert all(row.values())
    assert text(run, "mood") in ("positive", "neutral", "negative")
    assert {"classify", "mood"}.isdisjoint(run.started_with["classify"] | run.started_with["mood"])


def debate_result(run: Run, sample: Sample) -> None:
    sides = ("for_side", "against_side")
    assert text(run, "for_side") != text(run, "against_side")
    assert all(len(text(run, side).split()) > 40 for side in sides)
    assert not run.started_with["for_side"] & {*sides}
    points = content(run, "scoreboard", "stat_cards")
    assert {0 <= points[side] <= 10 for side in ("For", "Against")} == {True}
    won = "carried" if points["For"] > points["Against"] else "lost"
    assert content(run, "verdict", "markdown").startswith(f"## The motion is {won}\n")
    judged: Any = run.outputs["judge"]
    assert judged["data"]["best_for"].rstrip(".") in text(run, "for_side")
    assert judged["data"]["best_against"].rstrip(".") in text(run, "against_side")


def repurposer_result(run: Run, sample: Sample) -> None:
    pieces = ("linkedin", "thread", "newsletter")
    assert run.started_with["linkedin"] == run.started_with["newsletter"] == {"article"}
    pack = content(run, "document", "markdown")
    assert all(text(run, piece) in pack for piece in pieces)
    assert re.findall(r"^(\d)/5 ", text(run, "thread"), re.MULTILINE) == [*"12345"]
    assert all(len(post) <= 280 for post in text(run, "thread").split("\n\n"))
    assert text(run, "newsletter").startswith("**")
    assert pack.count("https://blog.example/story") == 3


def meeting_result(run: Run, sample: Sample) -> None:
    if sample.branch == "tasks":
        rows = content(run, "table", "table")
        assert [(row["Owner"], row["Due"], row["Priority"]) for row in rows] == [
            ("Jonas", "by Thursday", "medium"),
            ("Mei", "today", "high"),
            ("open", "1 June", "medium"),
            ("Priya", "next Monday", "medium"),
        ]
    else:
        assert content(run, "table", "markdown") == "Nobody has taken anything on in this meeting."
    minutes = content(run, "document", "markdown")
    assert re.findall("^## (.+)", minutes, re.MULTILINE) == [
        "Summary", "Decisions", "Action items", "Open questions",
    ]  # fmt: skip
    assert ("We agreed to keep the old price" in minutes) == (sample.branch == "tasks")


def research_result(run: Run, sample: Sample) -> None:
    assert run.started_with["demand"] == run.started_with["competition"] == {"question"}
    brief = content(run, "document", "markdown")
    assert brief.startswith("> **Nothing was looked up")
    assert re.findall("^## (.+)", brief, re.MULTILINE) == [
        "Summary", "Demand", "Competition", "Risks", "Recommendation",
    ]  # fmt: skip


def refund_result(run: Run, sample: Sample) -> None:
    assert ("sign_off" in run.skipped) == (sample.branch == "small")
    assert run.live_ports["book"] == ("error",)
    letter = content(run, "letter", "markdown")
    order = re.search(r"LW-\d+", sample.input)
    assert order is not None
    assert order.group() in letter
    assert "books it by hand" in letter


RESULTS = {
    "sales-inquiry-pipeline": sales_result,
    "customer-support-triage": support_result,
    "ai-debate": debate_result,
    "content-repurposer": repurposer_result,
    "meeting-notes-to-action-items": meeting_result,
    "market-research-brief": research_result,
    "refund-approval": refund_result,
}


@pytest.mark.parametrize(("points", "verdict"), [((7, 4), "carried"), ((4, 7), "lost"), ((5, 5), "lost")])
async def test_points_decide_a_debate_and_a_tie_is_lost(
    points: tuple[int, int], verdict: str, model: ModelClient
) -> None:
    words = {"best_for": "It is cheap.", "best_against": "It is late.", "reasoning": "Close."}
    judged = {"response": "", "data": {"points_for": points[0], "points_against": points[1], **words}}
    run = await interpret(named("ai-debate"), None, model, given={"judge": judged})
    assert content(run, "verdict", "markdown").startswith(f"## The motion is {verdict}\n")
    assert content(run, "scoreboard", "stat_cards") == {"For": points[0], "Against": points[1]}


async def test_a_piece_that_fails_leaves_a_gap_in_the_pack(model: ModelClient) -> None:
    failed = {"error": {"code": "model_unavailable", "message": "Nobody answers."}}
    run = await interpret(named("content-repurposer"), None, model, given={"thread": failed})
    pack = content(run, "document", "markdown")
    assert "There is no thread." in pack
    assert text(run, "linkedin") in pack


@pytest.mark.parametrize("researcher", ["demand", "competition"])
async def test_a_brief_with_one_source_needs_no_warning(researcher: str, model: ModelClient) -> None:
    found = {"response": "- 40,000 offices refill [already](https://stat.example/1)."}
    run = await interpret(named("market-research-brief"), None, model, given={researcher: found})
    assert run.skipped == {"warning"}
    assert content(run, "document", "markdown") == text(run, "brief")


async def test_a_refund_says_what_a_human_decided(model: ModelClient) -> None:
    workflow = named("refund-approval")
    run = await interpret(workflow, None, model, decision="reject")
    assert "1280 euros to Omar Haddad for order LW-19566?" in run.asked["sign_off"]
    assert run.skipped == {"book", "booked", "by_hand"}
    letter = content(run, "letter", "markdown")
    assert "cannot refund the 1280 euros. As agreed on the phone." in letter

    taken = {"status": 201, "headers": {}, "body": {"id": "r-1"}}
    run = await interpret(workflow, None, model, given={"book": taken})
    assert run.skipped == {"by_hand", "declined"}
    assert "is booked" in content(run, "letter", "markdown")
