"""Runs to write to, and a PostgreSQL server that a test may stop."""

from collections.abc import AsyncIterator, Iterator

import pytest

from aistudio.embedded.postgres import Postgres
from aistudio.store import migrations, workflows
from aistudio.store.database import Database
from aistudio.store.hub import Hub
from aistudio.store.workflows import Workflow
from tests.store.making import GRAPH, OWNER, new_run


@pytest.fixture
async def workflow(database: Database) -> Workflow:
    """A workflow of OWNER."""
    return await workflows.create(database, OWNER, name="Flow", graph=GRAPH)


@pytest.fixture
async def run_id(database: Database) -> str:
    """A run of OWNER that holds its first event."""
    return await new_run(database)


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    """A hub on the test's database."""
    opened = Hub(database.url)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A migrated PostgreSQL server that nobody else uses, so that a test may stop it."""
    server = Postgres(tmp_path_factory.mktemp("own"), {"fsync": "off"})
    server.start()
    migrations.upgrade(server.url)
    yield server
    server.stop()


@pytest.fixture
async def own_database(own_server: Postgres) -> AsyncIterator[Database]:
    """The database on that server."""
    opened = Database(own_server.url)
    yield opened
    await opened.close()
