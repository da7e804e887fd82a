"""Drafts, their revisions, and the versions made of them."""

import asyncio
import json

import pytest

from aistudio.store import executions, workflows
from aistudio.store.database import Database
from aistudio.store.errors import InvalidCursor, RevisionConflict
from aistudio.store.workflows import Workflow
from tests.store.making import GRAPH, OWNER, row

NOT_THERE = ["00000000-0000-4000-8000-000000000000", "no id", "", "\0"]
ODD_GRAPH = {
    "z": ["\0", "\ud800", "é😀", "\\u0000"],
    "a": {"1.0": 1.0, "big": 10**40, "exponent": 1e300, "null": None},
    "": "empty key",
}


async def test_a_draft_comes_back_as_it_was_saved(database: Database) -> None:
    created = await workflows.create(database, OWNER, name="\0 \ud800 \\ é", graph=ODD_GRAPH)
    found = await workflows.get(database, OWNER, created.id)
    assert found == created
    assert (created.name, created.revision, created.published_version) == ("\0 \ud800 \\ é", 1, None)
    assert json.dumps(created.graph) == json.dumps(ODD_GRAPH)


async def test_every_save_is_the_next_revision(database: Database, workflow: Workflow) -> None:
    saved = await workflows.replace(
        database, OWNER, workflow.id, name="Second", graph={"nodes": [1]}, revision=1
    )
    assert saved is not None
    assert (saved.revision, saved.name, saved.graph) == (2, "Second", {"nodes": [1]})
    assert saved.updated_at > workflow.updated_at
    assert saved.created_at == workflow.created_at
    assert await workflows.get(database, OWNER, workflow.id) == saved
    last = await workflows.replace(database, OWNER, workflow.id, name="Third", graph=GRAPH)
    assert last is not None
    assert last.revision == 3


async def test_a_save_on_an_old_revision_changes_nothing(database: Database, workflow: Workflow) -> None:
    await workflows.replace(database, OWNER, workflow.id, name="Mine", graph=GRAPH, revision=1)
    with pytest.raises(RevisionConflict) as conflict:
        await workflows.replace(database, OWNER, workflow.id, name="Theirs", graph=GRAPH, revision=1)
    assert conflict.value.current == 2
    found = await workflows.get(database, OWNER, workflow.id)
    assert found is not None
    assert (found.name, found.revision) == ("Mine", 2)


async def test_of_concurrent_saves_on_one_revision_one_wins(database: Database, workflow: Workflow) -> None:
    saves = [
        workflows.replace(database, OWNER, workflow.id, name=str(number), graph=GRAPH, revision=1)
        for number in range(8)
    ]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, Workflow)]
    assert len(won) == 1
    assert sum(isinstance(outcome, RevisionConflict) for outcome in outcomes) == 7
    assert await workflows.get(database, OWNER, workflow.id) == won[0]


@pytest.mark.parametrize("revision", [None, 1])
async def test_what_is_not_there_is_null(database: Database, revision: int | None) -> None:
    for unknown in NOT_THERE:
        assert await workflows.get(database, OWNER, unknown) is None
        saved = await workflows.replace(database, OWNER, unknown, name="", graph={}, revision=revision)
        assert saved is None
        assert not await workflows.delete(database, OWNER, unknown)
        assert await workflows.publish(database, OWNER, unknown) is None
        assert await workflows.versions(database, OWNER, unknown) == []
        assert await workflows.version_graph(database, OWNER, unknown, 1) is None


async def test_somebody_elses_is_not_there(database: Database, workflow: Workflow) -> None:
    await workflows.publish(database, OWNER, workflow.id)
    before = await workflows.get(database, OWNER, workflow.id)
    other = "other"
    assert await workflows.get(database, other, workflow.id) is None
    assert await workflows.replace(database, other, workflow.id, name="", graph={}) is None
    assert not await workflows.delete(database, other, workflow.id)
    assert await workflows.publish(database, other, workflow.id) is None
    assert await workflows.versions(database, other, workflow.id) == []
    assert await workflows.version_graph(database, other, workflow.id, 1) is None
    assert (await workflows.list_page(database, other)).items == []
    assert await workflows.get(database, OWNER, workflow.id) == before


