"""A studio on the time-skipping server, and one on the real one; servers and worker serve a whole module."""

import sysconfig
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from aistudio.embedded.postgres import DATABASE
from aistudio.store.database import Database
from tests.engine.runs import Studio, working


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a migrated database for the module."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
        yield postgres_url.replace(f"/{DATABASE}?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_studio(module_database_url: str) -> AsyncIterator[Studio]:
    """A studio on a Temporal server on which waiting takes no time."""
    binary = Path(sysconfig.get_path("scripts")) / "temporal-test-server"
    database = Database(module_database_url)
    async with (
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(binary)) as environment,
        working(environment.client, database) as studio,
    ):
        yield studio
    await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real_module_studio(temporal_address: str, module_database_url: str) -> AsyncIterator[Studio]:
    """A studio on the real server."""
    database = Database(module_database_url)
    async with working(await Client.connect(temporal_address), database) as studio:
        yield studio
    await database.close()


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    """The module's studio, whose nodes do as they are told from now on."""
    module_studio.acts.forget()
    return module_studio


@pytest.fixture
def real_studio(real_module_studio: Studio) -> Studio:
    """The module's studio on the real server."""
    real_module_studio.acts.forget()
    return real_module_studio
