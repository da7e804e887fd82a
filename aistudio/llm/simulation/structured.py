"""JSON that fits a schema: what the offline model answers when it is asked for a structured answer.

It knows types, `const`, `enum`, `properties`, `items`, `prefixItems`, bounds, `multipleOf`, `uniqueItems`,
the usual formats, `$ref` within the schema, `allOf`, and the first of `anyOf` and `oneOf`. What else a schema
asks for (patterns, conditions, `not`) it does not look at.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aistudio.llm.simulation import judgement
from aistudio.llm.simulation.bounds import bounded, distance, is_number, number_in
from aistudio.llm.simulation.documents import Json, item, plausible
from aistudio.llm.simulation.fields import EMAIL, URL, Source
from aistudio.llm.simulation.offers import Offer
from aistudio.llm.simulation.task import Task

# Nobody waits for a simulation: beyond these bounds it makes as little as it may.
MAX_VALUES = 300
HARD_LIMIT = 3_000
MAX_DEPTH = 60
MAX_ITEMS = 100
MAX_LENGTH = 10_000

FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:00:00Z",
    "time": "09:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "idn-email": "someone@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/",
    "iri-reference": "/",
    "uri-template": "/{id}",
    "json-pointer": "/0",
    "relative-json-pointer": "0",
    "regex": ".*",
}
KEYWORD_TYPES = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}

# What a judge gives.
SCALE = re.compile(r"(?i)points?|score|rating|grade|marks?|confidence")
# What follows from what others wrote about the request, not from the request.
REASON = re.compile(r"(?i)reason|why|rationale|verdict")


def json_fitting(schema: Mapping[str, Any], system: str, user: str) -> str:
    """A JSON document of this schema with values from the message; the same for the same three, always."""
    task = Task(system.replace("\x00", " "), user.replace("\x00", " "))
    value = _Maker(schema, task).whole()
    return json.dumps(value, indent=2, ensure_ascii=False)


class _Maker:
    """Makes values, the fields named after what they hold."""

    def __init__(self, root: Mapping[str, Any], task: Task) -> None:
        self._root = root
        self._task = task
        self._whole = Source.of(task)
        self._made = 0

    def whole(self) -> Json:
        """The answer."""
        return self.value(dict(self._root), "answer", self._whole, 0, 0)

    def value(self, schema: object, name: str, source: Source, row: int, depth: int) -> Json:
        """A value for the row-th field or item of this name, from a source."""
        self._made += 1
        if self._made > HARD_LIMIT:
            return None
        schema = self._plain(schema, depth)
        if "const" in schema:
            return schema["const"]  # type: ignore[no-any-return]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return _choice(schema["enum"], source, row)
        match _type(schema):
            case "object":
                return self._object(schema, source, row, depth)
            case "array":
                return self._array(schema, name, source, row, depth)
            case "integer" | "number" as kind:
                return self._number(schema, name, source, row, whole=kind == "integer")
            case "boolean":
                wanted = self._plausible(schema, f"is_{name}", source, row)
                return wanted if isinstance(wanted, bool) else False
            case "null":
                return None
            case _:
                return self._string(schema, name, source, row)

    def _plain(self, schema: object, depth: int) -> dict[str, Any]:
        """The schema with its references followed, and its alternatives decided."""
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return {}
        parts = [self._target(schema.get("$ref"))]
        parts += schema["allOf"] if isinstance(schema.get("allOf"), list) else []
        for name in ("anyOf", "oneOf"):
            options = schema.get(name)
            parts += options[:1] if isinstance(options, list) else []
        merged = {
            name: part for name, part in schema.items() if name not in ("$ref", "allOf", "anyOf", "oneOf")
        }
        for part in parts:
            if isinstance(part, dict):
                _merge(merged, self._plain(part, depth + 1))
        return merged

    def _target(self, reference: object) -> object:
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found: Any = self._root
        for step in reference.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(name)
            else:
                found = found[int(name)] if isinstance(found, list) and name.isdecimal() else None
        return found

    def _object(self, schema: Mapping[str, Any], source: Source, row: int, depth: int) -> Json:
        properties = schema["properties"] if isinstance(schema.get("properties"), dict) else {}
        required = [name for name in schema.get("required", ()) if isinstance(name, str)]
        names = required if self._made > MAX_VALUES else [*properties, *required]
        others = schema.get("additionalProperties")
        return {
            name: self.value(properties.get(name, others), name, source, row, depth + 1)
            for name in dict.fromkeys(names)
            if properties.get(name) is not False
        }

    def _array(self, schema: Mapping[str, Any], name: str, source: Source, row: int, depth: int) -> Json:
        first = schema["prefixItems"] if isinstance(schema.get("prefixItems"), list) else []
        every = schema.get("items")
        low, high = _count(schema, "minItems", 0), _count(schema, "maxItems", MAX_ITEMS)
        rows = source.rows(name)
        likely = min(5, max(2, len(source.items))) if rows is None else len(rows)
        wanted = low if self._made > MAX_VALUES else likely
        wanted = min(max(wanted, len(first), low), high)
        made: list[Json] = []
        # More tries than items: in a set, none may be there twice.
        for index in range(wanted * 3):
            if len(made) == wanted or (every is False and index >= len(first)):
                break
            one = first[index] if index < len(first) else every
            told = rows[index % len(rows)] if rows else source
            value = self.value(one, name, told, row + index, depth + 1)
            if schema.get("uniqueItems") is True:
                value = self._another(value, made, self._plain(one, depth + 1))
                if value in made:
                    continue
            made.append(value)
        return made

    def _another(self, value: Json, made: list[Json], schema: Mapping[str, Any]) -> Json:
        """The value, or one like it that is not among those made."""
        options = schema.get("enum")
        if value in made and isinstance(options, list):
            return next((option for option in options if option not in made), value)
        another, tries = value, 0
        while another in made and tries < MAX_ITEMS:
            tries += 1
            if isinstance(value, str) and "format" not in schema:
                end = f" {tries + 1}"
                room = max(_count(schema, "maxLength", MAX_LENGTH) - len(end), 0)
                another = _sized(value[:room].rstrip() + end, schema)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                further = tries * (distance(schema, whole=True) or 1)
                up = bounded(value + further, schema, whole=isinstance(value, int))
                another = (
                    up if up not in made else bounded(value - further, schema, whole=isinstance(value, int))
                )
        return another

    def _number(self, schema: Mapping[str, Any], name: str, source: Source, row: int, *, whole: bool) -> Json:
        low, high = number_in(schema, "minimum"), number_in(schema, "maximum")
        if SCALE.search(name) and low is not None and high is not None:
            return bounded(low + (high - low) * _merit(self._about(name, source).text), schema, whole=whole)
        wanted = self._plausible(schema, name, source, row)
        if isinstance(wanted, bool) or not isinstance(wanted, int | float):
            wanted = source.amount(row)
        return bounded(wanted, schema, whole=whole)

    def _string(self, schema: Mapping[str, Any], name: str, source: Source, row: int) -> str:
        form = schema.get("format")
        if form == "uuid":
            digest = hashlib.sha256(f"{name} {row} {source.text}".encode("utf-8", "replace")).digest()
            return str(uuid.UUID(bytes=digest[:16], version=4))
        if form in FORMATS:
            shape = {"email": EMAIL, "uri": URL}.get(form)
            return (source.found(shape, row) if shape else None) or FORMATS[form]
        wanted = self._plausible(schema, name, source, row)
        if isinstance(wanted, list):
            wanted = item(name, source, row)
        return _sized(wanted if isinstance(wanted, str) else source.cell(name, row), schema)

    def _plausible(self, schema: Mapping[str, Any], name: str, source: Source, row: int) -> Json:
        told = schema.get("description")
        hint = told if isinstance(told, str) else ""
        return plausible(name, hint, self._about(name, source), row, self._task)

    def _about(self, name: str, source: Source) -> Source:
        """The part of the message that a field speaks of by its name, or else the source."""
        if source is not self._whole:
            return source
        part, since = self._task.part(name), self._task.parts[1:]
        if part is None and since and REASON.search(name):
            part = "\n\n".join(one.body for one in since)
        return source if part is None else Source(part)


def _merit(text: str) -> float:
    """How good a text is, from 0 to 1: a steady judgement of its own, for nobody here can tell."""
    return 0.5 + hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] / 255 * 0.45


def _choice(options: list[Any], source: Source, row: int) -> Json:
    if all(isinstance(option, str) for option in options):
        text = source.text if row == 0 else source.detail(row)
        return judgement.choose([Offer(option) for option in options], text, "")
    return options[row % len(options)]  # type: ignore[no-any-return]


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return next((implied for keyword, implied in KEYWORD_TYPES.items() if keyword in schema), "string")


def _merge(into: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add what a part asks for; where both ask for the same, the narrower bound or the first one counts."""
    for name, value in part.items():
        own = into.get(name)
        if isinstance(own, dict) and isinstance(value, dict):
            into[name] = {**value, **own}
        elif name == "required" and isinstance(own, list) and isinstance(value, list):
            into[name] = [*own, *value]
        elif name.startswith(("min", "exclusiveMin")) and is_number(own) and is_number(value):
            into[name] = max(own, value)
        elif name.startswith(("max", "exclusiveMax")) and is_number(own) and is_number(value):
            into[name] = min(own, value)
        else:
            into.setdefault(name, value)


def _count(schema: Mapping[str, Any], name: str, default: int) -> int:
    value = schema.get(name)
    most = MAX_LENGTH if name.endswith("Length") else MAX_ITEMS
    return min(max(int(value), 0), most) if is_number(value) else default  # type: ignore[arg-type]


def _sized(text: str, schema: Mapping[str, Any]) -> str:
    """The text, repeated or cut until it is as long as it may be."""
    low, high = _count(schema, "minLength", 0), _count(schema, "maxLength", MAX_LENGTH)
    while len(text) < low:
        text = f"{text} {text}" if text else "text"
    cut = text[:high]
    return cut.rstrip() if len(cut) < len(text) and len(cut.rstrip()) >= low else cut
