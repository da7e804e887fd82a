"""Outputs of nodes, whole, and how an event tells of them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue
from sqlalchemy import ARRAY, Row, any_, bindparam, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aistudio.graph.events import EventType
from aistudio.store.database import Source, reading
from aistudio.store.encoding import compact, parse_id, utf8_length
from aistudio.store.errors import OutputTooLarge
from aistudio.store.tables import AnyText, node_results

# Bytes of compact JSON in UTF-8.
MAX_OUTPUT = 8 * 1024 * 1024
MAX_INLINE = 64 * 1024
# Code points of the compact JSON.
PREVIEW = 1_000


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a node made.

    Attributes:
        type: `node_completed`, or `node_failed` when an absorbed error became the output.
    """

    node_id: str
    attempt: int
    type: EventType
    output: JsonValue


READ = select(
    node_results.c.node_id, node_results.c.attempt, node_results.c.type, node_results.c.output
).where(node_results.c.execution_id == bindparam("this"))
GET = READ.where(node_results.c.node_id == bindparam("node_id"))
GET_OWNED = GET.where(node_results.c.owner_id == bindparam("owner"))
TYPES = select(node_results.c.node_id, node_results.c.type).where(
    node_results.c.execution_id == bindparam("this")
)
OUTPUTS = select(node_results.c.node_id, node_results.c.output).where(
    node_results.c.execution_id == bindparam("this"),
    # One array, so that it is one statement to prepare however many they are.
    node_results.c.node_id == any_(bindparam("node_ids", type_=ARRAY(AnyText))),
)


COPY = insert(node_results).from_select(
    ["execution_id", "node_id", "owner_id", "attempt", "type", "output"],
    select(
        bindparam("this", type_=node_results.c.execution_id.type),
        node_results.c.node_id,
        node_results.c.owner_id,
        literal(0),
        node_results.c.type,
        node_results.c.output,
    ).where(
        node_results.c.execution_id == bindparam("source"),
        node_results.c.node_id == any_(bindparam("node_ids", type_=ARRAY(AnyText))),
    ),
)


async def get(source: Source, execution_id: str, node_id: str) -> Result | None:
    """A node's result whoever owns it (for the engine), or null while there is none."""
    this = parse_id(execution_id)
    if this is None:
        return None
    async with reading(source) as connection:
        row = (await connection.execute(GET, {"this": this, "node_id": node_id})).one_or_none()
    return None if row is None else _result(row)


async def get_owned(source: Source, owner_id: str, execution_id: str, node_id: str) -> Result | None:
    """A node's result in a run of this owner, or null."""
    this = parse_id(execution_id)
    if this is None:
        return None
    found = {"this": this, "node_id": node_id, "owner": owner_id}
    async with reading(source) as connection:
        row = (await connection.execute(GET_OWNED, found)).one_or_none()
    return None if row is None else _result(row)


async def types(source: Source, execution_id: str) -> dict[str, EventType]:
    """How each node of the run that has a result came by it; see `Result.type`."""
    this = parse_id(execution_id)
    if this is None:
        return {}
    async with reading(source) as connection:
        rows = (await connection.execute(TYPES, {"this": this})).all()
    return {row.node_id: EventType(row.type) for row in rows}


async def outputs(source: Source, execution_id: str, node_ids: Collection[str]) -> dict[str, JsonValue]:
    """The whole outputs of these nodes, by node id; nodes without one are left out."""
    this = parse_id(execution_id)
    if this is None or not node_ids:
        return {}
    async with reading(source) as connection:
        rows = (await connection.execute(OUTPUTS, {"this": this, "node_ids": list(node_ids)})).all()
    return {row.node_id: row.output for row in rows}


async def copy(connection: AsyncConnection, source: str, target: str, node_ids: Collection[str]) -> None:
    """Give one run the results that these nodes have in another, without any of them leaving PostgreSQL."""
    await connection.execute(COPY, {"source": source, "this": target, "node_ids": list(node_ids)})


def in_event(execution_id: str, node_id: str, output: JsonValue) -> JsonValue:
    """How `node_completed` carries an output: itself up to 64 KiB, else a preview and where the whole is.

    Raises OutputTooLarge.
    """
    written = compact(output)
    size = utf8_length(written)
    if size > MAX_OUTPUT:
        raise OutputTooLarge(
            f"The output is {size:,} bytes of JSON; the limit is {MAX_OUTPUT:,}. Let the node make less, or "
            "split its work."
        )
    if size <= MAX_INLINE:
        return output
    return {"preview": written[:PREVIEW], "size": size, "href": _href(execution_id, node_id)}


def moved(carried: JsonValue, source: str, target: str, node_id: str) -> JsonValue:
    """What an event of one run carries of an output, for the event of another run that has it as well."""
    if isinstance(carried, dict) and carried.get("href") == _href(source, node_id):
        return {**carried, "href": _href(target, node_id)}
    return carried


def _href(execution_id: str, node_id: str) -> str:
    return f"/api/executions/{execution_id}/nodes/{quote(node_id, safe='', errors='surrogatepass')}/output"


def _result(row: Row[*tuple[Any, ...]]) -> Result:
    return Result(node_id=row.node_id, attempt=row.attempt, type=EventType(row.type), output=row.output)
