"""What may be written about a run, and what the run's row makes of it."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import unquote

import pytest

from aistudio.graph.events import Event, EventType, ExecutionStatus
from aistudio.store import attempts, events, executions, results
from aistudio.store.attempts import Attempts
from aistudio.store.database import Database
from aistudio.store.encoding import compact
from aistudio.store.errors import OutputTooLarge
from aistudio.store.events import NewEvent
from aistudio.store.results import Result
from tests.store.making import OWNER, complete, new_run, of_node, row, started, told

COMPLETED = NewEvent(type=EventType.EXECUTION_COMPLETED)
CANCELLING = NewEvent(type=EventType.EXECUTION_CANCELLING, payload={"by": "user"})


async def test_a_new_run_holds_its_first_event_and_nothing_else(database: Database, run_id: str) -> None:
    [event] = await events.read(database, run_id)
    assert (event.sequence, event.type, event.node_id, event.attempt) == (1, "execution_started", None, 0)
    assert event.payload == {}
    run = await row(database, run_id)
    assert (run.status, run.last_sequence, run.started_at) == (ExecutionStatus.PENDING, 1, None)
    assert (run.input_tokens, run.output_tokens, run.cost_usd) == (0, 0, 0)


async def test_a_run_from_start_to_end(database: Database, run_id: str) -> None:
    written = await events.append(
        database, run_id, [NewEvent(type=EventType.NODE_SKIPPED, node_id="b"), started("a")]
    )
    assert told(written) == [(2, "node_skipped", "b"), (3, "node_started", "a")]
    running = await row(database, run_id)
    assert running.status == "running"
    assert running.started_at is not None
    assert running.finished_at is None
    await complete(database, run_id, "a")
    [ended] = await events.append(database, run_id, [COMPLETED])
    run = await row(database, run_id)
    assert (run.status, run.last_sequence, run.error) == ("completed", 5, None)
    assert run.started_at == running.started_at
    assert run.finished_at == datetime.fromisoformat(ended.timestamp)
    assert [event.sequence for event in await events.read(database, run_id)] == [1, 2, 3, 4, 5]


async def test_what_is_read_is_what_was_written(database: Database, run_id: str) -> None:
    payload = {"text": "\0 \ud800 é 😀 \\u0000", "number": [1, 1.0, 10**30], "": None, "z": 1, "a": 2}
    node_id = "a\0:\\ \ud800"
    event = NewEvent(type=EventType.NODE_STARTED, node_id=node_id, attempt=1, payload=payload)
    [written] = await events.append(database, run_id, [event])
    [read] = await events.read(database, run_id, after=1)
    assert read == written
    assert (read.node_id, read.payload) == (node_id, payload)
    assert list(read.payload) == list(payload)


async def test_the_same_fact_is_written_once(database: Database, run_id: str) -> None:
    assert len(await events.append(database, run_id, [started("a"), started("a")])) == 1
    assert await events.append(database, run_id, [started("a")]) == []
    assert told(await events.append(database, run_id, [started("a"), started("a", 2)])) == [
        (3, "node_started", "a")
    ]


async def test_nothing_follows_a_nodes_settling(database: Database, run_id: str) -> None:
    await events.append(database, run_id, [started("a")])
    await complete(database, run_id, "a")
    late = [started("a", 2), of_node(EventType.NODE_FAILED, "a", 2), of_node(EventType.NODE_SKIPPED, "a", 0)]
    assert await events.append(database, run_id, late) == []
    assert await complete(database, run_id, "a") == []
    assert (await row(database, run_id)).last_sequence == 3


async def test_within_one_call_too_nothing_follows_a_settling_or_the_end(
    database: Database, run_id: str
) -> None:
    offered = [
        started("a"),
        of_node(EventType.NODE_CANCELLED, "a"),
        of_node(EventType.NODE_FAILED, "a"),
        COMPLETED,
        started("b"),
    ]
    written = await events.append(database, run_id, offered)
    assert [event.type for event in written] == ["node_started", "node_cancelled", "execution_completed"]


@pytest.mark.parametrize(
    "terminal", [EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED, EventType.EXECUTION_CANCELLED]
)
async def test_terminal_is_final(database: Database, run_id: str, terminal: EventType) -> None:
    await events.append(database, run_id, [started("a"), NewEvent(type=terminal)])
    before = await row(database, run_id)
    for late in (started("b"), COMPLETED, CANCELLING, NewEvent(type=EventType.EXECUTION_FAILED)):
        assert await events.append(database, run_id, [late]) == []
    assert await complete(database, run_id, "a") == []
    assert await events.finish(database, run_id, EventType.EXECUTION_FAILED) == []
    assert await results.get(database, run_id, "a") is None
    assert await row(database, run_id) == before


async def test_a_skip_from_before_a_cancel_is_written_before_the_end(database: Database, run_id: str) -> None:
    await events.append(database, run_id, [started("a"), CANCELLING])
    skipped = of_node(EventType.NODE_SKIPPED, "d", 0)
    written = await events.finish(database, run_id, EventType.EXECUTION_CANCELLED, before=[skipped])
    assert [event.type for event in written] == ["node_skipped", "node_cancelled", "execution_cancelled"]
    assert (await row(database, run_id)).status == "cancelled"


async def test_while_cancelling_only_what_had_started_settles(database: Database, run_id: str) -> None:
    await events.append(database, run_id, [started("a"), started("b"), CANCELLING])
    assert (await row(database, run_id)).status == "cancelling"
    refused = [
        started("c"),
        of_node(EventType.NODE_RETRYING, "a"),
        of_node(EventType.NODE_COMPLETED, "c", 0),
        CANCELLING,
    ]
    assert await events.append(database, run_id, refused) == []
    assert [event.type for event in await complete(database, run_id, "a")] == ["node_completed"]
    written = await events.append(database, run_id, [of_node(EventType.NODE_CANCELLED, "b")])
    assert [event.type for event in written] == ["node_cancelled"]
    assert (await row(database, run_id)).status == "cancelling"


@pytest.mark.parametrize("asked", [EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED])
async def test_a_run_that_is_cancelling_ends_cancelled(
    database: Database, run_id: str, asked: EventType
) -> None:
    await events.append(database, run_id, [started("a"), CANCELLING])
    error = {"error": {"code": "internal", "message": "no"}}
    [ended] = await events.append(database, run_id, [NewEvent(type=asked, payload=error)])
    assert (ended.type, ended.payload) == ("execution_cancelled", {})
    run = await row(database, run_id)
    assert (run.status, run.error) == ("cancelled", None)


async def test_finish_cancels_what_had_begun_and_ends_the_run(database: Database, run_id: str) -> None:
    await events.append(database, run_id, [started("a"), started("b\0"), started("c"), started("b\0", 2)])
    await complete(database, run_id, "a")
    await events.append(database, run_id, [of_node(EventType.NODE_WAITING, "c")])
    error = {"code": "timeout", "message": "too late"}
    skipped = NewEvent(type=EventType.NODE_SKIPPED, node_id="d")
    written = await events.finish(database, run_id, EventType.EXECUTION_FAILED, error=error, before=[skipped])
    assert [(event.type, event.node_id, event.attempt) for event in written] == [
        ("node_skipped", "d", 0),
        ("node_cancelled", "b\0", 2),
        ("node_cancelled", "c", 1),
        ("execution_failed", None, 0),
    ]
    assert written[-1].payload == {"error": error}
    run = await row(database, run_id)
    assert (run.status, run.error) == ("failed", error)
    assert await events.finish(database, run_id, EventType.EXECUTION_FAILED, error=error) == []


async def test_a_run_waits_when_nothing_else_is_at_work(database: Database, run_id: str) -> None:
    async def after(*offered: NewEvent) -> str:
        await events.append(database, run_id, offered)
        return (await row(database, run_id)).status

    assert await after(started("a"), started("b")) == "running"
    assert await after(of_node(EventType.NODE_WAITING, "a")) == "running"
    assert await after(of_node(EventType.NODE_RETRYING, "b")) == "running"
    assert await after(of_node(EventType.NODE_FAILED, "b")) == "waiting"
    assert await after(started("c")) == "running"
    assert await after(of_node(EventType.NODE_COMPLETED, "c")) == "waiting"
    assert await after(of_node(EventType.NODE_RESUMED, "a")) == "running"
    assert await after(of_node(EventType.NODE_COMPLETED, "a"), COMPLETED) == "completed"


async def test_a_run_does_not_wait_while_its_events_say_otherwise(database: Database, run_id: str) -> None:
    """As while somebody is about to start, which has no event yet."""
    asked: list[list[str]] = []

    def status_of(found: Sequence[Event]) -> ExecutionStatus:
        asked.append([event.type.value for event in found])
        return ExecutionStatus.WAITING if len(found) > 3 else ExecutionStatus.RUNNING

    async def after(*offered: NewEvent) -> str:
        await events.append(database, run_id, offered, status_of=status_of)
        return (await row(database, run_id)).status

    assert await after(started("a")) == "running"
    assert asked == []
    assert await after(of_node(EventType.NODE_WAITING, "a")) == "running"
    assert asked == [["execution_started", "node_started", "node_waiting"]]
    assert await after(started("b")) == "running"
    assert len(asked) == 1
    assert await after(of_node(EventType.NODE_COMPLETED, "b")) == "waiting"
    assert await after(CANCELLING) == "cancelling"
    assert len(asked) == 2


async def test_a_decision_that_was_taken_before_a_cancel_is_still_told(
    database: Database, run_id: str
) -> None:
    await events.append(
        database, run_id, [started("a"), of_node(EventType.NODE_WAITING, "a"), started("b"), CANCELLING]
    )
    resumed = of_node(EventType.NODE_RESUMED, "a")
    written = await events.append(database, run_id, [of_node(EventType.NODE_WAITING, "b"), resumed])
    assert [event.type for event in written] == [EventType.NODE_RESUMED]
    assert await events.append(database, run_id, [of_node(EventType.NODE_RESUMED, "never started")]) == []
    assert (await row(database, run_id)).status == "cancelling"


async def test_the_event_with_which_a_node_began_to_wait(database: Database, run_id: str) -> None:
    asked = NewEvent(type=EventType.NODE_WAITING, node_id="a", attempt=2, payload={"message": "?"})
    assert await events.waiting(database, run_id, "a") is None
    await events.append(database, run_id, [started("a"), asked, started("b")])
    found = await events.waiting(database, run_id, "a")
    assert found is not None
    assert (found.attempt, found.payload) == (2, {"message": "?"})
    assert await events.waiting(database, run_id, "b") is None
    assert await events.waiting(database, "no id", "a") is None


async def test_a_completion_carries_its_details(database: Database, run_id: str) -> None:
    [event] = await complete(database, run_id, "a", branch="yes", pinned=True)
    assert event.payload == {"output": {"response": "ok"}, "duration_ms": 5, "branch": "yes", "pinned": True}
    assert await events.settling(database, run_id, "a") == event
    assert await events.settling(database, run_id, "b") is None


@pytest.mark.parametrize("character", ["x", "é", "\0"])
async def test_an_output_over_64_kib_travels_by_reference(
    database: Database, run_id: str, character: str
) -> None:
    bytes_each = len(compact(character).encode("utf-8", "surrogatepass")) - 2
    fits = character * ((64 * 1024 - 2) // bytes_each)
    for node_id, output in (("fits", fits), ("a/ü?", fits + character)):
        await events.complete_node(database, run_id, node_id, attempt=1, output=output, duration_ms=1)
        result = await results.get(database, run_id, node_id)
        assert result is not None
        assert result.output == output
    small, large = await events.read(database, run_id, after=1)
    assert small.payload["output"] == fits
    reference = large.payload["output"]
    written = compact(fits + character)
    assert reference["size"] == len(written.encode("utf-8", "surrogatepass"))
    assert written.startswith(reference["preview"])
    assert len(reference["preview"]) == 1_000
    assert unquote(reference["href"]) == f"/api/executions/{run_id}/nodes/a/ü?/output"
    assert reference["href"].endswith("/a%2F%C3%BC%3F/output")


async def test_an_output_has_a_limit(database: Database, run_id: str) -> None:
    most = "x" * (8 * 1024 * 1024 - 2)
    with pytest.raises(OutputTooLarge, match="8,388,609"):
        await events.complete_node(database, run_id, "a", attempt=1, output=most + "x", duration_ms=1)
    assert (await row(database, run_id)).last_sequence == 1
    await events.complete_node(database, run_id, "a", attempt=1, output=most, duration_ms=1)
    result = await results.get_owned(database, OWNER, run_id, "a")
    assert result is not None
    assert result.output == most


async def test_every_json_value_is_an_output(database: Database, run_id: str) -> None:
    for place, output in enumerate([None, "", 0, False, [], {}, "\0", {"a": "\ud800"}]):
        node_id = str(place)
        await events.complete_node(database, run_id, node_id, attempt=1, output=output, duration_ms=1)
        result = await results.get(database, run_id, node_id)
        assert result == Result(node_id=node_id, attempt=1, type=EventType.NODE_COMPLETED, output=output)


async def test_only_an_absorbed_error_becomes_an_output(database: Database, run_id: str) -> None:
    for node_id, absorbed in (("kept", True), ("fatal", False)):
        [event] = await events.fail_node(
            database, run_id, node_id, attempt=2, code="timeout", message="late", absorbed=absorbed
        )
        assert event.payload == {"error": {"code": "timeout", "message": "late"}, "absorbed": absorbed}
    assert await results.types(database, run_id) == {"kept": "node_failed"}
    assert await results.outputs(database, run_id, ["kept", "fatal", "unknown"]) == {
        "kept": {"error": {"code": "timeout", "message": "late"}}
    }


async def test_results_are_their_owners(database: Database, run_id: str) -> None:
    await complete(database, run_id, "a")
    assert await results.get_owned(database, OWNER, run_id.upper(), "a") is not None
    assert await results.get_owned(database, "somebody", run_id, "a") is None
    assert await results.get_owned(database, OWNER, "no id", "a") is None


async def test_reading_goes_on_where_it_stopped(database: Database, run_id: str) -> None:
    await events.append(database, run_id, [started(str(number)) for number in range(9)])
    assert [event.sequence for event in await events.read(database, run_id, after=3, limit=4)] == [4, 5, 6, 7]
    assert len(await events.read(database, run_id, limit=None)) == 10
    assert await events.read(database, run_id, after=10) == []
    assert await events.read(database, run_id, after=2**40) == []
    assert len(await events.read(database, run_id, after=-(2**40))) == 10


async def test_a_run_that_does_not_exist_takes_nothing(database: Database, run_id: str) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    for unknown in (nobody, "no id"):
        assert await events.append(database, unknown, [started("a")]) == []
        assert await events.finish(database, unknown, EventType.EXECUTION_COMPLETED) == []
        assert await events.read(database, unknown) == []


async def test_attempts_are_counted(database: Database, run_id: str) -> None:
    assert await attempts.of(database, run_id, "a\0") == Attempts(last=0, failed=0, settled=False)
    offered = [
        started("a\0"),
        of_node(EventType.NODE_RETRYING, "a\0"),
        started("a\0", 2),
        started("a\0", 3),
        started("b", 7),
    ]
    await events.append(database, run_id, offered)
    assert await attempts.of(database, run_id, "a\0") == Attempts(last=3, failed=1, settled=False)


async def test_one_transaction_can_span_several_calls(database: Database) -> None:
    run_id = await new_run(database)

    async def write_and_stop() -> None:
        async with database.begin() as connection:
            await events.append(connection, run_id, [started("a")])
            await events.complete_node(connection, run_id, "a", attempt=1, output=1, duration_ms=1)
            assert len(await events.read(connection, run_id)) == 3
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await write_and_stop()
    assert len(await events.read(database, run_id)) == 1
    assert await executions.status(database, run_id) == "pending"
