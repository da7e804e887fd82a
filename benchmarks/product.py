"""What a person or a program waits for, measured from outside: starts, runs, streamed text."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from benchmarks.endpoint import STREAM
from tests.support.studio_client import FINAL, Serving
from tests.support.supervised import ROOT, copy_checkout

START_SECONDS = 300


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


def chains(product: Serving, length: int, runs: int) -> list[float]:
    """Milliseconds from execute to the terminal event for a trigger and `length` agents in a row.

    One run before them does not count.
    """
    workflow = create(product, [agent(f"a{number}", "Say ok.") for number in range(length)])
    taken = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        for name, data, at in stream(product, product.execute(workflow, "go")):
            if name == "event" and str(data["type"]).removeprefix("execution_") in FINAL:
                if data["type"] != "execution_completed":
                    raise RuntimeError(f"the run ended as {data}")
                taken.append((at - begun) * 1000)
    return taken[1:]


def token_latencies(product: Serving) -> list[float]:
    """Milliseconds from the moment the endpoint sent a token until an SSE client had it."""
    workflow = create(product, [agent("writer", STREAM)])
    taken: list[float] = []
    rest = ""
    for name, data, at in stream(product, product.execute(workflow, "go")):
        if name == "delta":
            *stamps, rest = (rest + str(data["text"])).split(" ")
            taken += [at * 1000 - int(stamp) / 1_000_000 for stamp in stamps]
    return taken


def agent(identifier: str, prompt: str) -> dict[str, Any]:
    """An agent node."""
    return {"id": identifier, "kind": "ai_agent", "config": {"system_prompt": prompt}}


def create(product: Serving, nodes: list[dict[str, Any]]) -> str:
    """A workflow of a trigger and these nodes in a row; its id."""
    chain = [{"id": "trigger", "kind": "trigger", "config": {"input": "go"}}, *nodes]
    edges = [
        {"id": f"e{number}", "source": source["id"], "target": target["id"]}
        for number, (source, target) in enumerate(pairwise(chain))
    ]
    graph = {"schema": 1, "name": "Benchmark", "nodes": chain, "edges": edges}
    answer = product.api.post("/workflows", json={"graph": graph}).raise_for_status()
    return str(answer.json()["id"])


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
