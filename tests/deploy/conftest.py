"""A deployment as the runbook makes it, on a real Docker engine."""

import os
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.deploy import images
from tests.deploy.engine import Engine
from tests.e2e.conftest import browser, free_port, page
from tests.support.supervised import ROOT

__all__ = ["browser", "page"]

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose"
# Containers, volumes and images of its own: the engine may be somebody's, who runs a studio on it.
PROJECT = f"aistudio-test-{os.getpid()}"
RUNTIME, WEB = f"{PROJECT}/runtime:local", f"{PROJECT}/web:local"
T = TypeVar("T")

# What the runbook's `up` may take once the images are there.
UP_SECONDS = 120


def runbook(heading: str, number: int = 1) -> str:
    """The shell commands of a section of deploy/README.md: its `number`th block."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", (DEPLOY / "README.md").read_text(), re.M | re.S)
    assert section is not None, heading
    return re.findall(r"^```sh\n(.*?)^```", section[1], re.M | re.S)[number - 1]


class Deployment:
    """The compose project, driven from deploy/compose as an operator does."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory
        self.up_seconds = 0.0
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"

    def shell(self, commands: str, timeout: float = 600) -> str:
        """What the commands print; the first that fails is the test's failure."""
        return self.engine.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=self.directory, timeout=timeout
        )

    def compose(self, *arguments: str, timeout: float = 300) -> str:
        """What `docker compose ARGUMENTS` prints."""
        return self.engine.run(["docker", "compose", *arguments], cwd=self.directory, timeout=timeout)

    def inside(self, service: str, program: str, timeout: float = 60) -> str:
        """What a shell program prints inside a service's container."""
        return self.compose("exec", "-T", service, "sh", "-c", textwrap.dedent(program), timeout=timeout)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self.compose("ps", "-a", "-q", service).strip()

    def inspect(self, service: str, template: str) -> str:
        """What `docker inspect` says of a service's container."""
        return self.engine.docker("inspect", "--format", template, self.container(service)).strip()

    def logs(self, *services: str) -> str:
        """What the services said so far."""
        return self.compose("logs", "--no-color", "--no-log-prefix", *services)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """What the public port answers to a GET."""
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=30)

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
        """What the public port answers to a POST of JSON."""
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=30)

    def workflow(self, template: str = "sales-inquiry-pipeline") -> str:
        """A workflow made from a template; its id."""
        graph = self.get(f"/api/templates/{template}").json()["graph"]
        made = self.post("/api/workflows", {"graph": graph})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def finished(self, execution_id: str, timeout: float = 120) -> dict[str, object]:
        """A run once it has ended."""

        def ended() -> dict[str, object] | None:
            run: dict[str, object] = self.get(f"/api/executions/{execution_id}").json()
            return run if run["status"] in {"completed", "failed", "cancelled"} else None

        return until(ended, timeout, f"end of run {execution_id}")


def until(look: Callable[[], T | None], timeout: float, what: str) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            found = look()
        except (httpx.HTTPError, KeyError, ValueError):
            found = None
        if found:
            return found
        time.sleep(0.3)
    pytest.fail(f"no {what} within {timeout} s")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Docker engine; its absence is a failure, not a skip."""
    started = Engine(tmp_path_factory.mktemp("engine"))
    started.start()
    # What stands in the environment outranks .env: neither a key that costs money nor another limit may.
    example = (COMPOSE / ".env.example").read_text()
    for name in re.findall(r"^(\w+)=", example, re.MULTILINE):
        started.environment.pop(name, None)
    started.environment["COMPOSE_PROJECT_NAME"] = PROJECT
    yield started
    started.stop()


@pytest.fixture(scope="session")
def provided(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> dict[str, str]:
    """Which of the named images are real, and which are stand-ins; said in the report, too."""
    found = images.provide(engine, tmp_path_factory.mktemp("images"))
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    for image, kind in found.items():
        reporter.write_line(f"\nimage {image}: {kind}")
    return found


@pytest.fixture(scope="session")
def deployment(
    engine: Engine, provided: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A copy of this checkout, brought up from wiped volumes by the runbook's three commands."""
    checkout = tmp_path_factory.mktemp("checkout") / "aistudio"
    engine.run(["git", "clone", "-q", str(ROOT), str(checkout)])
    overlay_working_tree(engine, checkout)
    made = Deployment(engine, checkout / "deploy" / "compose")
    enter, passwords, up = runbook("Quick start").splitlines()
    engine.run(["bash", "-euc", enter], cwd=checkout)
    made.shell(passwords)
    settings = (made.directory / ".env").read_text()
    changes = {"WEB_BIND": "127.0.0.1", "WEB_PORT": str(made.port), "AISTUDIO_IMAGE_PREFIX": PROJECT}
    for name, value in changes.items():
        settings = re.sub(rf"^{name}=.*$", f"{name}={value}", settings, flags=re.M)
    (made.directory / ".env").write_text(settings)
    made.shell("docker compose build", timeout=1200)
    begun = time.monotonic()
    try:
        made.shell(up, timeout=UP_SECONDS)
        made.up_seconds = time.monotonic() - begun
        yield made
    finally:
        Path("test-results").mkdir(exist_ok=True)
        Path("test-results/deploy.log").write_text(made.logs())
        made.shell("docker compose down --volumes --timeout 5")
        engine.docker("image", "rm", RUNTIME, WEB)


def overlay_working_tree(engine: Engine, checkout: Path) -> None:
    """Bring what is changed and not committed into the copy, as a developer expects; CI has nothing such."""
    files = "git ls-files -z --cached --others --exclude-standard"
    copy = f"{files} | tar --null -T - --ignore-failed-read -c | tar -C '{checkout}' -x"
    engine.run(["bash", "-euc", copy], cwd=ROOT)
