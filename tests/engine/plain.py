"""What a run comes to, worked out in one plain loop over the nodes: no scheduler, no server, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

ERROR = {"code": "model_rejected", "message": "It was told to fail."}


@dataclass(frozen=True)
class Play:
    """What a node does when it runs, and the branch it then chooses."""

    how: Literal["works", "works at last", "fails"]
    branch: str


@dataclass(frozen=True)
class Settled:
    """How a node ended: completed or failed with an output, or skipped with a reason."""

    how: Literal["completed", "failed", "skipped"]
    output: JsonValue = None
    reason: str | None = None


@dataclass
class Outcome:
    """How every node ended that ends when nothing stops the run early.

    Attributes:
        fatal: the nodes any one of which fails the run.
    """

    settled: dict[str, Settled] = field(default_factory=dict)
    fatal: set[str] = field(default_factory=set)


def interpret(document: Mapping[str, Any], plays: Mapping[str, Play], given: str) -> Outcome:
    """Run a graph of triggers, steps and forks in the head."""
    nodes = {node["id"]: node for node in document["nodes"]}
    wires = {(edge["source"], edge["source_port"], edge["target"]) for edge in document["edges"]}
    order = in_order(list(nodes), wires)
    connected = {node_id for node_id, node in nodes.items() if node["kind"] == "trigger"}
    for node_id in order:
        connected |= {target for source, _, target in wires if source == node_id and source in connected}

    outcome = Outcome()
    live: dict[str, set[str]] = {}
    for node_id in order:
        node, play = nodes[node_id], plays[node_id]
        incoming = {(source, port) for source, port, target in wires if target == node_id}
        if node_id not in connected:
            live[node_id] = set()
            outcome.settled[node_id] = Settled("skipped", reason="not_connected")
        elif not all(source in live for source, _ in incoming):
            continue
        elif incoming and not any(port in live[source] for source, port in incoming):
            live[node_id] = set()
            outcome.settled[node_id] = Settled("skipped", reason="branch_not_taken")
        elif node["kind"] == "trigger":
            live[node_id] = {"out"}
            outcome.settled[node_id] = Settled("completed", {"input": given})
        elif play.how != "fails":
            live[node_id] = {"out"} if node["kind"] == "step" else {play.branch}
            seen = upstream(node_id, nodes, order, wires, live, outcome.settled)
            outcome.settled[node_id] = Settled("completed", output_of(node["kind"], node_id, play, seen))
        elif node["on_error"] == "fail":
            outcome.settled[node_id] = Settled("failed")
            outcome.fatal.add(node_id)
        else:
            ports = (
                {"out"} if node["kind"] == "step" else {branch["id"] for branch in node["config"]["branches"]}
            )
            live[node_id] = {"error"} if node["on_error"] == "route" else ports
            outcome.settled[node_id] = Settled("failed", {"error": ERROR})
    return outcome


def output_of(kind: str, node_id: str, play: Play, seen: Sequence[JsonValue]) -> dict[str, JsonValue]:
    """What a node makes of what it was given, so that every wrong input shows."""
    made: dict[str, JsonValue] = {"by": node_id, "from": [short(output) for output in seen]}
    return made | {"branch": play.branch} if kind == "fork" else made


def short(output: JsonValue) -> JsonValue:
    """An output without what it was made from, which would grow with every node."""
    return (
        {key: value for key, value in output.items() if key != "from"} if isinstance(output, dict) else output
    )


def upstream(
    node_id: str,
    nodes: Mapping[str, Any],
    order: Sequence[str],
    wires: set[tuple[str, str, str]],
    live: Mapping[str, set[str]],
    settled: Mapping[str, Settled],
) -> list[JsonValue]:
    """The outputs that a node gets: a step its completed live ancestors', a fork its live predecessors'."""
    above = {source for source, port, target in wires if target == node_id and port in live[source]}
    if nodes[node_id]["kind"] == "fork":
        return [settled[other].output for other in nodes if other in above]
    for other in reversed(order):
        if other in above:
            above |= {source for source, port, target in wires if target == other and port in live[source]}
    passing = {name for name in above if nodes[name]["kind"] != "fork" and settled[name].how == "completed"}
    return [settled[other].output for other in order if other in passing]


def in_order(names: Sequence[str], wires: set[tuple[str, str, str]]) -> list[str]:
    """Always the first of `names` whose predecessors are all out."""
    order: list[str] = []
    while len(order) < len(names):
        order.append(
            next(
                name
                for name in names
                if name not in order and all(source in order for source, _, target in wires if target == name)
            )
        )
    return order
