"""A web server for tests that sends exactly the bytes it is told to.

In an async test::

    async with WebServer() as server:
        server["/data"] = answer(200, b'{"a": 1}', content_type="application/json")
        server["/busy"] = [answer(503), answer(200)]           # one after the other, the last one for ever
        ...
        server.requests[0].headers["user-agent"]

A path may also have a coroutine function that takes the `asyncio.StreamWriter` and does as it likes.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """An answer's bytes; `_` in a header's name stands for a hyphen."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class WebServer:
    """Serves on this machine while it is entered; an unknown path is answered with 404.

    Attributes:
        requests: all that came so far.
        asked: set when a request came.
        left: set when somebody hung up while a coroutine function was answering.
    """

    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __setitem__(self, path: str, answers: Answer | list[Answer]) -> None:
        self._answers[path] = answers if isinstance(answers, list) else [answers]

    async def __aenter__(self) -> Self:
        self._answers: dict[str, list[Answer]] = {}
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await _read(reader)
            self.requests.append(request)
            self.asked.set()
            answers = self._answers.get(request.target.partition("?")[0], [answer(404, b"nothing here")])
            told = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(told, bytes):
                writer.write(told)
                await writer.drain()
            else:
                gone = asyncio.create_task(self._watch(reader))
                await told(writer)
                gone.cancel()
        writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            await reader.read()
        self.left.set()


async def hang(writer: asyncio.StreamWriter) -> None:
    """Say nothing for longer than any test waits."""
    await asyncio.sleep(60)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method=method, target=target, headers=headers, body=body)