async def test_a_deleted_workflow_is_gone_and_its_runs_are_not(
    database: Database, workflow: Workflow
) -> None:
    await workflows.publish(database, OWNER, workflow.id)
    run_id, _ = await executions.create(
        database, OWNER, workflow_id=workflow.id, version=1, graph=workflow.graph
    )
    assert await workflows.delete(database, OWNER, workflow.id)
    assert not await workflows.delete(database, OWNER, workflow.id)
    assert await workflows.get(database, OWNER, workflow.id) is None
    assert (await workflows.list_page(database, OWNER)).items == []
    assert await workflows.versions(database, OWNER, workflow.id) == []
    assert (await row(database, run_id)).graph == GRAPH
    page = await executions.list_page(database, OWNER, workflow_id=workflow.id)
    assert [item.id for item in page.items] == [run_id]


async def test_versions_count_up_and_never_change(database: Database, workflow: Workflow) -> None:
    first = await workflows.publish(database, OWNER, workflow.id)
    await workflows.replace(database, OWNER, workflow.id, name="Other", graph=ODD_GRAPH)
    second = await workflows.publish(database, OWNER, workflow.id)
    assert first is not None
    assert second is not None
    assert (first.version, first.name, first.graph) == (1, "Flow", GRAPH)
    assert (second.version, second.name, second.graph) == (2, "Other", ODD_GRAPH)
    assert [item.version for item in await workflows.versions(database, OWNER, workflow.id)] == [2, 1]
    assert await workflows.version_graph(database, OWNER, workflow.id, 1) == first
    for unknown in (0, -1, 3, 2**31, 2**70):
        assert await workflows.version_graph(database, OWNER, workflow.id, unknown) is None
    found = await workflows.get(database, OWNER, workflow.id)
    assert found is not None
    assert (found.published_version, found.revision) == (2, 2)


async def test_concurrent_publications_become_versions_without_a_gap(
    database: Database, workflow: Workflow
) -> None:
    published = await asyncio.gather(*(workflows.publish(database, OWNER, workflow.id) for _ in range(8)))
    assert sorted(version.version for version in published if version is not None) == list(range(1, 9))


async def test_pages_are_newest_first_and_complete(database: Database) -> None:
    created = [
        (await workflows.create(database, OWNER, name=str(number), graph={})).id for number in range(7)
    ]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await workflows.list_page(database, OWNER, limit=3, cursor=cursor)
        seen += [item.id for item in page.items]
        # What comes later does not move the pages that follow.
        await workflows.create(database, OWNER, name="later", graph={})
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == created[::-1]


async def test_a_page_that_is_just_full_is_the_last(database: Database, workflow: Workflow) -> None:
    page = await workflows.list_page(database, OWNER, limit=1)
    assert [item.id for item in page.items] == [workflow.id]
    assert page.next_cursor is None


FORGED_CURSORS = [
    "",
    "x",
    "é",
    "\0",
    "bnVsbA",  # null
    "WzEsMl0",  # [1,2]
    "WyIyMDI2LTAxLTAxIiwiXHUwMDAwIl0",  # ["2026-01-01","\u0000"]
    "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwiMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAwIl0",
    "W" * 10_000,
    "=" * 5,
]


async def test_a_cursor_of_ones_own_making_is_refused(database: Database) -> None:
    for cursor in FORGED_CURSORS:
        with pytest.raises(InvalidCursor):
            await workflows.list_page(database, OWNER, cursor=cursor)


async def test_a_page_has_1_to_200_items(database: Database) -> None:
    for limit in (0, -1, 201):
        with pytest.raises(ValueError, match="200"):
            await workflows.list_page(database, OWNER, limit=limit)
