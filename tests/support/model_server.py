"""A model endpoint for tests: a real HTTP server that speaks OpenAI's streaming chat completions.

In a test (sync or async; it runs on a thread of its own)::

    with ModelServer() as server:                      # answers at once; ModelServer(interval=0.02) types
        settings = Settings(openai_api_key="test-key-1234", openai_base_url=server.base_url)
        server.script(Behaviour(status=503), Behaviour(text="sales"))   # the next two calls
        ...
        server.calls[0].user, server.calls[0].disconnected, server.wait_for(lambda calls: len(calls) == 2)

As a process of its own, which prints its base URL and outlives whoever is killed::

    python -m tests.support.model_server --port 0 --interval-ms 20
    GET  /v1/models, /v1/key   something; 401 for any key but `accepted_key`, where that is set
    GET  /calls   {"count": 2, "calls": [{"number": 1, "system": …, "user": …, "disconnected": false, …}]}
    POST /script  [{"text": "sales"}, {"status": 503}]        the next calls, as `Behaviour`
    DELETE /calls forgets the calls and the script

What a call gets: the next scripted behaviour, else what markers in its *system prompt* say, else the
default answer, which depends on nothing but the messages. Markers, several of which may stand together:

    [[text:sales]]  answer this            [[echo]]      answer with the user message
    [[empty]]       answer nothing         [[slow]]      0.1 s between words; [[slow:0.5]] another time
    [[delay:1]]     seconds before the first word
    [[status:429 retry_after=2 times=1]]   an HTTP error; `times` only for the first calls of this prompt
    [[error:502 times=1]]  an error object in the middle of a 200 stream, after 3 words
    [[drop]]        connection reset after 3 words; [[drop:0]] after none; also takes times=
    [[cut]]         orderly end after 3 words, without finish_reason and [DONE]; also takes times=
    [[hang]]        3 words, then silence until the client leaves; [[hang:0]] no word at all
    [[endless]]     words until the client leaves
    [[cost:0.002]]  usage.cost, as OpenRouter sends it     [[nousage]]  no usage chunk
    [[search:cheese times=2]]  call the tool `web_search` instead of answering, while it may be called and has
                    been called fewer than `times` times (1) before; text said besides comes first
    [[noformat]]    400 to a request with a response_format

Any call can also be scripted to call tools (`Behaviour.tool_calls`): they come after the text, streamed in
pieces as OpenAI streams them. `response_format` changes nothing: the text is what the test says.
"""

import argparse
import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

