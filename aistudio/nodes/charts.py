"""Charts: from what models write to the one form that is drawn."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

TYPES = ("bar", "line", "area", "pie", "donut", "radar", "scatter")
_OTHER_NAMES = {"column": "bar", "doughnut": "donut", "ring": "donut"}
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$")


def from_points(items: JsonValue) -> JsonValue:
    """A bar chart from `[{"label", "value"}]` with nothing else in it, or null."""
    if not isinstance(items, list) or not items:
        return None
    if not all(isinstance(item, dict) and item.keys() == {"label", "value"} for item in items):
        return None
    return from_rows(items)


def from_spec(value: JsonValue) -> JsonValue:
    """A chart from `{"type", "data"}` of a known type, or null; data may also be Chart.js's."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    name = str(value["type"]).lower().removesuffix("chart").strip(" -_")
    name = _OTHER_NAMES.get(name, name)
    data = value.get("data")
    if name not in TYPES:
        return None
    if isinstance(data, dict):
        data = _labelled(data)
    return from_rows(data, name) if isinstance(data, list) else None


def from_rows(rows: Sequence[JsonValue], name: str = "bar") -> JsonValue:
    """A chart from objects that share a label and a number, or null.

    `label` and `value` win; else the first column of words names the points (the first column of
    all when there is none), and the first other column of numbers measures them.
    """
    objects = [row for row in rows if isinstance(row, dict)]
    if not objects or len(objects) != len(rows):
        return None
    columns = list(objects[0])
    wordy = [key for key in columns if all(_is_words(row.get(key)) for row in objects)]
    label = _first(["label", *wordy, *columns[:1]], objects, _is_label)
    value = _first(["value", *columns], objects, lambda item: number(item) is not None, besides=label)
    if label is None or value is None:
        return None
    data: list[JsonValue] = [{"label": str(row[label]), "value": number(row[value])} for row in objects]
    return {"type": name, "data": data}


def number(value: JsonValue) -> int | float | None:
    """The finite number a value is or spells, or null."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _NUMBER.match(value.strip()) and len(value) <= 100:
        value = float(value)
        if value.is_integer() and abs(value) < 2**53:
            value = int(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return None


def _labelled(data: Mapping[str, JsonValue]) -> JsonValue:
    """The points of `{"labels", "datasets": [{"data"}]}`; null unless there is exactly one series."""
    match data:
        case {"labels": list(labels), "datasets": [{"data": list(values)}]} if len(labels) == len(values):
            return [{"label": label, "value": value} for label, value in zip(labels, values, strict=True)]
    return None


def _is_words(value: JsonValue) -> bool:
    return isinstance(value, str) and number(value) is None


def _is_label(value: JsonValue) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _first(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, JsonValue]],
    fits: Callable[[JsonValue], bool],
    besides: str | None = None,
) -> str | None:
    return next((key for key in columns if key != besides and all(fits(row.get(key)) for row in rows)), None)
