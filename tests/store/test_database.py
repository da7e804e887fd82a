"""What a caller meets when PostgreSQL is away, slow, or back."""

import asyncio
import logging
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from aistudio.embedded.postgres import Postgres
from aistudio.store import database as module
from aistudio.store import executions, workflows
from aistudio.store.database import Database, parameters
from aistudio.store.errors import DatabaseUnavailable
from tests.store.making import OWNER, kill, new_run

SECRET = "do-not-tell"


async def test_the_next_call_after_a_restart_works(own_server: Postgres, own_database: Database) -> None:
    async def use_many() -> None:
        await asyncio.gather(*(workflows.list_page(own_database, OWNER) for _ in range(15)))

    await use_many()
    for end in (kill, Postgres.stop):
        await asyncio.to_thread(end, own_server)
        with pytest.raises(DatabaseUnavailable, match=r"connection|shutting|closed"):
            await workflows.list_page(own_database, OWNER)
        with pytest.raises(DatabaseUnavailable):
            await new_run(own_database)
        await asyncio.to_thread(own_server.start)
        assert await new_run(own_database)
        await use_many()


async def test_nobody_there_is_known_within_the_connect_timeout() -> None:
    database = Database("postgresql://postgres@192.0.2.1:1/x?connect_timeout=1")
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await workflows.list_page(database, OWNER)
    assert time.monotonic() - begun < 10
    await database.close()


async def test_a_wrong_password_is_told_without_it(database_url: str) -> None:
    database = Database(f"postgresql://nobody:{SECRET}@/none?{database_url.partition('?')[2]}")
    with pytest.raises(DatabaseUnavailable) as told:
        await workflows.list_page(database, OWNER)
    assert SECRET not in str(told.value)
    assert "nobody" in str(told.value)
    await database.close()


@pytest.mark.parametrize(
    "url",
    [f"nonsense {SECRET}", "", f"http://{SECRET}", f"mysql+x://{SECRET}@h/d", f"postgresql://me:{SECRET}"],
)
def test_what_is_no_postgresql_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a PostgreSQL URL") as told:
        parameters(url)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("password", [f"{SECRET}@x", f"{SECRET}/x", f"1/{SECRET}", f"1/{SECRET}@x"])
def test_a_password_that_is_not_encoded_is_refused_and_not_taken_for_a_host(password: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded") as told:
        parameters(f"postgresql://me:{password}@host/name")
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_urls_in_every_spelling(scheme: str) -> None:
    found = parameters(f"{scheme}://me:p%40ss@/name?host=%2Fsome%2Fsocket&connect_timeout=9&sslmode=require")
    assert found["user"] == "me"
    assert found["password"] == "p@ss"
    assert found["host"] == "/some/socket"
    assert found["dbname"] == "name"
    assert found["connect_timeout"] == "9"
    assert found["sslmode"] == "require"
    assert found["application_name"] == "aistudio"


async def test_statements_have_a_limit_that_the_url_can_change(database_url: str) -> None:
    database = Database(f"{database_url}&options=-c%20statement_timeout%3D50")
    async with database.connect() as connection:
        assert (await connection.execute(text("SHOW lock_timeout"))).scalar_one() == "10s"
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        async with database.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(10)"))
    assert (await workflows.list_page(database, OWNER)).items == []
    await database.close()


async def test_a_full_pool_is_told_as_such(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL_SIZE", 1)
    monkeypatch.setattr(module, "POOL_OVERFLOW", 0)
    monkeypatch.setattr(module, "POOL_WAIT_SECONDS", 0.05)
    database = Database(database_url)
    async with database.connect():
        with pytest.raises(DatabaseUnavailable, match="busy"):
            await workflows.list_page(database, OWNER)
    assert (await workflows.list_page(database, OWNER)).items == []
    await database.close()


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def write_and_stop() -> None:
        async with database.begin() as connection:
            await workflows.create(connection, OWNER, name="x", graph={})
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await write_and_stop()
    assert (await workflows.list_page(database, OWNER)).items == []


async def test_a_snapshot_does_not_move(database: Database) -> None:
    async with database.snapshot() as connection:
        assert (await workflows.list_page(connection, OWNER)).items == []
        await workflows.create(database, OWNER, name="x", graph={})
        assert (await workflows.list_page(connection, OWNER)).items == []
    assert len((await workflows.list_page(database, OWNER)).items) == 1


async def test_calls_that_are_cancelled_give_their_connections_back(database: Database) -> None:
    async def sleep() -> None:
        async with database.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))

    for _ in range(2):
        tasks = [asyncio.create_task(sleep()) for _ in range(module.POOL_SIZE + module.POOL_OVERFLOW)]
        await asyncio.wait(tasks, timeout=0.5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert (await workflows.list_page(database, OWNER)).items == []


async def test_no_error_repeats_what_people_wrote(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nobody = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(IntegrityError) as told:
        await executions.create(database, OWNER, workflow_id=nobody, version=None, graph={"x": SECRET})
    assert SECRET not in str(told.value)
    assert SECRET not in caplog.text
