"""Sections 3.1 and 3.2 of the contract: what is ready, what is skipped, and when."""

import dataclasses
import json
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import pytest
from graph_kinds import KINDS, agent, chain, decision, edge, graph, trigger
from graph_strategies import picks, play, workflows
from hypothesis import given
from hypothesis import strategies as st

from aistudio.graph.definition import Workflow
from aistudio.graph.scheduler import Plan, Scheduler, Skip, Step, plan


def scheduler(raw: dict[str, Any]) -> Scheduler:
    return Scheduler(plan(Workflow.model_validate(raw), KINDS))


def step(*ready: str, skipped: tuple[str, ...] = (), done: bool = False) -> Step:
    return Step(ready, tuple(Skip(node_id, "branch_not_taken") for node_id in skipped), done)


def test_a_chain_runs_one_after_the_other() -> None:
    run = scheduler(chain(trigger(), agent("a"), agent("b")))
    assert run.start() == step("start")
    assert run.settle("start", ["out"]) == step("a")
    assert run.settle("a", ["out"]) == step("b")
    assert run.settle("b", ["out"]) == step(done=True)


def test_nothing_waits_for_a_slow_sibling() -> None:
    nodes = [trigger(), agent("slow"), agent("quick"), agent("next"), agent("both")]
    edges = [edge("start", "slow"), edge("start", "quick"), edge("quick", "next")]
    run = scheduler(graph(nodes, [*edges, edge("next", "both"), edge("slow", "both")]))
    run.start()
    assert run.settle("start", ["out"]) == step("slow", "quick")
    assert run.settle("quick", ["out"]) == step("next")
    assert run.settle("next", ["out"]) == step()
    assert run.settle("slow", ["out"]) == step("both")


def test_every_trigger_is_ready_at_once_and_in_nodes_order() -> None:
    nodes = [agent("a"), trigger("t2"), trigger("t1")]
    run = scheduler(graph(nodes, [edge("t1", "a"), edge("t2", "a")]))
    assert run.start() == step("t2", "t1")
    assert run.settle("t1", ["out"]) == step()
    assert run.settle("t2", ["out"]) == step("a")


def test_what_becomes_ready_at_once_is_in_nodes_order() -> None:
    nodes = [agent("c"), agent("b"), agent("a"), trigger()]
    run = scheduler(graph(nodes, [edge("start", name) for name in "abc"]))
    run.start()
    assert run.settle("start", ["out"]).ready == ("c", "b", "a")


def test_a_branch_not_taken_is_skipped_and_the_skip_travels_on() -> None:
    nodes = [trigger(), decision("d", "yes", "no"), agent("y"), agent("n"), agent("n2"), agent("end")]
    edges = [edge("start", "d"), edge("d", "y", "yes"), edge("d", "n", "no"), edge("n", "n2")]
    run = scheduler(graph(nodes, [*edges, edge("n2", "end"), edge("y", "end")]))
    run.start()
    run.settle("start", ["out"])
    assert run.settle("d", ["yes"]) == step("y", skipped=("n", "n2"))
    assert run.settle("y", ["out"]) == step("end")
    assert run.settle("end", ["out"]).done


def test_one_live_edge_is_enough_but_all_must_be_resolved() -> None:
    nodes = [trigger(), decision("d", "yes", "no"), agent("slow"), agent("join")]
    edges = [edge("start", "d"), edge("start", "slow"), edge("d", "join", "no"), edge("slow", "join")]
    run = scheduler(graph(nodes, edges))
    run.start()
    run.settle("start", ["out"])
    assert run.settle("d", ["yes"]) == step()
    assert run.settle("slow", ["out"]) == step("join")


def test_all_resolved_and_none_live_is_skipped() -> None:
    nodes = [trigger(), decision("d1", "a", "b"), decision("d2", "a", "b"), agent("join"), agent("after")]
    edges = [edge("start", "d1"), edge("start", "d2"), edge("d1", "join", "a"), edge("d2", "join", "a")]
    run = scheduler(graph(nodes, [*edges, edge("join", "after")]))
    run.start()
    run.settle("start", ["out"])
    assert run.settle("d1", ["b"]) == step()
    assert run.settle("d2", ["b"]) == step(skipped=("join", "after"), done=True)


def test_a_decision_may_reach_one_node_by_several_branches() -> None:
    nodes = [trigger(), decision("d", "a", "b", "c"), agent("x")]
    run = scheduler(graph(nodes, [edge("start", "d"), edge("d", "x", "a"), edge("d", "x", "b")]))
    run.start()
    run.settle("start", ["out"])
    assert run.settle("d", ["b"]) == step("x")


