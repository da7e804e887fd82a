"""The product seen from outside: a running `aistudio serve` and its REST API."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.supervised import ROOT, Supervised, aistudio, free_port

FINAL = {"completed", "failed", "cancelled"}


class Api:
    """The REST API of a running product."""

    def __init__(self, port: int) -> None:
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=30)

    def healthy(self) -> bool:
        """Whether the API, PostgreSQL, its schema and Temporal all say so."""
        try:
            return self.api.get("/health").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> Any:
        """What a GET answers."""
        return self.api.get(path).raise_for_status().json()

    def create(self, template: str) -> str:
        """A workflow made from a template; its id."""
        graph = self.get(f"/templates/{template}")["graph"]
        return str(self.api.post("/workflows", json={"graph": graph}).raise_for_status().json()["id"])

    def execute(self, workflow: str, text: str) -> str:
        """Start a run; its id."""
        answer = self.api.post(f"/workflows/{workflow}/execute", json={"input": text}).raise_for_status()
        return str(answer.json()["execution_id"])

    def finish(self, execution: str, timeout: float = 60) -> dict[str, Any]:
        """The execution once it has ended, however the servers come and go meanwhile."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                found: dict[str, Any] = self.get(f"/executions/{execution}")
                if found["status"] in FINAL:
                    return found
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"execution {execution} did not end within {timeout} s")

    def events(self, execution: str) -> list[dict[str, Any]]:
        """All of its events."""
        found: list[dict[str, Any]] = self.get(f"/executions/{execution}/events?after=0")["events"]
        return found


class Serving(Supervised, Api):
    """`aistudio serve` on a port of its own."""

    def __init__(
        self, home: Path, env: Mapping[str, str], port: int | None = None, root: Path = ROOT
    ) -> None:
        self.port = port or free_port()
        home.mkdir(parents=True, exist_ok=True)
        command = aistudio("serve", "--port", str(self.port))
        Supervised.__init__(self, command, home, home / "serve.log", env, root)
        Api.__init__(self, self.port)

    def wait_until_healthy(self, timeout: float) -> None:
        """Until it serves and all of its servers do; the very first time it makes the build."""
        self.wait_for(self.healthy, timeout, "healthy product")
