"""What a person or a program waits for, measured from outside."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.graphs import Graph
from tests.support.studio_client import FINAL, Serving
from tests.support.supervised import ROOT, copy_checkout

START_SECONDS = 300
# How often it is asked which runs have ended while many are under way.
LOOK_SECONDS = 0.15
# A run that takes longer than this never ends.
PATIENCE = 300.0


class RunFailed(Exception):
    """A run of a benchmark did not complete."""


@contextmanager
def endpoint() -> Iterator[dict[str, str]]:
    """A running model endpoint, as the environment that names it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.endpoint"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield {"OPENAI_API_KEY": "benchmark", "OPENAI_BASE_URL": process.stdout.readline().strip()}
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(root: Path, env: dict[str, str]) -> Iterator[tuple[Serving, float]]:
    """The product of a checkout, with its data there, and the milliseconds until it was healthy."""
    begun = time.perf_counter()
    product = Serving(root / ".aistudio", env, root=root)
    try:
        product.wait_until_healthy(START_SECONDS)
        yield product, (time.perf_counter() - begun) * 1000
    finally:
        product.end()


@contextmanager
def checkout() -> Iterator[Path]:
    """A copy of what git knows, as a clone would be: no build, no data."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "checkout"
        copy_checkout(root)
        yield root


def starts(root: Path, runs: int) -> list[float]:
    """Milliseconds of `runs` starts in a checkout, each ended before the next."""
    taken = []
    for _ in range(runs):
        with serving(root, {}) as (_, milliseconds):
            taken.append(milliseconds)
    return taken


def temporal(product: Serving) -> str:
    """host:port of its Temporal server."""
    command = product.find("temporal").cmdline()
    return f"127.0.0.1:{command[command.index('--port') + 1]}"


def create(product: Serving, graph: Graph) -> str:
    """A workflow of this graph; its id."""
    return str(product.api.post("/workflows", json={"graph": graph}).raise_for_status().json()["id"])


def run(product: Serving, workflow: str) -> tuple[float, str]:
    """Milliseconds from the execute request until a watching client has the terminal event; the run's id."""
    begun = time.perf_counter()
    execution = product.execute(workflow, "go")
    for name, data, at in stream(product, execution):
        if name == "event" and str(data["type"]).removeprefix("execution_") in FINAL:
            if data["type"] != "execution_completed":
                raise RunFailed(f"the run ended as {data}")
            return (at - begun) * 1000, execution
    raise RunFailed("the stream ended before the run")


def branch(product: Serving, workflow: str, last: str) -> float:
    """Milliseconds from a run's start until its node `last` completed, by the events' own timestamps."""
    _, execution = run(product, workflow)
    events = product.events(execution)
    ended = next(event for event in events if event["type"] == "node_completed" and event["node_id"] == last)
    began = datetime.fromisoformat(events[0]["timestamp"])
    return (datetime.fromisoformat(ended["timestamp"]) - began).total_seconds() * 1000


def rate(product: Serving, workflow: str, runs: int, at_once: int) -> float:
    """Runs per second while so many are under way; raises RunFailed when one does not complete."""
    begun = time.perf_counter()
    under_way: set[str] = set()
    started = 0
    while started < runs or under_way:
        while started < runs and len(under_way) < at_once:
            under_way.add(product.execute(workflow, "go"))
            started += 1
        time.sleep(LOOK_SECONDS)
        for one in product.get(f"/executions?workflow_id={workflow}&limit={2 * at_once}")["items"]:
            if one["status"] in FINAL:
                if one["status"] != "completed":
                    raise RunFailed(f"run {one['id']} ended as {one['status']}")
                under_way.discard(one["id"])
        if time.perf_counter() - begun > PATIENCE:
            raise RunFailed(f"{len(under_way)} runs have not ended within {PATIENCE:.0f} s")
    return runs / (time.perf_counter() - begun)


def token_latencies(product: Serving, workflow: str) -> list[float]:
    """Milliseconds from when the endpoint sent each token until an SSE client had it; see `graphs.writer`."""
    taken: list[float] = []
    rest = ""
    for name, data, at in stream(product, product.execute(workflow, "go")):
        if name == "delta":
            *stamps, rest = (rest + str(data["text"])).split(" ")
            taken += [at * 1000 - int(stamp) / 1_000_000 for stamp in stamps]
    return taken


def memory(product: Serving) -> dict[str, float]:
    """MiB its processes hold, by program; what they share is counted once (PSS) where the system tells."""
    held: dict[str, float] = {}
    for process in product.processes():
        with suppress(psutil.NoSuchProcess):
            found = process.memory_full_info()
            name = process.name()
            held[name] = held.get(name, 0.0) + getattr(found, "pss", found.rss) / 2**20
    return held


def stream(product: Serving, execution: str) -> Iterator[tuple[str, Any, float]]:
    """What the run's SSE stream sends: name, data, and when it arrived (seconds of the monotonic clock)."""
    name = ""
    timeout = httpx.Timeout(10, read=60)
    with product.api.stream("GET", f"/executions/{execution}/stream", timeout=timeout) as response:
        for line in response.raise_for_status().iter_lines():
            at = time.perf_counter()
            if line.startswith("event:"):
                name = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                data = json.loads(line.removeprefix("data:"))
                if name == "snapshot":
                    # The run may have begun, or ended, before the stream was opened.
                    yield from (("event", event, at) for event in data.get("events", []))
                else:
                    yield name, data, at
