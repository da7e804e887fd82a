"""The rules for drawing connections, held to the vectors that the browser is held to as well."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from graph_kinds import KINDS, edge, graph
from graph_strategies import documents
from hypothesis import assume, given
from hypothesis import strategies as st

from aistudio.graph.connections import Connection, End, Reason, refusal
from aistudio.graph.definition import Workflow
from aistudio.graph.kinds import ERROR_PORT
from aistudio.graph.validation import validate

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "connections.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    nodes = {
        node["id"]: End(ports=node["ports"], trigger=node["trigger"]) for node in vector["graph"]["nodes"]
    }
    edges = [Connection(**wire) for wire in vector["graph"]["edges"]]
    reason = refusal(nodes, edges, Connection(**vector["connect"]))
    assert reason == vector["reason"]
    assert (reason is None) is vector["allowed"]


def test_the_vectors_know_every_reason() -> None:
    assert {vector["reason"] for vector in VECTORS} == {None, *get_args(Reason)}
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


def test_a_long_chain() -> None:
    nodes = {f"n{index}": End(ports=["out"]) for index in range(1_000)}
    edges = [Connection(f"n{index}", "out", f"n{index + 1}", "in") for index in range(999)]
    assert refusal(nodes, edges, Connection("n999", "out", "n0", "in")) == "cycle"
    assert refusal(nodes, edges, Connection("n0", "out", "n999", "in")) is None


@given(documents(5), st.data())
def test_what_may_be_drawn_keeps_a_workflow_valid_and_what_may_not_is_a_problem(
    raw: dict[str, Any], data: st.DataObject
) -> None:
    workflow = Workflow.model_validate(raw)
    nodes = {
        node.id: End(
            ports=(*KINDS[node.kind].out_ports(node.config), ERROR_PORT), trigger=KINDS[node.kind].trigger
        )
        for node in workflow.nodes
    }
    names = st.sampled_from([*nodes, "ghost"])
    port = data.draw(st.sampled_from(["out", "error", "yes", "none such"]))
    wanted = Connection(data.draw(names), port, data.draw(names), "in")
    edges = [Connection(e.source, e.source_port, e.target, e.target_port) for e in workflow.edges]
    reason = refusal(nodes, edges, wanted)
    assume(reason != "duplicate")
    after = graph(raw["nodes"], [*raw["edges"], edge(wanted.source, wanted.target, wanted.source_port)])
    assert (validate(after, KINDS).workflow is not None) is (reason is None)
