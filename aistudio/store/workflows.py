"""Workflows and their published versions. A row of somebody else is not there."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Row, bindparam, func, insert, select, update

from aistudio.store import paging
from aistudio.store.database import Source, reading, writing
from aistudio.store.encoding import parse_id
from aistudio.store.errors import RevisionConflict
from aistudio.store.paging import Page
from aistudio.store.tables import NOW, workflow_versions, workflows


@dataclass(frozen=True, kw_only=True)
class WorkflowSummary:
    """A workflow as lists show it, without its graph.

    Attributes:
        revision: counts every save of the draft, from 1.
        published_version: the newest published version, or null.
    """

    id: str
    owner_id: str
    name: str
    revision: int
    published_version: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Workflow(WorkflowSummary):
    """A workflow with its draft's graph, exactly as it was saved."""

    graph: JsonValue


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """A published version as lists show it; versions count from 1."""

    workflow_id: str
    version: int
    name: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Version(VersionSummary):
    """A published version; it never changes."""

    graph: JsonValue


_SUMMARY = (
    workflows.c.id,
    workflows.c.owner_id,
    workflows.c.name,
    workflows.c.revision,
    workflows.c.published_version,
    workflows.c.created_at,
    workflows.c.updated_at,
)
_WHOLE = (*_SUMMARY, workflows.c.graph)
_VERSION_SUMMARY = (
    workflow_versions.c.workflow_id,
    workflow_versions.c.version,
    workflow_versions.c.name,
    workflow_versions.c.created_at,
)

_OWNED = (workflows.c.owner_id == bindparam("owner")) & workflows.c.deleted_at.is_(None)
_THIS = _OWNED & (workflows.c.id == bindparam("this"))

CREATE = insert(workflows).values(revision=1).returning(*_WHOLE)
GET = select(*_WHOLE).where(_THIS)
LIST = select(*_SUMMARY).where(_OWNED)
LOCK_REVISION = select(workflows.c.revision).where(_THIS).with_for_update()
REPLACE = (
    update(workflows)
    .where(_THIS)
    .values(
        name=bindparam("new_name"),
        graph=bindparam("new_graph"),
        revision=workflows.c.revision + 1,
        updated_at=NOW,
    )
    .returning(*_WHOLE)
)
DELETE = update(workflows).where(_THIS).values(deleted_at=NOW).returning(workflows.c.id)

# Takes the row's lock, so that two publications at once become two versions.
_NEXT_VERSION = (
    update(workflows)
    .where(_THIS)
    .values(published_version=func.coalesce(workflows.c.published_version, 0) + 1)
    .returning(
        workflows.c.id,
        workflows.c.published_version,
        workflows.c.owner_id,
        workflows.c.name,
        workflows.c.graph,
    )
    .cte("published")
)
PUBLISH = (
    insert(workflow_versions)
    .from_select(["workflow_id", "version", "owner_id", "name", "graph"], select(_NEXT_VERSION))
    .returning(*_VERSION_SUMMARY, workflow_versions.c.graph)
)

_VERSIONS_OF = workflow_versions.join(workflows, workflows.c.id == workflow_versions.c.workflow_id)
VERSIONS = (
    select(*_VERSION_SUMMARY)
    .select_from(_VERSIONS_OF)
    .where(_THIS)
    .order_by(workflow_versions.c.version.desc())
)
VERSION = (
    select(*_VERSION_SUMMARY, workflow_versions.c.graph)
    .select_from(_VERSIONS_OF)
    .where(_THIS, workflow_versions.c.version == bindparam("number"))
)


async def create(source: Source, owner_id: str, *, name: str, graph: JsonValue) -> Workflow:
    """A new workflow at revision 1."""
    values = {"id": str(uuid.uuid4()), "owner_id": owner_id, "name": name, "graph": graph}
    async with writing(source) as connection:
        row = (await connection.execute(CREATE, values)).one()
    return Workflow(**row._mapping)


async def get(source: Source, owner_id: str, workflow_id: str) -> Workflow | None:
    """The workflow, or null when there is none (deleted, somebody else's, no UUID)."""
    this = parse_id(workflow_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(GET, {"owner": owner_id, "this": this})).one_or_none()
    return None if row is None else Workflow(**row._mapping)


async def list_page(
    source: Source, owner_id: str, *, limit: int = 50, cursor: str | None = None
) -> Page[WorkflowSummary]:
    """The owner's workflows, newest first. Raises InvalidCursor."""
    query = paging.page_of(LIST, workflows, limit, cursor)
    async with reading(source) as connection:
        rows = (await connection.execute(query, {"owner": owner_id})).all()
    return paging.page(rows, limit, _summary)


async def replace(
    source: Source,
    owner_id: str,
    workflow_id: str,
    *,
    name: str,
    graph: JsonValue,
    revision: int | None = None,
) -> Workflow | None:
    """Save the draft as the next revision; null when there is no such workflow.

    With `revision`, only when that is the stored one: else raises RevisionConflict and changes nothing.
    """
    this = parse_id(workflow_id)
    if this is None:
        return None
    found = {"owner": owner_id, "this": this}
    async with writing(source) as connection:
        current = (await connection.execute(LOCK_REVISION, found)).scalar_one_or_none()
        if current is None:
            return None
        if revision is not None and revision != current:
            raise RevisionConflict(current)
        row = (await connection.execute(REPLACE, {**found, "new_name": name, "new_graph": graph})).one()
    return Workflow(**row._mapping)


async def delete(source: Source, owner_id: str, workflow_id: str) -> bool:
    """Hide the workflow; its runs stay readable. False when there is none."""
    this = parse_id(workflow_id)
    if this is None:
        return False
    async with writing(source) as connection:
        deleted = await connection.execute(DELETE, {"owner": owner_id, "this": this})
        return deleted.one_or_none() is not None


async def publish(source: Source, owner_id: str, workflow_id: str) -> Version | None:
    """Freeze the draft's graph as the next version; null when there is no such workflow."""
    this = parse_id(workflow_id)
    if this is None:
        return None
    found = {"owner": owner_id, "this": this}
    async with writing(source) as connection:
        row = (await connection.execute(PUBLISH, found)).one_or_none()
    return None if row is None else Version(**row._mapping)


async def versions(source: Source, owner_id: str, workflow_id: str) -> list[VersionSummary]:
    """The published versions, newest first; none when there is no such workflow."""
    this = parse_id(workflow_id)
    if this is None:
        return []
    async with reading(source) as connection:
        rows = (await connection.execute(VERSIONS, {"owner": owner_id, "this": this})).all()
    return [VersionSummary(**row._mapping) for row in rows]


async def version_graph(source: Source, owner_id: str, workflow_id: str, version: int) -> Version | None:
    """One published version with its graph, or null."""
    this = parse_id(workflow_id)
    if this is None or not 1 <= version < 2**31:
        return None
    found = {"owner": owner_id, "this": this, "number": version}
    async with reading(source) as connection:
        row = (await connection.execute(VERSION, found)).one_or_none()
    return None if row is None else Version(**row._mapping)


def _summary(row: Row[Any]) -> WorkflowSummary:
    return WorkflowSummary(**row._mapping)
