"""A studio on the time-skipping server, and one on the real one."""

import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from aistudio.store.database import Database
from tests.engine.runs import Studio, working


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server on which waiting takes no time."""
    binary = Path(sysconfig.get_path("scripts")) / "temporal-test-server"
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(binary)
    ) as environment:
        yield environment


@pytest.fixture
async def studio(skipping: WorkflowEnvironment, database: Database) -> AsyncIterator[Studio]:
    """A studio on the time-skipping server."""
    async with working(skipping.client, database) as studio:
        yield studio


@pytest.fixture
async def real_client(temporal_address: str) -> Client:
    """A client of the real server."""
    return await Client.connect(temporal_address)


@pytest.fixture
async def real_studio(real_client: Client, database: Database) -> AsyncIterator[Studio]:
    """A studio on the real server."""
    async with working(real_client, database) as studio:
        yield studio
