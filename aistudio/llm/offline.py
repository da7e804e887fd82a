"""The offline model: an in-process HTTP transport that speaks the real chat completions protocol.

It is handed to the same client that talks to real endpoints, so that nothing above it knows the difference
but by what every chunk says: `"simulated": true`.
"""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2

from aistudio.llm.simulation.answer import answer
from aistudio.llm.simulation.structured import json_fitting

OFFLINE_MODEL = "offline/simulated"
FINGERPRINT = "simulated"

# An answer comes in at least this many pieces, however short: ten deltas even when two of them are batched.
MIN_PIECES = 12
MAX_PIECES = 80
FIRST_PIECE_SECONDS = 0.25
TOKENS_PER_SECOND = 45.0
# Whoever watches batches pieces every 50 ms: a shorter answer than this would arrive in a few lumps.
MIN_SECONDS = 1.2
MAX_SECONDS = 3.0

TOKEN = re.compile(r"\s*[^\W_]{1,8}|\s*[^\s]|\s+")


class OfflineTransport(httpx2.AsyncBaseTransport):
    """Answers every `POST …/chat/completions` with a stream, which is all that our client ever asks for.

    Args:
        pace: how slowly it types: 1 is lifelike (one to three seconds an answer), 0 is at once.
    """

    def __init__(self, *, pace: float = 1.0) -> None:
        self._pace = pace

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response a real endpoint would send."""
        body = json.loads(await request.aread())
        return httpx2.Response(
            200, headers={"Content-Type": "text/event-stream"}, stream=_Stream(body, self._pace)
        )


class _Stream(httpx2.AsyncByteStream):
    """The server-sent events of one answer."""

    def __init__(self, body: dict[str, Any], pace: float) -> None:
        self._body = body
        self._pace = pace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        system, user = (_message(self._body, role) for role in ("system", "user"))
        # Some of the answers take a while to make up, and the loop has others to serve.
        text = await asyncio.to_thread(_answer, system, user, _schema(self._body))
        tokens = TOKEN.findall(text)
        limit = self._body.get("max_tokens")
        finish = "length" if limit is not None and len(tokens) > limit else "stop"
        tokens = tokens[:limit]
        parts = pieces(tokens)
        seconds = min(max(len(tokens) / TOKENS_PER_SECOND, MIN_SECONDS), MAX_SECONDS)
        frame = {
            "id": f"chatcmpl-{_digest(self._body)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": OFFLINE_MODEL,
            "system_fingerprint": FINGERPRINT,
            "simulated": True,
        }
        yield _event(frame | _choice({"role": "assistant", "content": ""}))
        for number, part in enumerate(parts):
            await asyncio.sleep(self._pace * (seconds / len(parts) if number else FIRST_PIECE_SECONDS))
            yield _event(frame | _choice({"content": part}))
        yield _event(frame | _choice({}, finish))
        read = len(TOKEN.findall(system)) + len(TOKEN.findall(user))
        usage = {"prompt_tokens": read, "completion_tokens": len(tokens), "total_tokens": read + len(tokens)}
        yield _event(frame | {"choices": [], "usage": usage | {"cost": 0.0}})
        yield b"data: [DONE]\n\n"


def pieces(tokens: list[str]) -> list[str]:
    """The tokens as at least `MIN_PIECES` pieces.

    A short answer comes letter by letter. One with fewer letters than that ends in empty pieces, as real
    endpoints send them too: padding would change a word that a condition may compare.
    """
    if len(tokens) < MIN_PIECES:
        letters = list("".join(tokens))
        return letters + [""] * (MIN_PIECES - len(letters))
    size = -(-len(tokens) // MAX_PIECES)
    return ["".join(tokens[start : start + size]) for start in range(0, len(tokens), size)]


def _answer(system: str, user: str, schema: dict[str, Any] | None) -> str:
    return answer(system, user) if schema is None else json_fitting(schema, system, user)


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON Schema that the answer should fit, if one is wanted."""
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
    return None


def _message(body: dict[str, Any], role: str) -> str:
    return "\n\n".join(_texts(body, role))


def _texts(body: dict[str, Any], role: str) -> Iterator[str]:
    for message in body.get("messages", []):
        if message.get("role") == role and isinstance(message.get("content"), str):
            yield message["content"]


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]}


def _event(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()
