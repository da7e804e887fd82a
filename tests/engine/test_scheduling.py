"""Which nodes run, when, and in which order their events come (contract, 3.1, 3.2, 3.11 and 4)."""

import asyncio

import pytest

from aistudio.graph.events import EventType
from aistudio.store import executions
from tests.engine.runs import Studio, graph, of, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_chain_runs_in_order(studio: Studio) -> None:
    execution_id = await studio.start(graph("t>a", "a>b"), "hello")
    assert told(await studio.end(execution_id)) == [
        "execution_started",
        "started t",
        "completed t",
        "started a",
        "completed a",
        "started b",
        "completed b",
        "execution_completed",
    ]
    run = await executions.load_snapshot(studio.database, execution_id)
    assert run is not None
    assert (run.status, run.error) == ("completed", None)
    assert run.started_at is not None
    assert run.finished_at is not None


async def test_payloads_of_a_completed_node(studio: Studio) -> None:
    studio.acts["a"] = [{"text": "done"}]
    found = await studio.run(graph("t>a"), "hello")
    (started,) = of(found, EventType.NODE_STARTED, "a")
    (completed,) = of(found, EventType.NODE_COMPLETED, "a")
    assert started.attempt == completed.attempt == 1
    assert started.payload.keys() == {"ready_at"}
    assert started.payload["ready_at"].endswith("Z")
    assert completed.payload["output"] == {"text": "done"}
    assert completed.payload["duration_ms"] >= 0
    assert of(found, EventType.NODE_COMPLETED, "t")[0].payload["output"] == {"input": "hello"}


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("text", {"input": "text"}),
        ("", {"input": ""}),
        ({"a": 1}, {"a": 1}),
        ({}, {}),
        (None, {"input": "sample"}),
    ],
)
async def test_the_input_becomes_every_triggers_output(studio: Studio, given: object, output: object) -> None:
    raw = graph("t>a", t={"config": {"input": "sample"}})
    found = await studio.run(raw, given)  # type: ignore[arg-type]
    assert of(found, EventType.NODE_COMPLETED, "t")[0].payload["output"] == output


async def test_only_the_branch_taken_runs_and_the_skip_travels_on(studio: Studio) -> None:
    studio.acts["f"] = [{"branch": "left"}]
    found = await studio.run(graph("t>f", "f.left>a", "f.right>b", "b>c", "a>d", "c>d"))
    words = told(found)
    assert studio.acts.calls("b") == studio.acts.calls("c") == 0
    skipped = [event for event in found if event.type is EventType.NODE_SKIPPED]
    assert [(event.node_id, event.attempt, event.payload) for event in skipped] == [
        ("b", 0, {"reason": "branch_not_taken"}),
        ("c", 0, {"reason": "branch_not_taken"}),
    ]
    assert words.index("skipped c") < words.index("started d")
    assert words[-1] == "execution_completed"


async def test_a_skip_that_nobody_waits_for_is_written_at_the_end(studio: Studio) -> None:
    studio.acts["f"] = [{"branch": "left"}]
    found = await studio.run(graph("t>f", "f.left", "f.right>b"))
    assert told(found)[-2:] == ["skipped b", "execution_completed"]


async def test_a_skip_that_nobody_waits_for_is_told_while_others_still_run(studio: Studio) -> None:
    async def wait_for_the_skip(context: object) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_SKIPPED, "b")
        return {}

    async def decide(context: object) -> dict[str, str]:
        await studio.until(execution_id, EventType.NODE_STARTED, "slow")
        return {"branch": "left"}

    studio.acts["slow"], studio.acts["f"] = [wait_for_the_skip], [decide]
    execution_id = await studio.start(graph("t>slow", "t>f", "f.left", "f.right>b", "slow>c"))
    words = told(await studio.end(execution_id))
    assert words.index("completed f") < words.index("skipped b") < words.index("completed slow")
    assert words.count("skipped b") == 1
    assert words[-1] == "execution_completed"


async def test_a_branch_without_an_edge_ends_the_run_completed(studio: Studio) -> None:
    studio.acts["f"] = [{"branch": "nowhere"}]
    found = await studio.run(graph("t>f", "f.left>a"))
    assert told(found)[-2:] == ["skipped a", "execution_completed"]


