"""`aistudio worker` and `aistudio migrate`, with servers of one's own."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.studio_client import Serving
from tests.support.supervised import ROOT, Supervised, aistudio


@pytest.fixture
def own_servers(postgres_url: str, temporal_address: str) -> Iterator[dict[str, str]]:
    """The environment that names an empty database and a Temporal server."""
    name = f"empty_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        url = postgres_url.replace("/aistudio?", f"/{name}?")
        yield {"DATABASE_URL": url, "TEMPORAL_ADDRESS": temporal_address, "AISTUDIO_RUN_WORKER": "0"}
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `aistudio ARGUMENTS` to its end."""
    return subprocess.run(
        aistudio(*arguments), cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def test_migrate_brings_an_empty_database_up_to_date_and_may_be_repeated(own_servers: dict[str, str]) -> None:
    for _ in range(2):
        done = command("migrate", **own_servers)
        assert (done.returncode, done.stdout) == (0, "The schema is up to date.\n"), done.stderr
    with psycopg.connect(own_servers["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (0,)


def test_a_worker_beside_the_web_process_does_the_work_and_ends_when_told(
    own_servers: dict[str, str], tmp_path: Path
) -> None:
    product = Serving(tmp_path / "home", own_servers)
    alive = tmp_path / "alive"
    command = aistudio("worker", "--alive", str(alive))
    worker = Supervised(command, tmp_path / "home", tmp_path / "worker.log", own_servers)
    try:
        product.wait_until_healthy(240)
        execution = product.execute(product.create("sales-inquiry-pipeline"), "Hello, we are a school.")
        assert product.finish(execution)["status"] == "completed"
        assert alive.exists()
        worker.terminate(signal.SIGTERM)
        assert worker.wait() == 0
        assert "Traceback" not in worker.output
    finally:
        worker.end()
        product.end()


@pytest.mark.parametrize(
    ("arguments", "env", "sentence"),
    [
        (["worker"], {}, "DATABASE_URL and TEMPORAL_ADDRESS must be set"),
        (["backend"], {"TEMPORAL_ADDRESS": "127.0.0.1:1"}, "DATABASE_URL must be set"),
        (["migrate"], {}, "DATABASE_URL is not set"),
        (["migrate"], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "127.0.0.1"),
        (["serve"], {"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        (["serve"], {"AI_PRICES": "cheap"}, "AI_PRICES: It must be JSON."),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments: list[str], env: dict[str, str], sentence: str) -> None:
    done = command(*arguments, **env)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
