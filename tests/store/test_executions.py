"""Runs: how they begin, who sees them, how they are cancelled, and requests that are sent twice."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from aistudio.graph.events import EventType, ExecutionStatus
from aistudio.store import events, executions, idempotency
from aistudio.store.database import Database
from aistudio.store.errors import IdempotencyMismatch
from aistudio.store.executions import Execution
from aistudio.store.idempotency import Claim
from aistudio.store.workflows import Workflow
from tests.store.making import OWNER, new_run, row, started

NOT_THERE = ["00000000-0000-4000-8000-000000000000", "no id", "", "\0"]
CLAIM = Claim(route="execute:1", key="key\0\ud800" * 1_000, body=b"{}")

AGE_KEYS = text("UPDATE idempotency_keys SET created_at = created_at - CAST(:age AS interval)")


async def start(database: Database, workflow: Workflow, claim: Claim, owner: str = OWNER) -> tuple[str, bool]:
    return await executions.create(
        database, owner, workflow_id=workflow.id, version=None, graph=workflow.graph, claim=claim
    )


async def count(database: Database) -> int:
    return len(await executions.unfinished(database))


@pytest.mark.parametrize(
    ("given", "has_input"), [(None, False), (None, True), ("", True), ("\0\ud800", True), ({"b": [1]}, True)]
)
async def test_a_run_keeps_its_input_and_graph(
    database: Database, workflow: Workflow, given: Any, has_input: bool
) -> None:
    graph = {"z": "\0", "a": 1.0}
    run_id, created = await executions.create(
        database,
        OWNER,
        workflow_id=workflow.id,
        version=3,
        graph=graph,
        input=given,
        has_input=has_input,
        rerun_of="11111111-1111-4111-8111-111111111111",
    )
    assert created
    run = await executions.get(database, OWNER, run_id.upper())
    assert run is not None
    assert (run.id, run.owner_id, run.workflow_id, run.version) == (run_id, OWNER, workflow.id, 3)
    assert (run.input, run.has_input, run.graph) == (given, has_input, graph)
    assert run.rerun_of == "11111111-1111-4111-8111-111111111111"
    assert run.status is ExecutionStatus.PENDING
    assert await executions.load_snapshot(database, run_id) == run


async def test_a_run_and_its_first_event_come_together_or_not_at_all(
    database: Database, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: object) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(events, "append", fail)
    with pytest.raises(RuntimeError, match="lost"):
        await start(database, workflow, CLAIM)
    assert await count(database) == 0
    assert await idempotency.find(database, OWNER, CLAIM) is None


async def test_what_is_not_there_is_null(database: Database, run_id: str) -> None:
    for unknown in NOT_THERE:
        assert await executions.get(database, OWNER, unknown) is None
        assert await executions.get_summary(database, OWNER, unknown) is None
        assert await executions.load_snapshot(database, unknown) is None
        assert await executions.status(database, unknown) is None
        assert await executions.request_cancel(database, OWNER, unknown) is None
        page = await executions.list_page(database, OWNER, workflow_id=unknown)
        assert (page.items, page.next_cursor) == ([], None)
    assert await executions.get(database, "other", run_id) is None
    assert await executions.get_summary(database, "other", run_id) is None
    assert await executions.request_cancel(database, "other", run_id) is None
    assert (await executions.list_page(database, "other")).items == []
    assert (await row(database, run_id)).status == "pending"


async def test_lists_filter_by_workflow_and_status(database: Database) -> None:
    first, second, third = [await new_run(database) for _ in range(3)]
    await events.append(database, second, [started("a")])
    await events.finish(database, third, EventType.EXECUTION_COMPLETED)

    async def listed(**wanted: Any) -> list[str]:
        return [item.id for item in (await executions.list_page(database, OWNER, **wanted)).items]

    assert await listed() == [third, second, first]
    assert await listed(workflow_id=(await row(database, second)).workflow_id) == [second]
    assert await listed(statuses=[ExecutionStatus.RUNNING]) == [second]
    assert await listed(statuses=[ExecutionStatus.PENDING, ExecutionStatus.COMPLETED]) == [third, first]
    assert await listed(statuses=[ExecutionStatus.FAILED]) == []
    page = await executions.list_page(database, OWNER, limit=2)
    rest = await executions.list_page(database, OWNER, limit=2, cursor=page.next_cursor)
    assert [item.id for item in (*page.items, *rest.items)] == [third, second, first]
    assert not isinstance(page.items[0], Execution)


async def test_the_reconciler_sees_what_has_not_ended(database: Database) -> None:
    runs = [await new_run(database) for _ in range(5)]
    await events.append(database, runs[1], [started("a")])
    await executions.request_cancel(database, OWNER, runs[2])
    await events.finish(database, runs[3], EventType.EXECUTION_FAILED)
    found = await executions.unfinished(database)
    assert [run.id for run in found] == [runs[0], runs[1], runs[2], runs[4]]
    assert [run.status.value for run in found] == ["pending", "running", "cancelling", "pending"]


async def test_a_cancel_is_written_once(database: Database, run_id: str) -> None:
    outcomes = await asyncio.gather(
        *(executions.request_cancel(database, OWNER, run_id, by="me\0") for _ in range(6))
    )
    assert sorted(str(outcome) for outcome in outcomes) == ["already_cancelling"] * 5 + ["cancelling"]
    [event] = await events.read(database, run_id, after=1)
    assert (event.type, event.payload) == ("execution_cancelling", {"by": "me\0"})
    assert await executions.status(database, run_id) == "cancelling"
    await events.finish(database, run_id, EventType.EXECUTION_CANCELLED)
    assert await executions.request_cancel(database, OWNER, run_id) == "terminal"
    assert (await row(database, run_id)).last_sequence == 3


async def test_a_repeated_request_gets_the_first_ones_run(database: Database, workflow: Workflow) -> None:
    assert await idempotency.find(database, OWNER, CLAIM) is None
    first, created = await start(database, workflow, CLAIM)
    assert created
    assert await start(database, workflow, CLAIM) == (first, False)
    assert await idempotency.find(database, OWNER, CLAIM) == first
    assert await count(database) == 1


async def test_another_body_under_the_same_key_is_refused(database: Database, workflow: Workflow) -> None:
    await start(database, workflow, CLAIM)
    other = Claim(route=CLAIM.route, key=CLAIM.key, body=b'{"input":""}')
    with pytest.raises(IdempotencyMismatch):
        await start(database, workflow, other)
    with pytest.raises(IdempotencyMismatch):
        await idempotency.find(database, OWNER, other)
    assert await count(database) == 1


async def test_keys_count_per_owner_and_route(database: Database, workflow: Workflow) -> None:
    other_route = Claim(route="execute:2", key=CLAIM.key, body=CLAIM.body)
    started_runs = [
        await start(database, workflow, CLAIM),
        await start(database, workflow, CLAIM, owner="other"),
        await start(database, workflow, other_route),
    ]
    assert [created for _, created in started_runs] == [True, True, True]
    assert await count(database) == 3


async def test_concurrent_requests_with_one_key_start_one_run(database: Database, workflow: Workflow) -> None:
    outcomes = await asyncio.gather(*(start(database, workflow, CLAIM) for _ in range(10)))
    assert len({run_id for run_id, _ in outcomes}) == 1
    assert [created for _, created in outcomes].count(True) == 1
    assert await count(database) == 1


async def test_a_request_waits_for_the_first_one_and_takes_over_when_that_fails(
    database: Database, workflow: Workflow
) -> None:
    async def first(connection: Any) -> None:
        await executions.create(
            connection, OWNER, workflow_id=workflow.id, version=None, graph={}, claim=CLAIM
        )

    async with database.begin() as connection:
        await first(connection)
        second = asyncio.create_task(start(database, workflow, CLAIM))
        await asyncio.wait([second], timeout=0.3)
        assert not second.done()
        await connection.rollback()
        _, created = await second
    assert created
    assert await count(database) == 1


@pytest.mark.parametrize(("age", "again"), [("23 hours 59 minutes", False), ("24 hours 1 second", True)])
async def test_keys_are_remembered_for_a_day(
    database: Database, workflow: Workflow, age: str, again: bool
) -> None:
    first, _ = await start(database, workflow, CLAIM)
    async with database.begin() as connection:
        await connection.execute(AGE_KEYS, {"age": age})
    assert (await idempotency.find(database, OWNER, CLAIM) is None) == again
    second, created = await start(database, workflow, CLAIM)
    assert created == again
    assert (second != first) == again
    assert await idempotency.find(database, OWNER, CLAIM) == second
