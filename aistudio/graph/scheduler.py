"""Which nodes of a run are ready, skipped or settled: a pure state machine (contract, 3.1 and 3.2).

Standard library only: Temporal's sandbox loads this module anew for every run.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aistudio.graph.definition import Workflow
    from aistudio.graph.kinds import Kinds

SkipReason = Literal["branch_not_taken", "not_connected"]


@dataclass(frozen=True)
class Plan:
    """What scheduling needs of a workflow; plain data, so that it travels as JSON.

    Attributes:
        nodes: every node's id, in `nodes` order.
        edges: source, source port and target of every edge, each combination once.
        triggers: the ids of the entrypoints, in `nodes` order.
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str, str], ...]
    triggers: tuple[str, ...]


@dataclass(frozen=True)
class Skip:
    """A node that will not run, and why."""

    node_id: str
    reason: SkipReason


@dataclass(frozen=True)
class Step:
    """What one fact changed.

    Attributes:
        ready: nodes to start now, in `nodes` order.
        skipped: nodes that will not run, each after those it waited for.
        done: whether every node has settled.
    """

    ready: tuple[str, ...]
    skipped: tuple[Skip, ...]
    done: bool


def plan(workflow: "Workflow", kinds: "Kinds") -> Plan:
    """The plan of a valid workflow."""
    triggers = {name for name, spec in kinds.items() if spec.trigger}
    return Plan(
        nodes=tuple(node.id for node in workflow.nodes),
        edges=tuple(dict.fromkeys((e.source, e.source_port, e.target) for e in workflow.edges)),
        triggers=tuple(node.id for node in workflow.nodes if node.kind in triggers),
    )


class Scheduler:
    """Follows one run of a plan: `start` it once, then `settle` each node as it ends.

    The same calls in the same order give the same steps. A whole run costs time in the order of
    its edges.
    """

    def __init__(self, plan: Plan) -> None:
        self._triggers = plan.triggers
        self._rank = {node_id: rank for rank, node_id in enumerate(plan.nodes)}
        self._out: dict[str, list[tuple[str, str]]] = {node_id: [] for node_id in plan.nodes}
        self._unresolved = dict.fromkeys(plan.nodes, 0)
        for source, port, target in plan.edges:
            self._out[source].append((port, target))
            self._unresolved[target] += 1
        self._started = False
        self._live: set[str] = set()
        self._released: set[str] = set()
        self._settled: set[str] = set()

    def start(self, kept: Mapping[str, Collection[str]] | None = None) -> Step:
        """The triggers are ready; what no trigger reaches is skipped at once.

        Args:
            kept: nodes whose outcome is known beforehand, and their live ports: they have settled, and are
                reported neither as ready nor as skipped.

        Raises:
            ValueError: it was started before.
        """
        kept = kept or {}
        if self._started:
            raise ValueError("the run was started already")
        self._started = True
        self._released.update(self._triggers, kept)
        connected = self._connected()
        lost = [node_id for node_id in self._rank if node_id not in connected and node_id not in kept]
        self._released.update(lost)
        ready, skipped = self._resolve([*((node_id, ()) for node_id in lost), *kept.items()])
        return self._step(
            [*(trigger for trigger in self._triggers if trigger not in kept), *ready],
            [*(Skip(node_id, "not_connected") for node_id in lost), *skipped],
        )

    def settle(self, node_id: str, live_ports: Collection[str]) -> Step:
        """The node ended and carries on through these ports; none for a node that nothing follows.

        A node whose outcome is known beforehand may settle before it is ready; it is then never
        reported as ready.

        Raises:
            ValueError: the run was not started, or the node is unknown or settled already.
        """
        if not self._started:
            raise ValueError("the run was not started")
        if node_id not in self._rank:
            raise ValueError(f"there is no node {node_id!r}")
        if node_id in self._settled:
            raise ValueError(f"node {node_id!r} settled already")
        self._released.add(node_id)
        return self._step(*self._resolve([(node_id, live_ports)]))

    def settled(self, node_id: str) -> bool:
        """Whether the node has ended, skipped ones included."""
        return node_id in self._settled

    def _connected(self) -> set[str]:
        found = set(self._triggers)
        pending = list(self._triggers)
        while pending:
            for _, target in self._out[pending.pop()]:
                if target not in found:
                    found.add(target)
                    pending.append(target)
        return found

    def _resolve(self, ended: Iterable[tuple[str, Collection[str]]]) -> tuple[list[str], list[Skip]]:
        ready: list[str] = []
        skipped: list[Skip] = []
        queue = deque(ended)
        while queue:
            node_id, live_ports = queue.popleft()
            live = frozenset(live_ports)
            self._settled.add(node_id)
            for port, target in self._out[node_id]:
                self._unresolved[target] -= 1
                if port in live:
                    self._live.add(target)
                if self._unresolved[target] or target in self._released:
                    continue
                self._released.add(target)
                if target in self._live:
                    ready.append(target)
                else:
                    skipped.append(Skip(target, "branch_not_taken"))
                    queue.append((target, ()))
        return ready, skipped

    def _step(self, ready: list[str], skipped: list[Skip]) -> Step:
        return Step(
            ready=tuple(sorted(ready, key=self._rank.__getitem__)),
            skipped=tuple(skipped),
            done=len(self._settled) == len(self._rank),
        )
