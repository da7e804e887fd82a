"""What a re-run keeps of an earlier run, and what a part of a graph is (contract, section 5, `rerun`)."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from aistudio.graph.definition import Workflow
from aistudio.graph.events import Event, EventType
from aistudio.graph.kinds import Kinds
from aistudio.graph.lineage import topological_order

# Of a settled node; one that failed, or was cancelled, is worth another try.
_KEPT = (EventType.NODE_COMPLETED, EventType.NODE_SKIPPED)


def kept(workflow: Workflow, told: Iterable[Event], from_node: str | None, before: Workflow) -> list[Event]:
    """The settling events of the nodes that need not run again, in the order they happened.

    Args:
        workflow: what is to run now.
        told: the events of the earlier run.
        from_node: where to begin; it and all below it run again. Null: everything does.
        before: what ran then.
    """
    if from_node is None:
        return []
    again = {from_node, *_reachable(from_node, _neighbours(workflow, downstream=True))}
    same = unchanged(before, workflow)
    return [event for event in told if event.type in _KEPT and event.node_id in same - again]


def unchanged(before: Workflow, after: Workflow) -> set[str]:
    """The ids of nodes that both have with one kind, config and pinned output, and with the same upstream.

    Upstream also counts what agents are told of it: its titles. References to changed variables are no
    reason to look at each node: then none is the same.
    """
    if before.variables != after.variables:
        return set()
    then, now = _fingerprints(before), _fingerprints(after)
    return {node_id for node_id, fingerprint in now.items() if then.get(node_id) == fingerprint}


def part(workflow: Workflow, node_id: str) -> Workflow:
    """The node and everything upstream of it, with the wires between them."""
    names = {node_id, *_reachable(node_id, _neighbours(workflow, downstream=False))}
    return workflow.model_copy(
        update={
            "nodes": [node for node in workflow.nodes if node.id in names],
            "edges": [edge for edge in workflow.edges if {edge.source, edge.target} <= names],
        }
    )


def known_ports(workflow: Workflow, kinds: Kinds, told: Iterable[Event]) -> dict[str, tuple[str, ...]]:
    """The live ports of settled nodes, as far as their events alone tell; a skipped node has none."""
    nodes = {node.id: node for node in workflow.nodes}
    ports: dict[str, tuple[str, ...]] = {}
    for event in told:
        if event.node_id is None or event.type not in _KEPT:
            continue
        node = nodes[event.node_id]
        spec = kinds[node.kind]
        output = event.payload.get("output")
        if event.type is EventType.NODE_SKIPPED:
            ports[node.id] = ()
        elif spec.port_key is None or (isinstance(output, dict) and spec.port_key in output):
            ports[node.id] = spec.live_ports(node.config, output)
    return ports


def _fingerprints(workflow: Workflow) -> dict[str, str]:
    """For every node a text that is the same exactly when it and its upstream are."""
    nodes = {node.id: node for node in workflow.nodes}
    above: dict[str, set[tuple[str, str]]] = {node_id: set() for node_id in nodes}
    for edge in workflow.edges:
        above[edge.target].add((edge.source, edge.source_port))
    found: dict[str, str] = {}
    for node_id in topological_order(workflow):
        sources = [
            [source, port, nodes[source].title, found[source]] for source, port in sorted(above[node_id])
        ]
        itself = nodes[node_id].model_dump(include={"kind", "config", "pinned_output"})
        whole = json.dumps([itself, sources], sort_keys=True)
        found[node_id] = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
    return found


def _neighbours(workflow: Workflow, *, downstream: bool) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {node.id: set() for node in workflow.nodes}
    for edge in workflow.edges:
        here, there = (edge.source, edge.target) if downstream else (edge.target, edge.source)
        found[here].add(there)
    return found


def _reachable(node_id: str, neighbours: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending = [node_id]
    while pending:
        for other in neighbours[pending.pop()] - found:
            found.add(other)
            pending.append(other)
    return found
