"""What the commands do, and what they say when they cannot do their work."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from click.testing import CliRunner, Result

from aistudio.cli import main
from aistudio.settings import settings
from aistudio.store import executions, workflows
from aistudio.store.database import Database

GRAPH = {"nodes": [{"id": "t", "kind": "trigger"}], "edges": []}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What a command finds in its environment."""
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def say(*arguments: str) -> Result:
    settings.cache_clear()
    return CliRunner().invoke(main, arguments)


def a_run(url: str, graph: object = GRAPH, **columns: str) -> str:
    """A run an hour old that nobody has told Temporal of; `columns` are changed afterwards."""

    async def write() -> str:
        database = Database(url)
        workflow = await workflows.create(database, "local", name="", graph={})
        run_id, _ = await executions.create(
            database,
            "local",
            workflow_id=workflow.id,
            version=None,
            graph=graph,  # type: ignore[arg-type]
        )
        await database.close()
        return run_id

    run_id = asyncio.run(write())
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE executions SET created_at = now() - interval '1 hour'")
        for column, value in columns.items():
            connection.execute(f"UPDATE executions SET {column} = %s WHERE id = %s", [value, run_id])  # type: ignore[arg-type]
    return run_id


def test_reconcile_tells_what_it_found_and_did(
    database_url: str, temporal_address: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", database_url)
    environment.setenv("TEMPORAL_ADDRESS", temporal_address)
    lost, cancelling, broken = (
        a_run(database_url),
        a_run(database_url, status="cancelling"),
        a_run(database_url, {"nodes": 1}),
    )
    said = say("reconcile")
    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        f"{lost}: pending here, missing in Temporal; started it in Temporal",
        f"{cancelling}: cancelling here, missing in Temporal; wrote that it is cancelled",
        f"{broken}: pending here, missing in Temporal; wrote that it is failed",
        "Unfinished runs compared with Temporal: 3. Amiss: 3.",
    ]
    assert say("reconcile").stdout == "Unfinished runs compared with Temporal: 1. Amiss: 0.\n"


def test_prune_tells_what_it_deleted(database_url: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", database_url)
    for finished_at in ("2026-01-01", "2026-01-02"):
        a_run(database_url, status="failed", finished_at=finished_at)
    young = a_run(database_url, status="failed", finished_at="2999-01-01")
    without = say("prune")
    assert without.exit_code == 2
    assert "--older-than 30d" in without.output
    assert say("prune", "--older-than", "30 days").exit_code == 2
    deleted = "Deleted: 2 runs, 0 deleted workflows and 0 expired idempotency keys.\n"
    assert say("prune", "--older-than", "12h").stdout == deleted
    environment.setenv("RETENTION_DAYS", "30")
    assert say("prune").stdout == deleted.replace("2", "0")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT id::text FROM executions").fetchall() == [(young,)]


def test_a_temporal_that_is_away_is_a_sentence(database_url: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    environment.setenv("DATABASE_URL", database_url)
    a_run(database_url)
    said = say("reconcile")
    assert said.exit_code == 1
    assert said.output.startswith("Error: Temporal at 127.0.0.1:1 does not answer.")


@pytest.mark.parametrize("command", [["reconcile"], ["prune", "--older-than", "1d"]])
def test_a_postgresql_that_is_away_or_not_named_is_a_sentence(
    command: list[str], environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert "DATABASE_URL must be set" in say(*command).output
    environment.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    said = say(*command)
    assert said.exit_code == 1
    assert said.output.startswith("Error: PostgreSQL is away: ")
    assert said.output.count("\n") == 1


@pytest.mark.parametrize("command", [["reconcile"], ["prune", "--older-than", "1d"]])
def test_a_schema_that_is_missing_is_a_sentence(
    command: list[str], postgres_url: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    environment.setenv("DATABASE_URL", postgres_url)
    assert "Run `aistudio migrate`." in say(*command).output


@pytest.mark.parametrize("command", ["migrate", "worker", "serve"])
@pytest.mark.parametrize("url", ["mysql://me:very-secret@host/name", "postgresql://me:very-secret@host:x y/"])
def test_a_bad_database_url_is_a_sentence_without_the_url(
    command: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.cache_clear()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    said = CliRunner().invoke(main, [command])
    settings.cache_clear()
    assert said.exit_code == 1
    assert isinstance(said.exception, SystemExit)
    assert "DATABASE_URL cannot be used. This is not a PostgreSQL URL" in said.output
    assert "very-secret" not in said.output
