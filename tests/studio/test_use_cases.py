"""Use cases that the page needs and REST does not show."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aistudio.studio.actor import Actor
from aistudio.studio.errors import StudioError
from aistudio.studio.studio import Studio, open_studio
from tests.studio.serving import LOCAL, broken, runnable, settings_for

STRANGER = Actor(owner_id="stranger", client=LOCAL.client)


async def refusal(asked: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(StudioError) as caught:
        await asked
    assert caught.value.message
    return caught.value.status, caught.value.code


async def test_home_is_a_template_first_and_then_the_newest_workflow(studio: Studio) -> None:
    first = await studio.workflows.open_home(LOCAL)
    workflow = await studio.workflows.get(LOCAL, first)
    assert workflow["name"] == "Sales Inquiry Pipeline"
    assert await studio.workflows.problems(workflow["graph"]) == []
    assert await studio.workflows.open_home(LOCAL) == first
    newer = (await studio.workflows.create(LOCAL, broken()))["id"]
    assert await studio.workflows.open_home(LOCAL) == newer
    assert await studio.workflows.open_home(STRANGER) not in {first, newer}


async def test_edits_build_on_one_another(studio: Studio) -> None:
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    lost = await studio.workflows.edit(LOCAL, workflow_id, 1, {"removed_nodes": ["start"]})
    assert lost["revision"] == 2
    assert "no_trigger" in {problem["code"] for problem in lost["problems"]}
    back = await studio.workflows.edit(
        LOCAL, workflow_id, 2, {"nodes": runnable()["nodes"][:1], "name": "New"}
    )
    assert back == {"revision": 3, "problems": []}
    workflow = await studio.workflows.get(LOCAL, workflow_id)
    assert (workflow["name"], workflow["graph"]["name"], workflow["revision"]) == ("New", "New", 3)
    with pytest.raises(StudioError) as caught:
        await studio.workflows.edit(LOCAL, workflow_id, 2, {"name": "Late"})
    assert (caught.value.status, caught.value.code) == (409, "revision_conflict")
    assert caught.value.details == {"revision": 3}


async def test_of_two_edits_at_once_one_wins(studio: Studio) -> None:
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    edits = [studio.workflows.edit(LOCAL, workflow_id, 1, {"name": str(n)}) for n in range(4)]
    outcomes = await asyncio.gather(*edits, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["StudioError"] * 3 + ["dict"]


async def test_an_edit_may_not_make_a_draft_too_large(studio: Studio) -> None:
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    too_much = {"description": "x" * 3 * 1024 * 1024}
    assert await refusal(studio.workflows.edit(LOCAL, workflow_id, 1, too_much)) == (413, "too_large")
    assert (await studio.workflows.get(LOCAL, workflow_id))["revision"] == 1


async def test_what_belongs_to_somebody_else_is_not_there(studio: Studio) -> None:
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    await studio.workflows.publish(LOCAL, workflow_id)
    execution_id = await studio.starts.execute(LOCAL, workflow_id, idempotency_key="k")
    workflows, executions = studio.workflows, studio.executions
    asked: list[Callable[[], Awaitable[Any]]] = [
        lambda: workflows.get(STRANGER, workflow_id),
        lambda: workflows.replace(STRANGER, workflow_id, {}),
        lambda: workflows.replace(STRANGER, workflow_id, {}, revisions=[1]),
        lambda: workflows.edit(STRANGER, workflow_id, 1, {}),
        lambda: workflows.delete(STRANGER, workflow_id),
        lambda: workflows.validate(STRANGER, workflow_id),
        lambda: workflows.publish(STRANGER, workflow_id),
        lambda: workflows.versions(STRANGER, workflow_id),
        lambda: studio.starts.execute(STRANGER, workflow_id, idempotency_key="k"),
        lambda: executions.get(STRANGER, execution_id),
        lambda: executions.summary(STRANGER, execution_id),
        lambda: executions.events(STRANGER, execution_id),
        lambda: executions.output(STRANGER, execution_id, "start"),
        lambda: executions.cancel(STRANGER, execution_id),
        lambda: executions.decide(STRANGER, execution_id, "start", "approve"),
        lambda: anext(executions.watch(STRANGER, execution_id)),
    ]
    for ask in asked:
        assert await refusal(ask()) == (404, "not_found")
    assert (await workflows.list(STRANGER))["items"] == []
    assert (await executions.list(STRANGER))["items"] == []
    assert (await executions.list(STRANGER, workflow_id))["items"] == []
    assert (await workflows.get(LOCAL, workflow_id))["revision"] == 1


async def test_a_run_temporal_did_not_take_is_accepted_all_the_same(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written; the reconciler submits it."""

    async def refuse(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(studio.starts._engine, "start", refuse)
    workflow_id = (await studio.workflows.create(LOCAL, runnable()))["id"]
    execution_id = await studio.starts.execute(LOCAL, workflow_id)
    assert (await studio.executions.get(LOCAL, execution_id))["status"] == "pending"


async def test_the_catalog(studio: Studio) -> None:
    kinds = {kind["name"]: kind for kind in studio.catalog.node_kinds()}
    assert kinds["trigger"]["trigger"]
    assert kinds["decision"]["ports_from"] == {"field": "branches", "name": "id", "label": "label"}
    assert kinds["ai_agent"]["ports"] == ["out"]
    assert studio.catalog.model()["simulated"]
    for template in studio.catalog.templates():
        whole = studio.catalog.template(template["slug"])
        assert await studio.workflows.problems(whole["graph"]) == []
        assert whole["samples"]
    with pytest.raises(StudioError) as caught:
        studio.catalog.template("nothing")
    assert caught.value.status == 404


async def test_a_studio_needs_a_database(temporal_address: str) -> None:
    unset = settings_for("", temporal_address).model_copy(update={"database_url": None})
    with pytest.raises(ValueError, match="DATABASE_URL"):
        async with open_studio(unset):
            pass
