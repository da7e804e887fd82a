"""The test endpoint as a process of its own, the way crash tests and benchmarks use it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from aistudio.llm.client import ModelClient
from aistudio.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def base_url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.support.model_server", "--text", "Hello from afar"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


async def test_another_process_scripts_it_and_reads_what_it_saw(base_url: str) -> None:
    async def on_text(_: str) -> None:
        pass

    client = ModelClient(Settings(openai_api_key="key-of-a-test", openai_base_url=base_url))
    async with httpx2.AsyncClient(base_url=base_url.removesuffix("/v1")) as http:
        await http.post("/script", json=[{"text": "scripted"}])
        texts = [(await client.complete(system="One", user="Two", on_text=on_text)).text for _ in range(2)]
        seen = (await http.get("/calls")).json()
        assert (await http.delete("/calls")).json() == {"count": 0, "calls": []}
    await client.aclose()
    assert texts == ["scripted", "Hello from afar"]
    assert seen["count"] == 2
    assert [(call["system"], call["user"], call["completed"]) for call in seen["calls"]] == [
        ("One", "Two", True),
        ("One", "Two", True),
    ]
