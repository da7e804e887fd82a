"""The parent of everything on a laptop: the embedded servers and the web process that uses them."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, Protocol

from aistudio.embedded.home import Home
from aistudio.embedded.postgres import Postgres
from aistudio.embedded.processes import EmbeddedError, say
from aistudio.embedded.temporal import Temporal, without_profile
from aistudio.embedded.web import Program, Web
from aistudio.settings import Settings

TICK_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Server(Protocol):
    """An embedded server."""

    name: str

    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Stopped(BaseException):
    """Somebody asked the supervisor to end."""


class Supervisor:
    """Starts servers and program, starts again what dies, and ends all of it in the opposite order."""

    def __init__(self, home: Home, servers: list[Server], web: Web) -> None:
        self._home = home
        self._servers = servers
        self._web = web
        self._repairs = 0
        self._repaired_at = 0.0

    def run(self) -> int:
        """Return 0 when asked to end, or the exit code of a program that gave up before it ever answered."""
        self._home.claim()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)
        try:
            self._web.prepare()
            for server in self._servers:
                server.start()
            self._web.start()
            return self._watch()
        except Stopped:
            return 0
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._web.stop()
            for server in reversed(self._servers):
                server.stop()
            self._home.release()

    def _watch(self) -> int:
        while True:
            time.sleep(TICK_SECONDS)
            for server in self._servers:
                if server.pid is None:
                    self._repair(server.name, server.start)
            code = self._web.exit_code
            if code is None:
                self._web.check()
            elif self._web.answered or code < 0:
                self._repair(self._web.name, self._web.start)
            else:
                return code

    def _repair(self, name: str, start: Callable[[], None]) -> None:
        now = time.monotonic()
        # What fails again and again is not hammered; a quiet minute forgives.
        self._repairs = self._repairs + 1 if now - self._repaired_at < 60 else 0
        time.sleep(min(LONGEST_PAUSE_SECONDS, 0.2 * 2**self._repairs) if self._repairs > 2 else 0)
        say(f"{name} stopped unexpectedly and is started again.")
        try:
            start()
        except EmbeddedError as error:
            say(str(error))
        self._repaired_at = time.monotonic()


def supervise(program: Program, settings: Settings) -> int:
    """Run the program over embedded servers for what the settings do not name; returns the exit code.

    Raises EmbeddedError when something cannot be started.
    """
    home = Home(settings.aistudio_home)
    servers: list[Server] = []
    environment, news = dict(os.environ), ""
    if settings.database_url is None:
        postgres = Postgres(home.directory / "postgres")
        environment["DATABASE_URL"] = postgres.url
        servers.append(postgres)
    if settings.temporal_address is None:
        temporal = Temporal(home.directory / "temporal")
        environment = without_profile(environment) | {
            "TEMPORAL_ADDRESS": temporal.address,
            "AISTUDIO_RUN_WORKER": environment.get("AISTUDIO_RUN_WORKER") or "1",
        }
        servers.append(temporal)
        news = f"Temporal's own page is at {temporal.ui_url}."
    return Supervisor(home, servers, Web(program, home.directory, environment, news)).run()


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped
