"""The whole product, and a model endpoint that outlives it and counts what it is asked."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.parts import FIRST_START_SECONDS, Deployment
from tests.support.studio_client import Serving
from tests.support.supervised import ROOT

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
# About a second and a half for one answer, so that most of a run's time is spent in the middle of one.
WORDS = " ".join(f"word{number}" for number in range(30))
INTERVAL_MS = 50


def pytest_report_header() -> str:
    """How to see the same misfortunes again."""
    return f"chaos: CHAOS_SEED={SEED}"


@pytest.fixture
def chance() -> random.Random:
    """What decides who dies when."""
    return random.Random(SEED)


class Endpoint:
    """The model endpoint, a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.model_server"),
                *("--port", "0", "--interval-ms", str(INTERVAL_MS), "--text", WORDS),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()

    def calls(self) -> list[dict[str, Any]]:
        """Every call it has got, oldest first."""
        answer = httpx.get(self.base_url.removesuffix("/v1") + "/calls").raise_for_status()
        found: list[dict[str, Any]] = answer.json()["calls"]
        return found

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """One endpoint for all tests of a module."""
    started = Endpoint()
    yield started
    started.stop()


class Lives:
    """One home whose product is started again and again on the same port."""

    def __init__(self, home: Path, endpoint: Endpoint) -> None:
        self._home = home
        self._env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": endpoint.base_url}
        self.now: Serving = Serving(home, self._env)
        self.now.wait_until_healthy(FIRST_START_SECONDS)

    def again(self) -> Serving:
        """Start it after it was killed."""
        self.now = Serving(self._home, self._env, self.now.port)
        self.now.wait_until_healthy(60)
        return self.now


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[Lives]:
    """The product, ready."""
    started = Lives(tmp_path_factory.mktemp("home"), endpoint)
    yield started
    started.now.end()


@pytest.fixture
def deployment(tmp_path: Path, endpoint: Endpoint) -> Iterator[Deployment]:
    """Every part a process of its own, ready."""
    started = Deployment(tmp_path, endpoint.base_url)
    yield started
    started.end()
