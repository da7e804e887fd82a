"""Pages of a list, newest first, with a cursor that says where the last one ended."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, Table, bindparam, literal, tuple_

from aistudio.store.encoding import parse_id
from aistudio.store.errors import InvalidCursor

MAX_LIMIT = 200

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item]):
    """Part of a list. `next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


def page_of(select: Select[Any], table: Table, limit: int, cursor: str | None) -> Select[Any]:
    """The query for one page (and one row more, which tells whether another follows).

    Raises InvalidCursor.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"A page has 1 to {MAX_LIMIT} items.")
    place = tuple_(table.c.created_at, table.c.id)
    if cursor is not None:
        created_at, row_id = _decode(cursor)
        select = select.where(
            place < tuple_(literal(created_at, table.c.created_at.type), literal(row_id, table.c.id.type))
        )
    newest_first = select.order_by(table.c.created_at.desc(), table.c.id.desc())
    return newest_first.limit(bindparam("rows", limit + 1))


def page(rows: Sequence[Row[Any]], limit: int, make: Callable[[Row[Any]], Item]) -> Page[Item]:
    """The page that the rows of a `page_of` query make."""
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return Page(
        items=[make(row) for row in shown],
        next_cursor=None if last is None else _encode(last.created_at, last.id),
    )


def _encode(created_at: datetime, row_id: str) -> str:
    place = json.dumps([created_at.astimezone(UTC).isoformat(), row_id])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        created_at, row_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        moment = datetime.fromisoformat(created_at)
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        known_id = parse_id(row_id)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InvalidCursor("This cursor does not come from an earlier page.") from None
    if known_id is None:
        raise InvalidCursor("This cursor does not come from an earlier page.")
    return moment, known_id
