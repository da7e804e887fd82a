"""What a node reads from the nodes above it."""

import json

from pydantic import JsonValue

TEXT_KEYS = ("input", "response", "text", "content")


def text_of(output: JsonValue) -> str:
    """The text of an output: the first text in `TEXT_KEYS`, else the output as compact JSON."""
    if isinstance(output, dict):
        for key in TEXT_KEYS:
            text = output.get(key)
            if isinstance(text, str):
                return text
    return compact(output)


def compact(value: JsonValue) -> str:
    """JSON without blanks, with its characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
