"""The web process (page, API and worker) as the supervisor sees it: a command, its ports, its health."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from aistudio.embedded import build, ports
from aistudio.embedded.processes import end, marked, say, spawn_here

# Every process below the web process carries this variable, so that none is missed when it ends.
MARK = "AISTUDIO_SUPERVISED"
# Set when the web process listens on this machine only; it then refuses requests that name another host.
LOCAL = "AISTUDIO_LOCAL"


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    """The address the backend listens on."""
    port: int
    """Where the backend answers."""
    page_port: int
    remedy: str
    """How to choose another port, as a sentence."""
    prepare: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda environment: {}
    """What has to be done before the first start, in the given environment; answers what to add to it."""


class Web:
    """The running program. A failure before it ever answered is its own; a later one is repaired by `start`.

    Args:
        environment: what the program gets to see, whole.
        news: what else to say when it is ready.
    """

    name = "The web process"

    def __init__(self, program: Program, home: Path, environment: Mapping[str, str], news: str = "") -> None:
        self._program = program
        self._news = news
        self._mark = str(home)
        local = "1" if ports.is_loopback(program.host) else ""
        self._environment = {**environment, MARK: self._mark, LOCAL: local}
        self._process: subprocess.Popen[bytes] | None = None
        self._answered = self._ever_answered = False
        self._silences = 0
        self._checked_at = 0.0
        self._announced = False

    def prepare(self) -> None:
        """End what an earlier run on the same home left; raises EmbeddedError when a port is taken."""
        self._clear()
        for port in sorted({self._program.page_port, self._program.port}):
            ports.require_free(port, self._program.remedy)
        self._environment |= self._program.prepare(self._environment)

    def start(self) -> None:
        """Start it; it becomes ready in its own time."""
        self._clear()
        self._answered, self._silences = False, 0
        self._process = spawn_here(self._program.command, {**self._environment, **self._program.environment})

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def answered(self) -> bool:
        """Whether it has ever accepted a connection, in this start or in an earlier one."""
        return self._ever_answered

    def check(self) -> None:
        """Say once that it is ready; have a worker that was killed replaced after a second of silence.

        Reflex's development server does not do that by itself: it waits for the next change of a file.
        """
        if time.monotonic() < self._checked_at + 1 or self._process is None:
            return
        self._checked_at = time.monotonic()
        if ports.answers(self._program.host, self._program.port):
            self._answered = self._ever_answered = True
            self._silences = 0
            if not self._announced and ports.answers(self._program.host, self._program.page_port):
                self._announced = True
                say(f"Ready at http://localhost:{self._program.page_port} (Ctrl-C ends it). {self._news}")
        elif self._answered:
            self._silences += 1
            # Once only: when the new worker fails too, the code is at fault, and saving it will start one.
            if self._silences == 2:
                self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Ask it to end, and after 10 s make it; nothing below it is left."""
        # All of them are asked: npm's launcher does not pass the signal on to the server below it.
        end(marked(MARK, self._mark), signal.SIGTERM, patience=10)
        if self._process is not None:
            self._process.wait()

    def _clear(self) -> None:
        end(marked(MARK, self._mark))


def environment_on(home: Path) -> dict[str, str]:
    """What the web process that runs on this home was started with; empty when none of this user's does."""
    for process in marked(MARK, str(home)):
        with suppress(psutil.Error):
            return process.environ()
    return {}


def ports_on(home: Path) -> set[int]:
    """The ports on which the web process that runs on this home listens."""
    found = set()
    for process in marked(MARK, str(home)):
        with suppress(psutil.Error):
            connections = process.net_connections("tcp")
            found |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
    return found


def reflex_run(arguments: Sequence[str]) -> Program:
    """The program behind `reflex run ARGUMENTS`."""
    from reflex.reflex import run

    options = run.make_context("run", list(arguments)).params
    page_port, port = options["frontend_port"] or 3000, options["backend_port"] or 8000
    command = [sys.executable, "-m", "reflex", "run", *arguments]
    if options["env"] == "dev":
        command += [] if options["frontend_port"] else ["--frontend-port", str(page_port)]
        command += [] if options["backend_port"] else ["--backend-port", str(port)]
    return Program(
        command=command,
        host=options["backend_host"] or os.environ.get("REFLEX_BACKEND_HOST") or "127.0.0.1",
        port=port,
        page_port=page_port,
        remedy=(
            "Stop that program, or choose other ports, as in: "
            "REFLEX_FRONTEND_PORT=3001 REFLEX_BACKEND_PORT=8001 make run"
        ),
    )


def serving(host: str, port: int) -> list[str]:
    """The command of the server that production uses, in front of the whole application."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--log-level", "warning"),
        *("--host", host, "--port", str(port), "--workers-kill-timeout", "10"),
        "aistudio.aistudio:app",
    ]


def finished_build() -> dict[str, str]:
    """What makes Reflex serve a build that is there already, and make none."""
    from reflex_base.environment import environment as reflex

    return {reflex.REFLEX_ENV_MODE.name: "prod", reflex.REFLEX_SKIP_COMPILE.name: "true"}


def production(host: str, port: int) -> Program:
    """The program behind `aistudio serve`: page, API and worker on one port, from a build made once."""
    from reflex_base.environment import environment as reflex

    return Program(
        command=serving(host, port),
        environment={**finished_build(), reflex.REFLEX_MOUNT_FRONTEND_COMPILED_APP.name: "true"},
        host=host,
        port=port,
        page_port=port,
        remedy=f"Stop that program, or choose another port, as in: make serve PORT={port + 1}",
        prepare=build.build,
    )
