"""The parts of a deployment, each a process that can be killed with -9 and started again."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from aistudio.embedded.postgres import Postgres
from aistudio.embedded.temporal import Temporal
from tests.support.studio_client import Serving
from tests.support.supervised import ROOT, aistudio

FIRST_START_SECONDS = 240


class Part(Protocol):
    """Something that can die."""

    name: str

    def kill(self) -> None:
        """SIGKILL for all of its processes."""

    def start(self) -> None:
        """Bring it back, unless something else does that."""

    def end(self) -> None:
        """Leave nothing behind."""


class ServerPart:
    """PostgreSQL or Temporal."""

    def __init__(self, server: Postgres | Temporal) -> None:
        self.name = server.name
        self._server = server
        server.start()

    def kill(self) -> None:
        assert self._server.pid is not None
        kill_tree(psutil.Process(self._server.pid))

    def start(self) -> None:
        self._server.start()

    def end(self) -> None:
        self._server.stop()


class WorkerPart:
    """`aistudio worker`."""

    def __init__(self, name: str, home: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self._log = home / f"{name}.log"
        self._env = {**os.environ, **env, "AISTUDIO_HOME": str(home)}
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                aistudio("worker"), cwd=ROOT, env=self._env, stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self.kill()


class WebPart:
    """`aistudio serve` without a worker; its supervisor brings back the server that is killed below it."""

    name = "web"

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.serving = Serving(home / "web", {**env, "AISTUDIO_RUN_WORKER": "0"})
        self.serving.wait_until_healthy(FIRST_START_SECONDS)

    def kill(self) -> None:
        kill_tree(self.serving.find("granian"))

    def start(self) -> None:
        """The supervisor does that."""

    def end(self) -> None:
        self.serving.end()


class Deployment:
    """One of each, and a second worker, on servers of their own."""

    def __init__(self, home: Path, model_url: str) -> None:
        self.parts: list[Part] = []
        try:
            postgres, temporal = Postgres(home / "postgres"), Temporal(home / "temporal")
            self.parts += [ServerPart(postgres), ServerPart(temporal)]
            self.temporal_address = temporal.address
            env = {
                "DATABASE_URL": postgres.url,
                "TEMPORAL_ADDRESS": temporal.address,
                "OPENAI_API_KEY": "test-key",
                "OPENAI_BASE_URL": model_url,
            }
            web = WebPart(home, env)
            self.parts.append(web)
            self.product = web.serving
            self.parts += [WorkerPart(name, home, env) for name in ("worker 1", "worker 2")]
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Leave nothing behind."""
        for part in reversed(self.parts):
            part.end()


def kill_tree(top: psutil.Process) -> None:
    """kill -9 of a process and everything below it."""
    processes = [top, *top.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=10)