MARKER = re.compile(r"\[\[(\w+)(?::([^\]]*?))?((?:\s+\w+=\S+?)*)\]\]")
WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What one call gets.

    Attributes:
        text: the answer; null for the default one.
        delay: seconds before the first word.
        interval: seconds between words; null for the server's own.
        status: HTTP status; anything but 200 is answered with an error object.
        message: the error's message, in the body or in the stream.
        retry_after: Retry-After header of an error, as it stands.
        fail_after: how many words come before `failure` happens.
        failure: `drop` resets the connection, `cut` ends the stream in order but unfinished, `hang`
            sends nothing more, `error` sends an error object with `error_code`, `endless` never stops.
        error_code: the code inside that error object.
        usage: whether a usage chunk is sent.
        cost: `usage.cost`, when not null.
        raw: sent instead of the whole stream, as it stands.
        tool_calls: what is called after the text, each as (name of the tool, its arguments as JSON).
    """

    text: str | None = None
    delay: float = 0.0
    interval: float | None = None
    status: int = 200
    message: str = "scripted failure"
    retry_after: str | None = None
    fail_after: int = 3
    failure: str | None = None
    error_code: int | str = 502
    usage: bool = True
    cost: float | None = None
    raw: str | None = None
    tool_calls: Sequence[tuple[str, str]] = ()


@dataclass(kw_only=True)
class Call:
    """One chat completion as the server saw it; times are `time.time()`."""

    number: int
    headers: dict[str, str]
    body: dict[str, Any]
    started_at: float
    first_word_at: float | None = None
    ended_at: float | None = None
    words: int = 0
    completed: bool = False
    disconnected: bool = False

    def message(self, role: str) -> str:
        """The last message of this role, or ''."""
        found = self.messages(role)
        return found[-1] if found else ""

    def messages(self, role: str) -> list[str]:
        """The texts of all messages of this role."""
        return [str(m.get("content") or "") for m in self.body.get("messages", []) if m.get("role") == role]

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def system(self) -> str:
        return self.message("system")

    @property
    def user(self) -> str:
        return self.message("user")

    def dump(self) -> dict[str, Any]:
        """The call as `GET /calls` shows it."""
        return asdict(self) | {"model": self.model, "system": self.system, "user": self.user}


@dataclass
class ModelServer:
    """See the module. Everything may be called from any thread."""

    interval: float = 0.0
    text: str | None = None
    port: int = 0
    accepted_key: str | None = None
    asked: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._script: list[Behaviour] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self.serve(),), daemon=True
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the model server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def script(self, *behaviours: Behaviour) -> None:
        """What the next calls get, one each, in the order they arrive."""
        self._script.extend(behaviours)

    def reset(self) -> None:
        """Forget the calls and the script."""
        self._script.clear()
        self.calls.clear()

    def wait_for(self, condition: Callable[[list[Call]], bool], timeout: float = 10.0) -> bool:
        """Block until the calls satisfy the condition. In async code: `await asyncio.to_thread(…)`."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self.calls), timeout)

    async def serve(self) -> None:
        """Listen until stopped."""
        self._stop = asyncio.Event()
        handlers: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            handlers.add(task)
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._handle(reader, writer):
                    pass
            writer.transport.abort()
            handlers.discard(task)

        server = await asyncio.start_server(accept, "127.0.0.1", self.port, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers)

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection can carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path.endswith("/chat/completions"):
            return await self._complete(headers, json.loads(body), reader, writer)
        if path in ("/v1/models", "/v1/key"):
            self.asked.append(path)
            if self.accepted_key and headers.get("authorization") != f"Bearer {self.accepted_key}":
                _send_json(writer, 401, {"error": {"message": "no such key", "code": 401}})
            else:
                _send_json(writer, 200, {"data": []})
            return True
        if path == "/calls" and method == "DELETE":
            self.reset()
        elif path == "/script":
            self.script(*(Behaviour(**item) for item in json.loads(body)))
        elif path != "/calls":
            _send_json(writer, 404, {"error": {"message": f"no {path} here", "code": 404}})
            return True
        calls = [call.dump() for call in self.calls]
        _send_json(writer, 200, {"count": len(calls), "calls": calls})
        await writer.drain()
        return True

    async def _complete(
        self,
        headers: dict[str, str],
        body: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        call = Call(number=len(self.calls) + 1, headers=headers, body=body, started_at=time.time())
        earlier = sum(1 for other in self.calls if other.body.get("messages") == body.get("messages"))
        behaviour = self._script.pop(0) if self._script else _marked(call, earlier)
        self.calls.append(call)
        self._note()
        # A client sends nothing while it listens: whatever the read brings, it is its leaving.
        leaving = asyncio.create_task(reader.read(1))
        answering = asyncio.create_task(self._answer(call, behaviour, writer))
        try:
            await asyncio.wait({leaving, answering}, return_when=asyncio.FIRST_COMPLETED)
            call.disconnected = not answering.done()
            call.completed = answering.done() and await answering
        finally:
            for task in (leaving, answering):
                task.cancel()
            await asyncio.gather(leaving, answering, return_exceptions=True)
            call.ended_at = time.time()
            self._note()
        return call.completed

    async def _answer(self, call: Call, behaviour: Behaviour, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(behaviour.delay)
        if behaviour.status != 200:
            error = {"message": behaviour.message, "type": "scripted", "code": behaviour.status}
            extra = {} if behaviour.retry_after is None else {"Retry-After": behaviour.retry_after}
            _send_json(writer, behaviour.status, {"error": error}, extra)
            await writer.drain()
            return True
        writer.write(_head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}))
        if behaviour.raw is not None:
            _send_chunk(writer, behaviour.raw)
        else:
            async for event in self._events(call, behaviour):
                if event is None:
                    writer.transport.abort()
                    return False
                _send_chunk(writer, f"data: {event}\n\n")
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _events(self, call: Call, behaviour: Behaviour) -> AsyncIterator[str | None]:
        """The data of every server-sent event; null stands for a dropped connection."""
        text = behaviour.text if behaviour.text is not None else self.text
        if text is None:
            text = (
                f"This is the answer of {call.model} to a message of {len(call.user)} characters, "
                "in plain words and always the same, so that there is something to stream."
            )
        words = WORD.findall(text)
        interval = self.interval if behaviour.interval is None else behaviour.interval
        frame = {
            "id": f"chatcmpl-{call.number}",
            "object": "chat.completion.chunk",
            "created": int(call.started_at),
            "model": call.model,
        }

        def chunk(delta: Mapping[str, Any], finish: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return json.dumps(frame | {"choices": [choice]})

        yield chunk({"role": "assistant", "content": ""})
        endless = behaviour.failure == "endless"
        last = len(words) if behaviour.failure is None else min(len(words), behaviour.fail_after)
        while endless or call.words < last:
            if call.words:
                # Endless at no interval would be a flood nobody could measure.
                await asyncio.sleep(interval or (0.01 if endless else 0))
            yield chunk({"content": words[call.words % len(words)]})
            call.words += 1
            if call.words == 1:
                call.first_word_at = time.time()
                self._note()
        match behaviour.failure:
            case "drop":
                yield None
                return
            case "cut":
                return
            case "hang":
                await asyncio.Event().wait()
            case "error":
                error = {"code": behaviour.error_code, "message": behaviour.message}
                yield json.dumps(json.loads(chunk({"content": ""}, "error")) | {"error": error})
                return
        for number, (name, arguments) in enumerate(behaviour.tool_calls):
            begun = {"id": f"call-{call.number}-{number}", "type": "function"}
            yield chunk(
                {"tool_calls": [{"index": number, **begun, "function": {"name": name, "arguments": ""}}]}
            )
            for piece in re.findall(r".{1,5}", arguments, re.DOTALL):
                yield chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
        yield chunk({}, "tool_calls" if behaviour.tool_calls else "stop")
        if behaviour.usage and (call.body.get("stream_options") or {}).get("include_usage"):
            prompt = sum(len(str(m.get("content") or "").split()) for m in call.body["messages"])
            usage: dict[str, float] = {
                "prompt_tokens": prompt,
                "completion_tokens": len(words),
                "total_tokens": prompt + len(words),
            }
            if behaviour.cost is not None:
                usage["cost"] = behaviour.cost
            yield json.dumps(frame | {"choices": [], "usage": usage})
        yield "[DONE]"


def _marked(call: Call, earlier: int) -> Behaviour:
    """What the markers in the system prompt ask for."""
    behaviour = Behaviour()
    for name, value, rest in MARKER.findall(call.system):
        options = dict(option.split("=", 1) for option in rest.split())
        if name != "search" and earlier >= int(options.get("times", 1_000_000)):
            continue
        match name:
            case "text":
                behaviour = replace(behaviour, text=value)
            case "echo":
                behaviour = replace(behaviour, text=call.user)
            case "empty":
                behaviour = replace(behaviour, text="")
            case "slow":
                behaviour = replace(behaviour, interval=float(value or 0.1))
            case "delay":
                behaviour = replace(behaviour, delay=float(value))
            case "status":
                behaviour = replace(behaviour, status=int(value), retry_after=options.get("retry_after"))
            case "drop" | "cut" | "hang":
                behaviour = replace(behaviour, failure=name, fail_after=int(value or 3))
            case "endless":
                behaviour = replace(behaviour, failure=name)
            case "error":
                code = int(value) if value.isdecimal() else value
                behaviour = replace(behaviour, failure=name, error_code=code)
            case "cost":
                behaviour = replace(behaviour, cost=float(value))
            case "nousage":
                behaviour = replace(behaviour, usage=False)
            case "search":
                may = call.body.get("tools") and call.body.get("tool_choice") != "none"
                if may and len(call.messages("tool")) < int(options.get("times", 1)):
                    calls = (("web_search", json.dumps({"query": value})),)
                    behaviour = replace(behaviour, tool_calls=calls, text=behaviour.text or "")
            case "noformat":
                if "response_format" in call.body:
                    behaviour = replace(behaviour, status=400, message="response_format is not supported")
    return behaviour


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode("latin-1")


def _send_chunk(writer: asyncio.StreamWriter, text: str) -> None:
    data = text.encode()
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def _send_json(
    writer: asyncio.StreamWriter, status: int, body: object, headers: Mapping[str, str] | None = None
) -> None:
    data = json.dumps(body).encode()
    sizes = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    writer.write(_head(status, sizes | dict(headers or {})) + data)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="A scripted model endpoint for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--interval-ms", type=float, default=0.0, help="time between words")
    parser.add_argument("--text", help="the default answer")
    arguments = parser.parse_args()
    server = ModelServer(interval=arguments.interval_ms / 1000, text=arguments.text, port=arguments.port)
    with server, suppress(KeyboardInterrupt):
        print(server.base_url, flush=True)  # noqa: T201 (the parent process reads it)
        threading.Event().wait()


if __name__ == "__main__":
    main()
