"""What lies upstream of a node in a run, over live edges (contract, 3.5 and 3.6)."""

from collections.abc import Collection, Mapping
from heapq import heappop, heappush

from aistudio.graph.definition import Node, Workflow
from aistudio.graph.kinds import ERROR_PORT, KindSpec


def absorbed_ports(node: Node, spec: KindSpec) -> tuple[str, ...]:
    """The ports a node that failed for good carries on through; none when its failure ends the run."""
    if node.on_error == "continue":
        return spec.out_ports(node.config)
    return (ERROR_PORT,) if node.on_error == "route" else ()


def live_ancestors(workflow: Workflow, node_id: str, live_ports: Mapping[str, Collection[str]]) -> list[str]:
    """The ids of all nodes with a live path to this one, in topological order.

    Args:
        live_ports: the ports that every node settled so far carries on through. A skipped node has
            none; a node that failed and was absorbed has some, and so is among the ancestors.
    """
    incoming: dict[str, list[str]] = {}
    for edge in workflow.edges:
        if edge.source_port in live_ports.get(edge.source, ()):
            incoming.setdefault(edge.target, []).append(edge.source)
    found: set[str] = set()
    pending = [node_id]
    while pending:
        for source in incoming.get(pending.pop(), ()):
            if source not in found:
                found.add(source)
                pending.append(source)
    return [ancestor for ancestor in topological_order(workflow) if ancestor in found]


def live_predecessors(
    workflow: Workflow, node_id: str, live_ports: Mapping[str, Collection[str]]
) -> list[str]:
    """The ids of the nodes with a live edge to this one, in `nodes` order; `live_ports` as above."""
    found = {
        edge.source
        for edge in workflow.edges
        if edge.target == node_id and edge.source_port in live_ports.get(edge.source, ())
    }
    return [node.id for node in workflow.nodes if node.id in found]


def topological_order(workflow: Workflow) -> list[str]:
    """Every node's id: always the first in `nodes` order whose predecessors are all out.

    The order is the graph's own; what happens in a run does not change it.
    """
    rank = {node.id: index for index, node in enumerate(workflow.nodes)}
    targets: list[list[int]] = [[] for _ in rank]
    missing = [0] * len(rank)
    for edge in workflow.edges:
        target = rank[edge.target]
        targets[rank[edge.source]].append(target)
        missing[target] += 1
    ready = [index for index, count in enumerate(missing) if not count]
    order: list[str] = []
    while ready:
        first = heappop(ready)
        order.append(workflow.nodes[first].id)
        for target in targets[first]:
            missing[target] -= 1
            if not missing[target]:
                heappush(ready, target)
    return order
