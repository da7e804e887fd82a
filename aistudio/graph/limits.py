"""What is too large, too deep or not text at all, found before anything else looks at the document."""

import json
from collections import deque

from pydantic import JsonValue

from aistudio.graph.errors import ProblemCode
from aistudio.graph.parsing import children, members
from aistudio.graph.problems import Report

MAX_NODES = 1_000
MAX_EDGES = 5_000
MAX_SIZE = 1024 * 1024
"""Bytes of compact JSON in UTF-8."""

# Parsers of JSON give up at various depths, none of them below this one.
MAX_DEPTH = 100


def within_limits(raw: dict[str, JsonValue], report: Report) -> str | None:
    """The document as JSON text, or null after noting what makes it unfit to be looked at."""
    for name, most in (("nodes", MAX_NODES), ("edges", MAX_EDGES)):
        count = len(members(raw, name))
        if count > most:
            message = f"A workflow has at most {most:,} {name}; this one has {count:,}."
            report.add(ProblemCode.TOO_LARGE, (name,), message)
    if _deeper_than(raw, MAX_DEPTH):
        message = f"The document is nested more than {MAX_DEPTH} levels deep."
        report.add(ProblemCode.INVALID_CONFIG, (), message)
        return None
    try:
        text = json.dumps(raw, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except ValueError:
        _report_unreadable(raw, report)
        return None
    if size > MAX_SIZE:
        message = f"A workflow has at most {MAX_SIZE:,} bytes of JSON; this one has {size:,}."
        report.add(ProblemCode.TOO_LARGE, (), message)
    return None if report.failed else text


def _deeper_than(value: JsonValue, most: int) -> bool:
    level: list[JsonValue] = [value]
    for _ in range(most):
        level = [child for parent in level for _, child in children(parent)]
        if not level:
            return False
    return any(isinstance(child, dict | list) for child in level)


def _report_unreadable(raw: dict[str, JsonValue], report: Report) -> None:
    """Note every text and number that Python can hold and UTF-8 JSON cannot."""
    pending: deque[tuple[tuple[str | int, ...], JsonValue]] = deque([((), raw)])
    while pending:
        location, value = pending.popleft()
        pending.extend(((*location, key), child) for key, child in children(value))
        for scalar in value if isinstance(value, dict) else () if isinstance(value, list) else (value,):
            if not _is_json(scalar):
                message = "A text here holds half of a Unicode pair, or a number is out of range."
                report.add(ProblemCode.INVALID_CONFIG, location, message)


def _is_json(scalar: JsonValue) -> bool:
    try:
        json.dumps(scalar, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True
