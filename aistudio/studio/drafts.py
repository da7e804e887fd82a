"""Drafts as they are typed: any JSON object is kept, and edits change only what they name."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from aistudio.graph.kinds import Kinds
from aistudio.graph.validation import Validation, validate
from aistudio.studio.errors import StudioError, invalid_request, too_large

Draft: TypeAlias = dict[str, JsonValue]

MAX_DRAFT_BYTES = 2 * 1024 * 1024
MAX_INPUT_BYTES = 256 * 1024
# Looking through more than this takes so long that others on the event loop would notice.
QUICK_CHARACTERS = 64 * 1024


class Patch(BaseModel):
    """One finished gesture on the canvas: whole new or changed parts, and ids of removed ones.

    An edge without an id of its own is called `source:source_port>target`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = None
    description: str | None = None
    variables: dict[str, JsonValue] | None = None
    nodes: list[dict[str, JsonValue]] = []
    removed_nodes: list[str] = []
    edges: list[dict[str, JsonValue]] = []
    removed_edges: list[str] = []
    node_order: list[str] | None = None


def parse_patch(patch: Mapping[str, Any]) -> Patch:
    """The patch, or `invalid_request` naming the first thing wrong with it."""
    try:
        return Patch.model_validate(dict(patch))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(["patch", *map(str, first["loc"])])
        raise invalid_request(where, first["msg"]) from None


def apply(draft: Mapping[str, JsonValue], patch: Patch) -> Draft:
    """The draft after the patch; what the patch does not name stays as it was, in its place."""
    edited: Draft = dict(draft)
    for key in ("name", "description", "variables"):
        value = getattr(patch, key)
        if value is not None:
            edited[key] = value
    if patch.nodes or patch.removed_nodes or patch.node_order is not None:
        nodes = _merge(_parts(draft, "nodes"), patch.nodes, patch.removed_nodes, _node_id)
        edited["nodes"] = _ordered(nodes, patch.node_order or [])
    if patch.edges or patch.removed_edges:
        edited["edges"] = _merge(_parts(draft, "edges"), patch.edges, patch.removed_edges, _edge_id)
    return edited


def named(draft: Mapping[str, JsonValue], name: str | None) -> Draft:
    """The draft under another name, or under its own when `name` is null."""
    return dict(draft) if name is None else {**draft, "name": name}


def name_of(draft: Mapping[str, JsonValue]) -> str:
    """What the draft calls itself; a name that is no text counts as none."""
    name = draft.get("name")
    return name if isinstance(name, str) else ""


def check_draft(draft: Mapping[str, JsonValue]) -> None:
    """Refuse what could not be sent as one request: over 2 MiB, or no JSON."""
    if _size(draft, "graph") > MAX_DRAFT_BYTES:
        raise too_large("The workflow is larger than 2 MiB; shorten its texts or split it.", MAX_DRAFT_BYTES)


async def validated(graph: JsonValue, kinds: Kinds) -> Validation:
    """What is wrong with a graph; see `validation.validate`."""
    if len(json.dumps(graph)) <= QUICK_CHARACTERS:
        return validate(graph, kinds)
    return await asyncio.to_thread(validate, graph, kinds)


def check_input(value: str | dict[str, JsonValue]) -> None:
    """Refuse a run's input over 256 KiB: of UTF-8 for a text, of compact JSON for an object."""
    if _size(value, "input") > MAX_INPUT_BYTES:
        raise too_large("The input is larger than 256 KiB; send less text.", MAX_INPUT_BYTES)


def _size(value: object, where: str) -> int:
    try:
        text = value if isinstance(value, str) else _compact(value)
        return len(text.encode())
    except UnicodeEncodeError:
        raise invalid_request(where, "a text holds half of a surrogate pair, which is no character") from None
    except ValueError:
        raise invalid_request(where, "a number is not finite, so it is no JSON") from None


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _parts(draft: Mapping[str, JsonValue], key: str) -> list[JsonValue]:
    parts = draft.get(key, [])
    if not isinstance(parts, list):
        raise StudioError(
            422,
            "invalid_request",
            f'The draft\'s "{key}" is not a list, so it cannot be edited piece by piece; replace the draft.',
        )
    return parts


def _node_id(part: JsonValue) -> str | None:
    identity = part.get("id") if isinstance(part, dict) else None
    return identity if isinstance(identity, str) else None


def _edge_id(part: JsonValue) -> str | None:
    if not isinstance(part, dict):
        return None
    own = _node_id(part)
    return own or f"{part.get('source')}:{part.get('source_port', 'out')}>{part.get('target')}"


def _merge(
    parts: list[JsonValue],
    changed: Iterable[dict[str, JsonValue]],
    removed: Iterable[str],
    identify: Callable[[JsonValue], str | None],
) -> list[JsonValue]:
    gone = set(removed)
    waiting: dict[str, JsonValue] = {}
    for change in changed:
        name = identify(change)
        if name is None:
            raise invalid_request("patch.nodes", "a node has no id")
        waiting[name] = change
    merged: list[JsonValue] = []
    for part in parts:
        name = identify(part)
        if name is not None and name in waiting:
            merged.append(waiting.pop(name))
        elif name is None or name not in gone:
            merged.append(part)
    return merged + list(waiting.values())


def _ordered(nodes: list[JsonValue], order: list[str]) -> list[JsonValue]:
    place = {name: index for index, name in enumerate(order)}
    return sorted(nodes, key=lambda node: place.get(_node_id(node) or "", len(place)))