def test_two_edges_between_the_same_ports_count_once() -> None:
    raw = graph([trigger(), agent("a")], [edge("start", "a", id="1"), edge("start", "a", id="2")])
    assert plan(Workflow.model_validate(raw), KINDS).edges == (("start", "out", "a"),)
    run = scheduler(raw)
    run.start()
    assert run.settle("start", ["out"]) == step("a")


def test_an_absorbed_failure_goes_on_where_its_policy_says() -> None:
    nodes = [trigger(), agent("a"), agent("good"), agent("bad")]
    raw = graph(nodes, [edge("start", "a"), edge("a", "good"), edge("a", "bad", "error")])
    for ports, expected in (
        (["out"], step("good", skipped=("bad",))),
        (["error"], step("bad", skipped=("good",))),
        ([], step(skipped=("good", "bad"), done=True)),
    ):
        run = scheduler(raw)
        run.start()
        run.settle("start", ["out"])
        assert run.settle("a", ports) == expected


def test_a_live_port_without_an_edge_is_nothing_special() -> None:
    run = scheduler(graph([trigger()]))
    run.start()
    assert run.settle("start", ["out", "error", "none such"]) == step(done=True)


def test_what_no_trigger_reaches_is_skipped_right_at_the_start() -> None:
    nodes = [agent("x"), trigger(), agent("a"), agent("y"), agent("z")]
    edges = [edge("x", "y"), edge("y", "a"), edge("start", "a")]
    run = scheduler(graph(nodes, edges))
    lost = tuple(Skip(node_id, "not_connected") for node_id in ("x", "y", "z"))
    assert run.start() == Step(("start",), lost, False)
    assert run.settle("start", ["out"]) == step("a")
    assert run.settle("a", ["out"]).done


def test_an_edge_that_is_never_live_still_connects() -> None:
    run = scheduler(graph([trigger(), agent("a")], [edge("start", "a", "error")]))
    assert run.start() == step("start")
    assert run.settle("start", ["out"]) == step(skipped=("a",), done=True)


def test_a_node_may_settle_before_it_is_ready() -> None:
    run = scheduler(chain(trigger(), agent("a"), agent("b"), agent("c")))
    run.start()
    assert run.settle("b", ["out"]) == step("c")
    assert run.settle("start", ["out"]) == step("a")
    assert run.settle("c", ["out"]) == step()
    assert run.settle("a", ["out"]) == step(done=True)


def test_misuse_is_refused() -> None:
    run = scheduler(graph([trigger(), agent("lost")]))
    with pytest.raises(ValueError, match="not started"):
        run.settle("start", ["out"])
    run.start()
    with pytest.raises(ValueError, match="started already"):
        run.start()
    with pytest.raises(ValueError, match="no node 'nobody'"):
        run.settle("nobody", [])
    with pytest.raises(ValueError, match="settled already"):
        run.settle("lost", [])
    run.settle("start", [])
    with pytest.raises(ValueError, match="settled already"):
        run.settle("start", [])


def test_a_plan_travels_as_json() -> None:
    nodes = [trigger("t"), trigger("t2"), decision("d", "yes")]
    written = plan(Workflow.model_validate(graph(nodes, [edge("t", "d"), edge("t2", "d")])), KINDS)
    assert written == Plan(("t", "t2", "d"), (("t", "out", "d"), ("t2", "out", "d")), ("t", "t2"))
    read = json.loads(json.dumps(dataclasses.asdict(written)))
    assert read == {
        "nodes": ["t", "t2", "d"],
        "edges": [["t", "out", "d"], ["t2", "out", "d"]],
        "triggers": ["t", "t2"],
    }


def test_a_kind_that_is_no_longer_known_starts_nothing() -> None:
    raw = graph([trigger(), {"id": "x", "kind": "gone"}], [edge("start", "x")])
    assert plan(Workflow.model_validate(raw), KINDS).triggers == ("start",)


def test_the_largest_graph_is_scheduled_in_milliseconds() -> None:
    names = [f"n{index}" for index in range(1_000)]
    wires = [(names[i], "out", names[i + gap]) for gap in range(1, 7) for i in range(1_000 - gap)][:5_000]
    run = Scheduler(Plan(tuple(names), tuple(wires), ("n0",)))
    begun = time.perf_counter()
    ready = list(run.start().ready)
    for node_id in ready:
        ready.extend(run.settle(node_id, ("out",)).ready)
    assert time.perf_counter() - begun < 1
    assert ready == names


def test_a_skip_travels_down_the_longest_chain() -> None:
    names = [f"n{index}" for index in range(1_000)]
    wires = [(a, "out", b) for a, b in pairwise(names)]
    run = Scheduler(Plan(tuple(names), tuple(wires), ("n0",)))
    run.start()
    last = run.settle("n0", ())
    assert [skip.node_id for skip in last.skipped] == names[1:]
    assert last.done


