"""A web search for tests: a real HTTP server that speaks Tavily's protocol.

::

    with SearchServer([{"title": "Brie", "url": "https://…", "content": "A cheese."}]) as server:
        search = WebSearch("a-key", base_url=server.base_url)
        ...
        server.searches[0].query, server.searches[0].headers["authorization"], server.left
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search as the server saw it."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def query(self) -> str:
        return str(self.body["query"])


@dataclass
class SearchServer:
    """See the module.

    Attributes:
        results: what every search finds.
        status: HTTP status of every answer.
        raw: sent instead of the results, as it stands.
        hangs: no answer ever comes; `left` is set when the client has gone.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    raw: bytes | None = None
    hangs: bool = False
    searches: list[Search] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        assert request.path == "/search"
        self.searches.append(Search(headers={k.lower(): v for k, v in request.headers.items()}, body=body))
        self.arrived.set()
        if self.hangs:
            # A client sends nothing while it waits: whatever the read brings, it is its leaving.
            request.connection.settimeout(30)
            if request.connection.recv(1) == b"":
                self.left.set()
            request.close_connection = True
            return
        answer = {"query": body["query"], "results": self.results, "response_time": 0.1}
        data = json.dumps(answer).encode() if self.raw is None else self.raw
        request.send_response(self.status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
