"""How a value is shown: finds the format that fits it, or brings it into a wanted one.

`content` is text for `markdown`, `text` and `diagram` (mermaid source), and JSON for the others:
`json` any value, `table` a list of objects, `stat_cards` one object of label → scalar, `chart`
`{"type", "data": [{"label", "value"}]}`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypedDict

from pydantic import JsonValue

from aistudio.nodes import charts, fences, json_text
from aistudio.nodes.mermaid import is_mermaid
from aistudio.nodes.tabular import Row, distinct, read_csv, read_markdown_table
from aistudio.nodes.upstream import compact

Format = Literal["markdown", "text", "json", "table", "stat_cards", "chart", "diagram"]
Mode = Literal["auto", "markdown", "text", "json", "table", "stat_cards", "chart", "diagram"]

_FACT = re.compile(r"\s*(?:[-*+]\s+)?(?P<label>[^:|]{1,60}?)\s*:\s*(?P<value>\S.{0,200})$")


class Shown(TypedDict):
    """A value made ready to be drawn."""

    format: Format
    content: JsonValue


def adapt(value: JsonValue, mode: Mode = "auto") -> Shown:
    """The value in the wanted format.

    A value that cannot take that format is shown as `auto` would show it, so nothing is lost:
    prose asked to be a chart stays readable prose.
    """
    if mode == "auto":
        return detect(value)
    content = _CONVERSIONS[mode](value)
    return detect(value) if content is None else {"format": mode, "content": content}


def detect(value: JsonValue) -> Shown:
    """The value in the format that fits it best; text that is nothing special is Markdown."""
    if not isinstance(value, str):
        return _detect_json(value)
    inner = fences.unwrap(value)
    parsed = _parse(inner.body)
    if parsed is not None:
        return _detect_json(parsed)
    if is_mermaid(inner.body):
        return {"format": "diagram", "content": inner.body.strip()}
    rows = read_csv(inner.body, sure=inner.is_csv)
    if rows is not None:
        return {"format": "table", "content": [*rows]}
    return {"format": "markdown", "content": value}


def _detect_json(value: JsonValue) -> Shown:
    chart = charts.from_spec(value) or charts.from_points(value)
    if chart is not None:
        return {"format": "chart", "content": chart}
    if _are_objects(value):
        return {"format": "table", "content": value}
    if isinstance(value, dict) and value and all(_is_scalar(item) for item in value.values()):
        return {"format": "stat_cards", "content": value}
    return {"format": "json", "content": value}


def _parse(text: str) -> JsonValue:
    """The JSON object or list a text is, or null; a text that is only a JSON scalar stays text."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return json_text.parse(text)
    except ValueError:
        return None


def _is_scalar(value: JsonValue) -> bool:
    return not isinstance(value, dict | list)


def _are_objects(value: JsonValue) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _readings(value: JsonValue) -> Iterator[JsonValue]:
    """Every way to take a value as data: itself, or what its text and its fenced blocks spell."""
    if not isinstance(value, str):
        yield value
        return
    blocks, _ = fences.find(value)
    for block in [*blocks, fences.Fence(language="", body=value)]:
        parsed = _parse(block.body)
        if parsed is not None:
            yield parsed
        rows = read_markdown_table(block.body) or read_csv(block.body, wanted=True, sure=block.is_csv)
        if rows is not None:
            yield [*rows]


def _text(value: JsonValue) -> JsonValue:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _markdown(value: JsonValue) -> JsonValue:
    return value if isinstance(value, str) else f"```json\n{_text(value)}\n```"


def _json(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    inner = fences.unwrap(value).body
    parsed = _parse(inner)
    return value if parsed is None else parsed


def _table(value: JsonValue) -> JsonValue:
    for reading in _readings(value):
        rows = _rows(reading)
        if rows:
            return [*rows]
    return None


def _rows(value: JsonValue) -> list[Row] | None:
    """Objects as rows; lists of cells with their first as header; anything else in a list or an
    object one row each."""
    if isinstance(value, list):
        if _are_objects(value):
            return [row for row in value if isinstance(row, dict)]
        lists = [item for item in value if isinstance(item, list)]
        if len(lists) == len(value) > 1:
            names = distinct(name if isinstance(name, str) else compact(name) for name in lists[0])
            return [dict(zip(names, cells, strict=False)) for cells in lists[1:]]
        return [{"value": item} for item in value]
    if isinstance(value, dict):
        tables = [member for member in value.values() if _are_objects(member)]
        if len(tables) == 1:
            return _rows(tables[0])
        return [{"field": name, "value": member} for name, member in value.items()]
    return None


def _stat_cards(value: JsonValue) -> JsonValue:
    for reading in _readings(value):
        cards = _cards(reading)
        if cards:
            return cards
    return _facts(value) if isinstance(value, str) else None


def _cards(value: JsonValue) -> Row | None:
    """One object as it is, with inner objects flattened; of rows, a single one or pairs."""
    if isinstance(value, dict) and not any(_are_objects(member) for member in value.values()):
        return dict(_flat(value))
    rows = _rows(value)
    if not rows:
        return None
    named = all(row.keys() == {"label", "value"} for row in rows)
    if len(rows) == 1 and not named:
        return dict(_flat(rows[0]))
    if not all(len(row) == 2 and all(map(_is_scalar, row.values())) for row in rows):
        return None
    pairs = [(row["label"], row["value"]) if named else tuple(row.values()) for row in rows]
    labels = distinct(label if isinstance(label, str) else compact(label) for label, _ in pairs)
    return dict(zip(labels, (card for _, card in pairs), strict=True))


def _flat(value: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from _flat(member, f"{prefix}{name}.")
        else:
            yield prefix + name, member if _is_scalar(member) else compact(member)


def _facts(text: str) -> JsonValue:
    """`label: value` lines as an object, when all lines are; JSON, broken or not, is no such lines."""
    if text.lstrip().startswith(("{", "[")):
        return None
    facts = [_FACT.match(line.replace("**", "")) for line in text.splitlines() if line.strip()]
    if not facts or not all(facts):
        return None
    return {fact["label"]: fact["value"].strip() for fact in facts if fact}


def _chart(value: JsonValue) -> JsonValue:
    for reading in _readings(value):
        rows = _rows(reading)
        chart = charts.from_spec(reading) or (charts.from_rows(rows) if rows else None)
        if chart is not None:
            return chart
    facts = _facts(value) if isinstance(value, str) else None
    return charts.from_rows(_rows(facts) or []) if facts else None


def _diagram(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return None
    blocks, _ = fences.find(value)
    for block in blocks:
        if block.language == "mermaid" or is_mermaid(block.body):
            return block.body.strip()
    return value.strip() if is_mermaid(value) else None


_CONVERSIONS: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "markdown": _markdown,
    "text": _text,
    "json": _json,
    "table": _table,
    "stat_cards": _stat_cards,
    "chart": _chart,
    "diagram": _diagram,
}
