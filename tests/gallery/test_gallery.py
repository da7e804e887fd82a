"""Every template is valid, tidy, and runs to its end on the offline model along every branch."""

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
    assert [template.slug for template in TEMPLATES] == ["sales-inquiry-pipeline", "customer-support-triage"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.slug)
def test_a_template_is_valid_and_complete(template: Template) -> None:
    workflow = workflow_of(template)
    assert workflow.name == template.name
    assert template.outcome.endswith(".")
    assert all(node.title and node.description for node in workflow.nodes)
    branches = [branch for node in workflow.nodes for branch in node.config.get("branches", [])]  # type: ignore[union-attr]
    assert [sample.branch for sample in template.samples] == [branch["id"] for branch in branches]  # type: ignore[index,call-overload]
    assert branches[-1]["conditions"] == []  # type: ignore[index,call-overload]
    (trigger,) = [node for node in workflow.nodes if node.kind == "trigger"]
    assert trigger.config["input"] == template.samples[0].input


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
    ("template", "sample"), CASES, ids=[f"{template.slug}-{sample.branch}" for template, sample in CASES]
)
async def test_each_sample_takes_its_branch_and_completes(
    template: Template, sample: Sample, model: ModelClient
) -> None:
    workflow = workflow_of(template)
    run = await interpret(workflow, sample.input, model)

    assert run.outputs["route"] == {"branch": sample.branch}
    specialists = {edge.source_port: edge.target for edge in workflow.edges if edge.source == "route"}
    assert run.skipped == {node for port, node in specialists.items() if port != sample.branch}
    assert set(run.outputs) == {node.id for node in workflow.nodes} - run.skipped
    for node in workflow.nodes:
        if node.kind == "ai_agent" and node.id in run.outputs:
            assert text(run, node.id), node.id
    draft = text(run, specialists[sample.branch])
    assert len(draft.split()) > 25
    RESULTS[template.slug](run, draft)


async def test_the_sample_of_the_trigger_runs_without_an_input(model: ModelClient) -> None:
    for template in TEMPLATES:
        run = await interpret(workflow_of(template), None, model)
        assert run.outputs["route"] == {"branch": template.samples[0].branch}


def text(run: Run, node_id: str) -> str:
    output: Any = run.outputs[node_id]
    return str(output["response"]).strip()


def sales_result(run: Run, draft: str) -> None:
    shown: Any = run.outputs["reply"]
    assert shown == {"format": "markdown", "content": run.outputs["review"]["response"]}  # type: ignore[index,call-overload]
    assert shown["content"].startswith(draft.splitlines()[0])


def support_result(run: Run, draft: str) -> None:
    answer: Any = run.outputs["answer"]
    assert answer["format"] == "markdown"
    assert answer["content"].strip() == draft
    summary: Any = run.outputs["summary"]
    assert summary["format"] == "table"
    assert len(summary["content"]) > 1
    for row in summary["content"]:
        assert list(row) == ["Topic", "Details", "Owner", "Priority"]
        assert all(row.values())
    assert text(run, "mood") in ("positive", "neutral", "negative")
    assert {"classify", "mood"}.isdisjoint(run.started_with["classify"] | run.started_with["mood"])


RESULTS = {"sales-inquiry-pipeline": sales_result, "customer-support-triage": support_result}
