"""`reflex run` alone, in a fresh checkout: the development server with everything below it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.studio_client import Api
from tests.support.supervised import Supervised, alive, answers, copy_checkout, free_port

FIRST_START_SECONDS = 240
BACK_WITHIN = 15


class Development(Supervised, Api):
    """`reflex run` in a copy of the checkout."""

    def __init__(self, root: Path) -> None:
        copy_checkout(root)
        self.root = root
        self.page_port, self.port = free_port(), free_port()
        ports = {"REFLEX_FRONTEND_PORT": str(self.page_port), "REFLEX_BACKEND_PORT": str(self.port)}
        command = [sys.executable, "-m", "reflex", "run"]
        Supervised.__init__(self, command, root / ".aistudio", root.with_suffix(".log"), ports, root)
        Api.__init__(self, self.port)

    def worker(self) -> psutil.Process:
        """The process that Reflex's reloader forks, which serves the API and works on runs."""
        reflex = self.find("reflex")
        return next(child for child in reflex.children() if child.cmdline() == reflex.cmdline())

    def servers(self) -> list[int]:
        """The process numbers of PostgreSQL and Temporal."""
        return [self.find("postgres").pid, self.find("temporal").pid]


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """The development server, ready."""
    started = Development(tmp_path_factory.mktemp("development") / "checkout")
    try:
        started.wait_for(
            lambda: answers(started.page_port) and started.healthy(),
            FIRST_START_SECONDS,
            "development server",
        )
        yield started
    finally:
        started.end()


def test_reflex_run_alone_brings_page_api_servers_and_worker(development: Development) -> None:
    assert httpx.get(f"http://localhost:{development.page_port}/", timeout=60).status_code == 200
    execution = development.execute(development.create("sales-inquiry-pipeline"), "Hello, we are a school.")
    assert development.finish(execution)["status"] == "completed"


def test_a_hot_reload_leaves_the_servers_alone(development: Development) -> None:
    servers, worker = development.servers(), development.worker()
    source = development.root / "aistudio" / "studio" / "health.py"
    source.write_text(source.read_text() + "\n")
    development.wait_for(lambda: not alive(worker) and development.healthy(), 60, "new worker")
    assert development.servers() == servers
    assert "started again" not in development.output


def test_a_killed_worker_is_replaced(development: Development) -> None:
    servers, worker = development.servers(), development.worker()
    worker.kill()
    development.wait_for(lambda: not alive(worker) and development.healthy(), BACK_WITHIN, "new worker")
    assert development.servers() == servers


def test_ctrl_c_leaves_no_process_behind(development: Development) -> None:
    processes = development.processes()
    assert any("react-router" in part for process in processes for part in process.cmdline())
    development.interrupt()
    assert development.wait() == 0
    assert [process for process in processes if alive(process)] == []
    assert "Traceback" not in development.output
