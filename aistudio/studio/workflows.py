"""Use cases around workflows: draft, check, publish."""

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias, cast

from pydantic import JsonValue

from aistudio import gallery
from aistudio.graph.kinds import Kinds
from aistudio.store import workflows as store
from aistudio.store.database import Database
from aistudio.store.encoding import iso
from aistudio.store.errors import InvalidCursor, RevisionConflict
from aistudio.studio.actor import Actor
from aistudio.studio.drafts import Draft, apply, check_draft, name_of, named, parse_patch, validated
from aistudio.studio.errors import StudioError, invalid_request, not_found
from aistudio.studio.runs import as_object
from aistudio.studio.servers import answering
from aistudio.studio.views import (
    EditView,
    Page,
    ProblemView,
    VersionSummary,
    VersionView,
    WorkflowSummary,
    WorkflowView,
)

# Inside the class, `list` is its method.
Problems: TypeAlias = list[ProblemView]


class Workflows:
    """What an actor can do with workflows. Every method may raise StudioError."""

    def __init__(self, database: Database, kinds: Kinds) -> None:
        self._database = database
        self._kinds = kinds

    async def create(
        self, actor: Actor, graph: Mapping[str, JsonValue], name: str | None = None
    ) -> WorkflowView:
        """Keep a new workflow, with problems or without."""
        draft = _checked(graph, name)
        with answering():
            row = await store.create(self._database, actor.owner_id, name=name_of(draft), graph=draft)
        return _view(row)

    async def get(self, actor: Actor, workflow_id: str) -> WorkflowView:
        """The workflow with its draft."""
        return _view(await self._row(actor, workflow_id))

    async def list(self, actor: Actor, limit: int = 50, cursor: str | None = None) -> Page[WorkflowSummary]:
        """The actor's workflows, newest first; `limit` is 1 to 200."""
        with answering():
            try:
                page = await store.list_page(self._database, actor.owner_id, limit=limit, cursor=cursor)
            except InvalidCursor as error:
                raise invalid_request("cursor", str(error)) from None
        return {"items": [_summary(row) for row in page.items], "next_cursor": page.next_cursor}

    async def replace(
        self,
        actor: Actor,
        workflow_id: str,
        graph: Mapping[str, JsonValue],
        name: str | None = None,
        revisions: Collection[int] | None = None,
    ) -> WorkflowView:
        """Save another draft: over whatever is there, or only over one of the given revisions."""
        draft = _checked(graph, name)
        revision = None
        if revisions is not None:
            current = (await self._row(actor, workflow_id)).revision
            if current not in revisions:
                raise _conflict(current)
            revision = current
        return _view(await self._save(actor, workflow_id, draft, revision))

    async def edit(
        self, actor: Actor, workflow_id: str, base_revision: int, patch: Mapping[str, Any]
    ) -> EditView:
        """Apply one gesture to the draft it was made on; see `drafts.Patch`.

        Answers the new revision and the problems the draft now has. 409 `revision_conflict` when the draft
        is at another revision by now.
        """
        changes = parse_patch(patch)
        row = await self._row(actor, workflow_id)
        if row.revision != base_revision:
            raise _conflict(row.revision)
        draft = apply(as_object(row.graph), changes)
        check_draft(draft)
        saved = await self._save(actor, workflow_id, draft, base_revision)
        return {"revision": saved.revision, "problems": await self.problems(draft)}

    async def delete(self, actor: Actor, workflow_id: str) -> None:
        """Hide the workflow; its runs stay readable."""
        with answering():
            if not await store.delete(self._database, actor.owner_id, workflow_id):
                raise not_found("workflow")

    async def validate(self, actor: Actor, workflow_id: str) -> Problems:
        """Everything that is wrong with the draft."""
        return await self.problems((await self._row(actor, workflow_id)).graph)

    async def publish(self, actor: Actor, workflow_id: str) -> VersionView:
        """Freeze the draft as the next version."""
        with answering():
            version = await store.publish(self._database, actor.owner_id, workflow_id)
        if version is None:
            raise not_found("workflow")
        return {**_version(version), "graph": as_object(version.graph)}

    async def versions(
        self, actor: Actor, workflow_id: str, limit: int = 50, cursor: str | None = None
    ) -> Page[VersionSummary]:
        """The published versions, newest first; `limit` is 1 to 200."""
        await self._row(actor, workflow_id)
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
            raise invalid_request("cursor", "This cursor does not come from an earlier page.")
        with answering():
            rows = await store.versions(self._database, actor.owner_id, workflow_id)
        rest = [row for row in rows if cursor is None or row.version < int(cursor)]
        more = len(rest) > limit
        return {
            "items": [_version(row) for row in rest[:limit]],
            "next_cursor": str(rest[limit - 1].version) if more else None,
        }

    async def open_home(self, actor: Actor) -> str:
        """The id of the actor's newest workflow, or of a first one made from the gallery."""
        newest = await self.list(actor, limit=1)
        if newest["items"]:
            return newest["items"][0]["id"]
        template = next(item for item in gallery.templates() if item.slug == gallery.FIRST)
        return (await self.create(actor, template.graph))["id"]

    async def problems(self, graph: JsonValue) -> Problems:
        """Everything that is wrong with a graph, saved or not."""
        found = await validated(graph, self._kinds)
        dumped = (problem.model_dump(mode="json", exclude_none=True) for problem in found.problems)
        return [cast(ProblemView, problem) for problem in dumped]

    async def _row(self, actor: Actor, workflow_id: str) -> store.Workflow:
        with answering():
            row = await store.get(self._database, actor.owner_id, workflow_id)
        if row is None:
            raise not_found("workflow")
        return row

    async def _save(
        self, actor: Actor, workflow_id: str, draft: Draft, revision: int | None
    ) -> store.Workflow:
        with answering():
            try:
                row = await store.replace(
                    self._database,
                    actor.owner_id,
                    workflow_id,
                    name=name_of(draft),
                    graph=draft,
                    revision=revision,
                )
            except RevisionConflict as error:
                raise _conflict(error.current) from None
        if row is None:
            raise not_found("workflow")
        return row


def _checked(graph: Mapping[str, JsonValue], name: str | None) -> Draft:
    draft = named(graph, name)
    check_draft(draft)
    return draft


def _conflict(current: int) -> StudioError:
    return StudioError(
        409,
        "revision_conflict",
        f"The workflow was changed meanwhile and is at revision {current}; load it and repeat the change.",
        {"revision": current},
    )


def _summary(row: store.WorkflowSummary) -> WorkflowSummary:
    return {
        "id": row.id,
        "name": row.name,
        "revision": row.revision,
        "published_version": row.published_version,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def _view(row: store.Workflow) -> WorkflowView:
    return {**_summary(row), "graph": as_object(row.graph)}


def _version(row: store.VersionSummary) -> VersionSummary:
    return {
        "workflow_id": row.workflow_id,
        "version": row.version,
        "name": row.name,
        "created_at": iso(row.created_at),
    }
