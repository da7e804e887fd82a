"""One client's many runs do not keep another's waiting."""

import asyncio

import pytest
from temporalio.client import Client

from aistudio.engine import worker
from aistudio.engine.routes import run_task
from aistudio.graph.definition import Workflow
from aistudio.graph.events import TERMINAL_STATUSES
from aistudio.store import executions
from aistudio.store.database import Database
from tests.engine.runs import Studio, graph, working

MANY, FEW = 100, 6


async def test_six_runs_are_through_long_before_the_hundred_of_somebody_else(
    temporal_address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ACTIVITIES_AT_ONCE", 4)
    client = await Client.connect(temporal_address)
    raw = graph("t>a", "a>b")

    async def started(studio: Studio, address: str, number: int) -> list[str]:
        ids = [await studio.write(raw) for _ in range(number)]
        for execution_id in ids:
            task = run_task(execution_id, Workflow.model_validate(raw), studio.tools.specs)
            await studio.engine.start(execution_id, task, address)
        return ids

    async with working(client, database) as studio:
        pass
    # Nobody works yet, so both stand in line, the six behind the hundred.
    many = await started(studio, "192.0.2.1", MANY)
    few = await started(studio, "2001:db8::/64", FEW)
    async with working(client, database) as studio:
        await asyncio.gather(*(studio.end(execution_id) for execution_id in few))
        statuses = [await executions.status(database, execution_id) for execution_id in many]
        assert sum(status in TERMINAL_STATUSES for status in statuses) < MANY / 2
        await asyncio.gather(*(studio.end(execution_id) for execution_id in many))
    assert [await executions.status(database, one) for one in few + many] == ["completed"] * (MANY + FEW)
