"""A graph as the numbers its run's history carries.

The numbers depend on the snapshot alone, never on the kinds a worker knows: an activity on tomorrow's
worker reads the same ports behind them.
"""

import json
import math
from collections.abc import Collection, Mapping

from aistudio.engine.messages import Kept, RunTask
from aistudio.graph.definition import Workflow
from aistudio.graph.kinds import Kinds
from aistudio.graph.scheduler import plan

NAMES_BYTES = 16_384


def ports(workflow: Workflow) -> dict[str, list[str]]:
    """For every node id, the ports its outgoing edges name, in the order the edges do."""
    named: dict[str, dict[str, None]] = {node.id: {} for node in workflow.nodes}
    for edge in workflow.edges:
        named[edge.source][edge.source_port] = None
    return {node_id: list(ports) for node_id, ports in named.items()}


def may_wait(workflow: Workflow, kinds: Kinds) -> bool:
    """Whether any of its nodes may wait for a human."""
    waiting = {name for name, spec in kinds.items() if spec.waits}
    return any(node.kind in waiting for node in workflow.nodes)


def run_task(
    execution_id: str, workflow: Workflow, kinds: Kinds, kept: Mapping[str, Collection[str]] | None = None
) -> RunTask:
    """The Temporal input of a run of this workflow, which must be valid.

    `kept` has the live ports of the nodes whose results are there already.
    """
    named = ports(workflow)
    place = {node.id: index for index, node in enumerate(workflow.nodes)}
    targets: dict[str, dict[str, dict[int, None]]] = {node.id: {} for node in workflow.nodes}
    for edge in workflow.edges:
        targets[edge.source].setdefault(edge.source_port, {})[place[edge.target]] = None
    names = [node.id for node in workflow.nodes]
    return RunTask(
        execution_id=execution_id,
        routes=[[list(reached) for reached in targets[name].values()] for name in names],
        triggers=[place[trigger] for trigger in plan(workflow, kinds).triggers],
        timeouts=[math.ceil(node.timeout_seconds) for node in workflow.nodes],
        waits=may_wait(workflow, kinds),
        kept=[
            Kept(node=place[name], live=[index for index, port in enumerate(named[name]) if port in live])
            for name, live in (kept or {}).items()
        ],
        names=names if all(map(str.isprintable, names)) and len(json.dumps(names)) <= NAMES_BYTES else [],
    )
