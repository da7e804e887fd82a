"""How answers look on the wire."""

import json
from typing import Any

from starlette.responses import JSONResponse


def encode(content: Any) -> str:
    """Compact JSON, in its own script rather than in escapes."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Json(JSONResponse):
    """A JSON answer."""

    def render(self, content: Any) -> bytes:
        # A model may have sent half of a surrogate pair: it has no UTF-8, and is no reason to fail.
        return encode(content).encode("utf-8", "replace")
