"""How Python values become what PostgreSQL can hold, and back without loss."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

_UNSTORABLE = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPED = re.compile(r"\\([0-9a-f]{4})")


def dumps(value: Any) -> str:
    """Compact JSON in ASCII, so that NUL and lone surrogates survive in a `json` column.

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def compact(value: Any) -> str:
    """Compact JSON as people read it; may hold lone surrogates."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def utf8_length(text: str) -> int:
    """Bytes of the text in UTF-8; a lone surrogate counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def escape(text: str) -> str:
    """The text for a `text` column, which can hold neither NUL nor lone surrogates; `unescape` undoes it."""
    return _UNSTORABLE.sub(lambda found: f"\\{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    """The text that was given to `escape`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, as in 2026-11-23T17:46:00.000000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_id(text: str) -> str | None:
    """The id as it is stored (lower case), or null when the text is no UUID in its usual form."""
    try:
        canonical = str(uuid.UUID(text))
    except ValueError:
        return None
    return canonical if canonical == text.lower() else None
