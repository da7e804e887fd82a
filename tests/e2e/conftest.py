"""A studio as people run it (`aistudio serve`, production build) and a real browser in front of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

READY_SECONDS = 240  # the first start makes the production build
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Served:
    """A running `aistudio serve`."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.log = home / "serve.log"
        home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "aistudio.cli", "serve", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**clean_environment(), "AISTUDIO_HOME": str(home), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def wait(self) -> None:
        """Return when it serves."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, f"it ended:\n{self.log.read_text()}"
            try:
                if httpx.get(f"{self.url}/api/health/live").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        pytest.fail(f"it did not serve within {READY_SECONDS} s:\n{self.log.read_text()}")

    def get(self, path: str) -> httpx.Response:
        """What it answers to a GET."""
        return httpx.get(f"{self.url}{path}", timeout=30)

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
        """What it answers to a POST of JSON."""
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=30)

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=40)


def clean_environment() -> dict[str, str]:
    """This process's environment without keys and servers, so that no test can spend money."""
    ours = {"DATABASE_URL", "TEMPORAL_ADDRESS", "OPENROUTER_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def create_workflow(studio: Served, graph: object) -> str:
    """A workflow of a test's own; answers its page's address."""
    return f"{studio.url}/w/{studio.post('/api/workflows', {'graph': graph}).json()['id']}"


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a studio with an environment of its own; every one is stopped at the end."""
    started: list[Served] = []

    def start(**environment: str) -> Served:
        started.append(Served(tmp_path_factory.mktemp("home"), environment))
        started[-1].wait()
        return started[-1]

    yield start
    for served in started:
        served.stop()


@pytest.fixture(scope="session")
def studio(serve: Serve) -> Served:
    """A studio with embedded servers and the offline model."""
    return serve()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium; its absence is a failure, not a skip."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    assert executable, "no Chromium on this machine: install the package `chromium`"
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A fresh visitor's tab; the test fails when its console shows an error it did not expect."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    tab = await context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    tab.on("console", note)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.complaints = complaints  # type: ignore[attr-defined]
    yield tab
    await context.close()
    assert complaints == []