def test_it_costs_the_sandbox_nothing_but_the_standard_library() -> None:
    code = "import sys; import aistudio.graph.scheduler; print('pydantic' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


@given(workflows(), picks)
def test_any_valid_graph_finishes_and_every_node_settles_exactly_once(
    workflow: Workflow, choices: list[int]
) -> None:
    run = play(workflow, choices)
    settled = [*run.order, *(skip.node_id for skip in run.skipped)]
    assert sorted(settled) == sorted(node.id for node in workflow.nodes)
    assert sorted(run.order) == sorted(run.ready)
    assert [one.done for one in run.steps] == [False] * (len(run.steps) - 1) + [True]


@given(workflows(), picks)
def test_no_node_starts_before_its_incoming_edges_are_resolved(
    workflow: Workflow, choices: list[int]
) -> None:
    run = play(workflow, choices)
    settled: set[str] = set()
    for done, one in zip([None, *run.order], run.steps, strict=True):
        settled.update({done} if done else ())
        for skip in one.skipped:
            sources = {e.source for e in workflow.edges if e.target == skip.node_id}
            if skip.reason == "branch_not_taken":
                assert sources <= settled
            settled.add(skip.node_id)
        for node_id in one.ready:
            assert {e.source for e in workflow.edges if e.target == node_id} <= settled


@given(workflows(), picks)
def test_a_node_runs_exactly_when_an_incoming_edge_is_live(workflow: Workflow, choices: list[int]) -> None:
    run = play(workflow, choices)
    triggers = {node.id for node in workflow.nodes if node.kind == "trigger"}
    lived = {e.target for e in workflow.edges if e.source_port in run.live[e.source]}
    assert set(run.ready) == triggers | lived


@given(workflows(), picks)
def test_exactly_what_no_trigger_reaches_is_skipped_as_not_connected(
    workflow: Workflow, choices: list[int]
) -> None:
    reached = {node.id for node in workflow.nodes if node.kind == "trigger"}
    for _ in workflow.nodes:
        reached |= {e.target for e in workflow.edges if e.source in reached}
    run = play(workflow, choices)
    lost = {skip.node_id for skip in run.skipped if skip.reason == "not_connected"}
    assert lost == {node.id for node in workflow.nodes} - reached
    assert lost == {s.node_id for s in run.steps[0].skipped if s.reason == "not_connected"}


@given(workflows(), picks)
def test_the_same_completions_in_the_same_order_give_the_same_decisions(
    workflow: Workflow, choices: list[int]
) -> None:
    assert play(workflow, choices).steps == play(workflow, choices).steps
    again = Workflow.model_validate_json(workflow.model_dump_json(by_alias=True))
    assert play(again, choices).steps == play(workflow, choices).steps


@given(workflows(), picks, st.data())
def test_the_order_of_the_edges_and_doubled_edges_decide_nothing(
    workflow: Workflow, choices: list[int], data: st.DataObject
) -> None:
    edges = data.draw(st.permutations(workflow.edges + workflow.edges[:2]))
    shuffled = workflow.model_copy(update={"edges": edges})
    first, second = play(workflow, choices), play(shuffled, choices)
    assert [one.ready for one in first.steps] == [one.ready for one in second.steps]
    assert [set(one.skipped) for one in first.steps] == [set(one.skipped) for one in second.steps]


def test_what_is_kept_has_settled_before_the_start() -> None:
    nodes = [trigger(), agent("a"), agent("b"), agent("c"), agent("d"), agent("lone")]
    edges = [edge("start", "a"), edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d")]
    run = scheduler(graph(nodes, edges))
    assert run.start({"start": ["out"], "a": ["out"], "c": ["out"], "lone": []}) == step("b")
    assert run.settle("b", ["out"]) == step("d")
    assert run.settle("d", ["out"]) == step(done=True)


def test_a_kept_skip_travels_on_as_it_did() -> None:
    nodes = [trigger(), decision("which"), agent("no"), agent("then"), agent("yes")]
    edges = [
        edge("start", "which"),
        edge("which", "no", "no"),
        edge("no", "then"),
        edge("which", "yes", "yes"),
    ]
    run = scheduler(graph(nodes, edges))
    assert run.start({"start": ["out"], "which": ["yes"], "no": [], "then": []}) == step("yes")


def test_when_everything_is_kept_nothing_is_left() -> None:
    run = scheduler(chain(trigger(), agent("a")))
    assert run.start({"start": ["out"], "a": ["out"]}) == step(done=True)
