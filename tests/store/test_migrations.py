"""The schema: applied once, by whoever comes first, all of it or nothing."""

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from aistudio.graph.events import EventType
from aistudio.store import events, migrations, model_calls, results
from aistudio.store.database import Database, parameters
from aistudio.store.errors import DatabaseUnavailable, MigrationError
from aistudio.store.tables import metadata
from tests.store.making import a_call, complete, ended, row

NEXT = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE TABLE half ()")
    {then}
"""

RUN_OF_THE_FIRST_VERSION = """
INSERT INTO workflows (id, owner_id, name, graph, revision)
VALUES ('00000000-0000-4000-8000-000000000001', 'owner', 'Flow', '{}', 1);
INSERT INTO executions (
    id, owner_id, workflow_id, status, has_input, input, graph, input_tokens, output_tokens, cost_usd,
    last_sequence
) VALUES (
    '00000000-0000-4000-8000-000000000002', 'owner', '00000000-0000-4000-8000-000000000001', 'running', true,
    '"hi"', '{}', 7, 5, 0.5, 2
);
INSERT INTO events (execution_id, sequence, owner_id, key, type, node_id, attempt, timestamp, payload) VALUES
    ('00000000-0000-4000-8000-000000000002', 1, 'owner', 'execution_started', 'execution_started', NULL, 0,
     now(), '{}'),
    ('00000000-0000-4000-8000-000000000002', 2, 'owner', 'a:1:node_completed', 'node_completed', 'a', 1,
     now(), '{"output":"\\u0000","duration_ms":5,"usage":{"input_tokens":7,"output_tokens":5}}');