async def test_what_no_trigger_reaches_is_skipped_right_after_the_start(studio: Studio) -> None:
    found = await studio.run(graph("t>a", "x>y", "y>z", "a>z"))
    assert told(found)[:3] == ["execution_started", "skipped x", "skipped y"]
    assert {event.payload["reason"] for event in found if event.type is EventType.NODE_SKIPPED} == {
        "not_connected"
    }
    assert told(found)[-2:] == ["completed z", "execution_completed"]


async def test_two_triggers_run_at_once(studio: Studio) -> None:
    found = await studio.run(graph("t1>a", "t2>a"), "x")
    assert told(found).count("started a") == 1
    assert set(told(found)[1:5]) == {"started t1", "completed t1", "started t2", "completed t2"}


async def test_a_slow_branch_holds_nobody_back(studio: Studio) -> None:
    fast_is_through = asyncio.Event()

    async def slow(context: object) -> dict[str, str]:
        await fast_is_through.wait()
        return {}

    async def last_of_the_fast(context: object) -> dict[str, str]:
        fast_is_through.set()
        return {}

    studio.acts["slow"] = [slow]
    studio.acts["c"] = [last_of_the_fast]
    found = told(await studio.run(graph("t>slow", "t>a", "a>b", "b>c", "slow>d", "c>d")))
    assert found.index("completed c") < found.index("completed slow") < found.index("started d")


async def test_fifty_nodes_of_a_run_are_at_work_at_once_and_no_more(studio: Studio) -> None:
    full = asyncio.Event()

    async def work(context: object) -> dict[str, str]:
        if studio.acts.running >= 50:
            full.set()
        await asyncio.wait_for(full.wait(), 20)
        return {}

    names = [f"n{number}" for number in range(55)]
    for name in names:
        studio.acts[name] = [work]
    found = told(await studio.run(graph(*(f"t>{name}" for name in names))))
    assert studio.acts.most_running == 50
    assert sum(word.startswith("completed n") for word in found) == 55


async def test_parallel_edges_count_once(studio: Studio) -> None:
    found = told(await studio.run(graph("t>a", "t>a", "a>b")))
    assert found.count("started a") == 1
    assert found[-1] == "execution_completed"


async def test_a_node_settles_before_anybody_who_waits_for_it_starts(studio: Studio) -> None:
    studio.acts["f"] = [{"branch": "one"}]
    raw = graph("t>a", "t>b", "a>f", "f.one>c", "f.two>d", "b>c", "b>d", "c>e", "d>e")
    found = told(await studio.run(raw))
    for edge in raw["edges"]:
        settled = [
            word
            for word in found
            if word.split()[0] in {"completed", "skipped"} and word.endswith(f" {edge['source']}")
        ]
        started = f"started {edge['target']}"
        if started in found:
            assert found.index(settled[0]) < found.index(started)


async def test_a_pinned_output_is_taken_without_running_the_node(studio: Studio) -> None:
    raw = graph("t>a", "a>f", "f.x>b", "f.y>c", a={"pinned_output": {"text": "kept"}})
    raw["nodes"][2]["pinned_output"] = {"branch": "y"}
    execution_id = await studio.start(raw)
    found = await studio.end(execution_id)
    assert studio.acts.attempts.keys() == {"c"}
    (pinned,) = of(found, EventType.NODE_COMPLETED, "a")
    assert pinned.attempt == 0
    assert pinned.payload == {"output": {"text": "kept"}, "duration_ms": 0, "pinned": True}
    (decided,) = of(found, EventType.NODE_COMPLETED, "f")
    assert decided.payload == pinned.payload | {"output": {"branch": "y"}, "branch": "y"}
    assert "started a" not in told(found)
    assert "skipped b" in told(found)
    assert told(found)[-1] == "execution_completed"


@pytest.mark.parametrize("name", ["a b", "x" * 200, "é 😀 {{a.b}}", "finish", "1"])
async def test_any_id_will_do(studio: Studio, name: str) -> None:
    raw = graph("t>a", "a>b")
    raw["nodes"][1]["id"] = raw["edges"][0]["target"] = raw["edges"][1]["source"] = name
    found = await studio.run(raw)
    assert [event.node_id for event in found if event.node_id] == ["t", "t", name, name, "b", "b"]
    assert found[-1].type is EventType.EXECUTION_COMPLETED
