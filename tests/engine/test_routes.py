"""Graphs as numbers: the same ones in the workflow and in every activity."""

from aistudio.engine.routes import NAMES_BYTES, ports, run_task
from aistudio.graph.definition import Workflow
from tests.engine.runs import Acts, asking, graph, kinds_for

SPECS = {name: kind.spec for name, kind in kinds_for(Acts()).items()}


def test_nodes_and_ports_are_numbered_in_order_of_appearance() -> None:
    raw = graph("t>f", "f.left>a", "f.right>b", "f.left>b", "a>c", "a.error>b", "a>c")
    workflow = Workflow.model_validate(raw)
    task = run_task("run", workflow, SPECS)
    assert task.names == ["t", "f", "a", "b", "c"]
    assert task.triggers == [0]
    assert task.routes == [[[1]], [[2, 3], [3]], [[4], [3]], [], []]
    assert ports(workflow) == {
        "t": ["out"],
        "f": ["left", "right"],
        "a": ["out", "error"],
        "b": [],
        "c": [],
    }


def test_time_limits_are_rounded_up() -> None:
    raw = graph("t>a", a={"timeout_seconds": 0.2})
    assert run_task("run", Workflow.model_validate(raw), SPECS).timeouts == [600, 1]


def test_only_a_run_that_may_wait_for_a_human_may_take_for_ever() -> None:
    for raw, waits in ((graph("t>a"), False), (asking(), True)):
        assert run_task("run", Workflow.model_validate(raw), SPECS).waits == waits


def test_names_are_left_out_when_they_are_long_or_cannot_be_printed() -> None:
    long = graph(*(f"t>{'x' * 150}{number}" for number in range(NAMES_BYTES // 150)))
    assert run_task("run", Workflow.model_validate(long), SPECS).names == []
    strange = graph("t>a\u200b")
    assert run_task("run", Workflow.model_validate(strange), SPECS).names == []