INSERT INTO node_results (execution_id, node_id, owner_id, attempt, type, output)
VALUES ('00000000-0000-4000-8000-000000000002', 'a', 'owner', 1, 'node_completed', '"\\u0000"');
"""


async def test_what_could_not_be_migrated_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = [DatabaseUnavailable("away"), MigrationError("Broken."), None]

    def upgrade(url: str) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(migrations, "upgrade", upgrade)
    monkeypatch.setattr(migrations, "POLL_SECONDS", 0)
    monkeypatch.setattr(migrations, "REPEAT_SECONDS", 0)
    async with asyncio.timeout(10):
        await migrations.upgrade_later("postgresql://")
    assert outcomes == []
    assert [record.getMessage().split(" Try")[0] for record in caplog.records] == ["Broken."]


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database without a schema."""
    name = f"empty_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_url.replace("/aistudio?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the migrations that a test may add to, at a path with a percent sign."""
    copy = tmp_path / "100%d" / "alembic"
    shutil.copytree(migrations.SCRIPTS, copy)
    monkeypatch.setattr(migrations, "SCRIPTS", copy)
    migrations._revisions.cache_clear()
    yield copy
    migrations._revisions.cache_clear()


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r'").fetchall()
    return {name for (name,) in rows if not name.startswith(("pg_", "sql_"))}


def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    engine = create_engine("postgresql+psycopg://", connect_args=parameters(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_every_row_says_whose_it_is() -> None:
    assert [table.name for table in metadata.sorted_tables if "owner_id" not in table.columns] == []
    assert all(not table.columns["owner_id"].nullable for table in metadata.sorted_tables)


def test_eight_at_once_migrate_once(empty_url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(migrations.upgrade, [empty_url] * 8))
    assert tables(empty_url) == {"alembic_version", *metadata.tables}
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]


def test_a_failed_migration_changes_nothing_and_says_why(empty_url: str, scripts: Path) -> None:
    broken = scripts / "versions" / "0003_broken.py"
    for then, reason in (
        ('op.execute("SELECT no_such_column")', "no_such_column"),
        ('raise RuntimeError("no idea")', "RuntimeError: no idea"),
    ):
        broken.write_text(NEXT.format(then=then))
        with pytest.raises(MigrationError, match=f"could not be migrated: .*{reason}"):
            migrations.upgrade(empty_url)
        assert tables(empty_url) == set()


async def test_the_schema_is_current_when_nothing_is_missing(empty_url: str, scripts: Path) -> None:
    database = Database(empty_url)
    assert await migrations.schema_state(database) == "missing"
    assert not await migrations.schema_is_current(database)
    await asyncio.to_thread(migrations.upgrade, empty_url)
    assert await migrations.schema_state(database) == "current"
    assert await migrations.schema_is_current(database)
    added = scripts / "versions" / "0003_next.py"
    added.write_text(NEXT.format(then="pass"))
    migrations._revisions.cache_clear()
    assert await migrations.schema_state(database) == "outdated"
    assert not await migrations.schema_is_current(database)
    await asyncio.to_thread(migrations.upgrade, empty_url)
    assert await migrations.schema_is_current(database)
    # Now as a process of the older version sees it.
    added.unlink()
    migrations._revisions.cache_clear()
    assert await migrations.schema_state(database) == "newer"
    assert await migrations.schema_is_current(database)
    await asyncio.to_thread(migrations.upgrade, empty_url)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0003",)]
    await database.close()


async def test_a_worker_waits_for_the_schema(empty_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    database = Database(empty_url)
    waiting = asyncio.create_task(migrations.wait_for_schema(database))
    await asyncio.wait([waiting], timeout=1.2)
    assert not waiting.done()
    assert caplog.text.count("Waiting for the schema") == 1
    await asyncio.to_thread(migrations.upgrade, empty_url)
    await asyncio.wait_for(waiting, 10)
    await database.close()


async def test_a_worker_waits_for_postgresql(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    database = Database(f"postgresql://nobody@/x?host={tmp_path}")
    waiting = asyncio.create_task(migrations.wait_for_schema(database))
    await asyncio.wait([waiting], timeout=0.3)
    assert not waiting.done()
    assert "Waiting for PostgreSQL" in caplog.text
    waiting.cancel()
    await asyncio.wait([waiting])
    await database.close()


def test_a_server_that_is_away_is_no_failed_migration(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        migrations.upgrade(f"postgresql://nobody@/x?host={tmp_path}")


def test_an_installation_without_migrations_says_so(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "SCRIPTS", tmp_path)
    with pytest.raises(MigrationError, match="not installed whole"):
        migrations.upgrade(empty_url)


def test_somebody_who_migrates_for_ever_is_told_of(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "LOCK_WAIT", "50ms")
    with psycopg.connect(empty_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [migrations.LOCK_KEY])
        with pytest.raises(MigrationError, match="Another process"):
            migrations.upgrade(empty_url)
    migrations.upgrade(empty_url)
    assert "workflows" in tables(empty_url)


async def test_a_database_with_runs_is_migrated_and_its_runs_go_on(empty_url: str, scripts: Path) -> None:
    added = [script for script in (scripts / "versions").glob("*.py") if script.name > "0002"]
    later = {script: script.read_text() for script in added}
    for script in added:
        script.unlink()
    await asyncio.to_thread(migrations.upgrade, empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute(RUN_OF_THE_FIRST_VERSION)
    for script, text in later.items():
        script.write_text(text)
    await asyncio.to_thread(migrations.upgrade, empty_url)
    database = Database(empty_url)
    run_id = "00000000-0000-4000-8000-000000000002"
    await model_calls.end(database, ended(a_call(run_id, "b"), 0.25))
    await complete(database, run_id, "b")
    await events.finish(database, run_id, EventType.EXECUTION_COMPLETED)
    run = await row(database, run_id)
    assert (run.status, run.input_tokens, run.output_tokens, run.cost_usd) == ("completed", 17, 8, 0.75)
    assert [event.type.value for event in await events.read(database, run_id)] == [
        "execution_started",
        "node_completed",
        "node_completed",
        "execution_completed",
    ]
    assert await results.outputs(database, run_id, ["a", "b"]) == {"a": "\0", "b": {"response": "ok"}}
    await database.close()
