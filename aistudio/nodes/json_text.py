"""JSON as others write it, read so that everything here can store and draw it."""

import json
import math
from typing import NoReturn

from pydantic import JsonValue

_DEEPEST = 100


def parse(text: str) -> JsonValue:
    """The value a JSON text spells.

    Raises:
        ValueError: it is no JSON, or holds NaN, an infinity, or more than 100 levels.
    """
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("this JSON is nested too deeply") from None
    if not _is_shallow(value):
        raise ValueError("this JSON is nested too deeply")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} cannot be stored as JSON")


def _finite(digits: str) -> float:
    parsed = float(digits)
    return parsed if math.isfinite(parsed) else _refuse(digits)


def _is_shallow(value: JsonValue) -> bool:
    """Whether everything that stores or draws the value can walk it without running out of stack."""
    level: list[JsonValue] = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False
