"""A model endpoint that costs no time: `python -m benchmarks.endpoint` prints its base URL.

It answers `ok` at once, and to a system prompt that contains SLOW after SLOW_SECONDS. To one that contains
STREAM it sends STAMPS tokens, INTERVAL_SECONDS apart, each the moment it was sent: nanoseconds of the clock
that every process of this machine shares.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW = "[[slow]]"
SLOW_SECONDS = 3.0
STREAM = "[[stamps]]"
STAMPS = 300
INTERVAL_SECONDS = 0.01


class Handler(BaseHTTPRequestHandler):
    """Chat completions, streamed."""

    protocol_version = "HTTP/1.1"
    # Else the kernel holds small writes back for 40 ms, as no real endpoint lets it.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one request."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        prompt = request["messages"][0]["content"]
        if SLOW in prompt:
            time.sleep(SLOW_SECONDS)
        if STREAM in prompt:
            for _ in range(STAMPS):
                time.sleep(INTERVAL_SECONDS)
                self._send({"content": f"{time.monotonic_ns()} "})
        else:
            self._send({"content": "ok"})
        self._send({}, finish="stop")
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _send(self, delta: dict[str, str], finish: str | None = None) -> None:
        chunk = {
            "id": "bench",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "bench",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        if finish is not None:
            chunk["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self._chunk(f"data: {json.dumps(chunk)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as a fan-out of fifty makes."""

    daemon_threads = True
    request_queue_size = 256


def main() -> None:
    """Serve until killed."""
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
