"""The `{{namespace.path}}` grammar: find references in a text, put values in their place (contract, 3.4)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from aistudio.graph.errors import ErrorCode, NodeError

NAMESPACES = ("nodes", "trigger", "variables", "global")

# The second alternative is what must be a reference and is none. It ends where another `{{` opens:
# a `{{` left open is plain text and may not swallow the reference after it.
# No output may be longer, and no prompt should be.
MOST_CHARACTERS = 8 * 1024 * 1024

_REFERENCE = re.compile(
    r"""
    \{\{\s*+
    (?:
        (?P<namespace>\w++) (?P<path>(?:\.[\w-]++)++)
        (?: \s*+(?P<optional>\?) | \s*+\|\s*+default\s*+:\s*+'(?P<default>[^']*)' )?
        \s*+\}\}
    |
        \w++\. (?:(?!\{\{|\}\}).)*+ \}\}
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


class _Missing:
    pass


_MISSING = _Missing()


@dataclass(frozen=True)
class Reference:
    """One parsed reference.

    Attributes:
        namespace: the word before the first dot, not necessarily a known one.
        path: the segments after it, at least one.
        fallback: the text that stands in for a missing value ('' for `?`); null means there must be a value.
    """

    namespace: str
    path: tuple[str, ...]
    fallback: str | None = None

    @property
    def node_id(self) -> str | None:
        """The node it reads from, if it reads from one."""
        return self.path[0] if self.namespace == "nodes" else None

    def __str__(self) -> str:
        inner = ".".join((self.namespace, *self.path))
        if self.fallback == "":
            inner += "?"
        elif self.fallback is not None:
            inner += f" | default:'{self.fallback}'"
        return f"{{{{{inner}}}}}"


def find(text: str) -> list[Reference]:
    """Every well-formed reference in the text, in its order."""
    return [ref for match in _REFERENCE.finditer(text) if (ref := _parse(match)) is not None]


def find_malformed(text: str) -> list[str]:
    """Every piece of the text that begins like a reference, is closed, and does not parse."""
    return [match[0] for match in _REFERENCE.finditer(text) if match["namespace"] is None]


class Room:
    """How much may still be filled in, in characters: a short text can name a long value a thousand times."""

    def __init__(self, characters: int = MOST_CHARACTERS) -> None:
        self._left = characters

    def take(self, text: str) -> str:
        """The text; raises NodeError `output_too_large` when it does not fit any more."""
        self._left -= len(text)
        if self._left < 0:
            raise NodeError(
                ErrorCode.OUTPUT_TOO_LARGE,
                f"What the references of this node put in is longer than {MOST_CHARACTERS:,} characters. "
                "Let it refer to less.",
            )
        return text


def resolve(text: str, scope: Mapping[str, JsonValue], room: Room | None = None) -> str:
    """The text with each reference replaced by its value; what was put in is not scanned again.

    `room` is what several texts share.

    Raises:
        NodeError: `unresolved_reference`, when a value is missing and no modifier stands in for it;
            `output_too_large`, when there is no room.
    """
    room = room or Room()
    return _REFERENCE.sub(lambda match: room.take(as_text(_value(match, scope))), text)


def resolve_value(text: str, scope: Mapping[str, JsonValue], room: Room | None = None) -> JsonValue:
    """Like `resolve`, but a text that is exactly one reference gives the value itself.

    Raises:
        NodeError: as `resolve`.
    """
    room = room or Room()
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return resolve(text, scope, room)
    value = _value(match, scope)
    room.take(as_text(value))
    return value


def as_text(value: JsonValue) -> str:
    """A string as it is, anything else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shortened(text: str) -> str:
    """The text's beginning, short enough for a message."""
    return text if len(text) <= 80 else text[:80] + "…"


def _parse(match: re.Match[str]) -> Reference | None:
    if match["namespace"] is None:
        return None
    path = tuple(match["path"][1:].split("."))
    return Reference(match["namespace"], path, "" if match["optional"] else match["default"])


def _value(match: re.Match[str], scope: Mapping[str, JsonValue]) -> JsonValue:
    shown = shortened(match[0])
    reference = _parse(match)
    if reference is None:
        raise NodeError(ErrorCode.UNRESOLVED_REFERENCE, f"{shown} is not a reference that can be read.")
    value: JsonValue | _Missing = scope.get(reference.namespace, _MISSING)
    for segment in reference.path:
        value = _child(value, segment)
    if not isinstance(value, _Missing):
        return value
    if reference.fallback is None:
        raise NodeError(
            ErrorCode.UNRESOLVED_REFERENCE,
            f"{shown} has no value in this run. Correct the name, or allow it to be missing with "
            "`?` or `| default:'…'` before the closing braces.",
        )
    return reference.fallback


def _child(value: JsonValue | _Missing, segment: str) -> JsonValue | _Missing:
    if isinstance(value, dict):
        return value.get(segment, _MISSING)
    if isinstance(value, list) and _INDEX.fullmatch(segment) and int(segment) < len(value):
        return value[int(segment)]
    return _MISSING
