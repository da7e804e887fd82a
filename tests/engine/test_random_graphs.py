"""Whatever the graph, the engine comes to what a plain loop over its nodes does (contract, 3.1 to 3.7)."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from aistudio.engine import record
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import Event, EventType
from aistudio.nodes.context import NodeContext
from tests.engine.plain import ERROR, Play, Settled, interpret, output_of
from tests.engine.runs import Act, Studio

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRANCHES = ("left", "right", "back")
AT_ONCE = 5


@dataclass(frozen=True)
class Case:
    """A graph of triggers, steps and forks, and what each of its nodes does."""

    document: dict[str, Any]
    plays: dict[str, Play]


@st.composite
def cases(draw: st.DrawFn, prefix: str) -> Case:
    """Any graph: joins, diamonds, doubled edges, several triggers, nodes out of reach, in any order."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, str]] = []
    for index in range(draw(st.integers(2, 10))):
        name = f"{prefix}{index}"
        kind = "trigger" if index == 0 else draw(st.sampled_from(["step", "step", "step", "fork", "trigger"]))
        policy = draw(st.sampled_from(["route", "continue", "continue", "route", "fail"]))
        node = {"id": name, "kind": kind, "on_error": policy}
        if kind == "fork":
            node["config"] = {"branches": [{"id": branch} for branch in BRANCHES]}
        fewest = draw(st.sampled_from([1, 2, 1, 0]))
        sources = st.lists(st.sampled_from(nodes), min_size=fewest, max_size=3) if nodes else st.just([])
        for source in [] if kind == "trigger" else draw(sources):
            ports = BRANCHES if source["kind"] == "fork" else ("out", "out", "out")
            port = draw(st.sampled_from([*ports, "error"]))
            edges.append({"source": source["id"], "source_port": port, "target": name})
        nodes.append(node)
    plays = st.builds(
        Play,
        how=st.sampled_from(["works", "fails", "works", "works at last"]),
        branch=st.sampled_from(BRANCHES),
    )
    document = {"schema": 1, "nodes": draw(st.permutations(nodes)), "edges": draw(st.permutations(edges))}
    return Case(document, {node["id"]: draw(plays) for node in nodes})


@given(several=st.tuples(*(cases(f"n{number}_") for number in range(AT_ONCE))))
# To make a failing example smaller would take the engine minutes.
@settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
async def test_a_run_comes_to_what_its_graph_says(
    real_module_studio: Studio, several: tuple[Case, ...]
) -> None:
    real_module_studio.acts.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "pause", lambda *_: 0.01)
        await asyncio.gather(*(compare(real_module_studio, case) for case in several))


async def compare(studio: Studio, case: Case) -> None:
    """Run a graph both ways."""
    for node in case.document["nodes"]:
        studio.acts[node["id"]] = acts(node, case.plays[node["id"]])
    found = await studio.run(case.document, {"input": "given"})
    expected = interpret(case.document, case.plays, "given")
    seen = settled(found)
    if not expected.fatal:
        assert seen == expected.settled
        assert found[-1].type is EventType.EXECUTION_COMPLETED
        return
    # Which of the others had ended when the first one failed the run is chance.
    assert {name: expected.settled.get(name) for name in seen} == seen
    assert found[-1].type is EventType.EXECUTION_FAILED
    assert found[-1].payload["error"] == ERROR
    assert seen.keys() & expected.fatal


def acts(node: dict[str, Any], play: Play) -> list[Act]:
    """What the node does, attempt by attempt."""

    async def work(context: NodeContext) -> Any:
        read = context.predecessors if node["kind"] == "fork" else context.ancestors
        return output_of(node["kind"], node["id"], play, [other.output for other in read()])

    if play.how == "fails":
        return [NodeError(ErrorCode(ERROR["code"]), ERROR["message"])]
    passing = NodeError(ErrorCode.MODEL_UNAVAILABLE, "Not yet.", retryable=True)
    return [work] if play.how == "works" else [passing, work]


def settled(found: list[Event]) -> dict[str, Settled]:
    """How the engine says that each node ended; those that were stopped have not."""
    ends: dict[str, Settled] = {}
    for event in found:
        assert event.node_id is None or event.node_id not in ends, "nothing comes after a node's end"
        match event.type, event.node_id:
            case EventType.NODE_COMPLETED, str(node_id):
                ends[node_id] = Settled("completed", event.payload["output"])
            case EventType.NODE_FAILED, str(node_id):
                kept = {"error": event.payload["error"]} if event.payload["absorbed"] else None
                ends[node_id] = Settled("failed", kept)
            case EventType.NODE_SKIPPED, str(node_id):
                ends[node_id] = Settled("skipped", reason=event.payload["reason"])
    return ends
