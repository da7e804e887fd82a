"""Random workflows and random runs of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from graph_kinds import KINDS, agent, decision, edge, graph, trigger
from hypothesis import strategies as st

from aistudio.graph.definition import Workflow
from aistudio.graph.lineage import absorbed_ports
from aistudio.graph.scheduler import Scheduler, Skip, Step, plan

KINDS_DRAWN = ["trigger", *["agent"] * 4, *["decision"] * 2]
BRANCHES = ("yes", "no", "maybe")


@st.composite
def documents(draw: st.DrawFn, most: int = 10) -> dict[str, Any]:
    """Valid workflows: any DAG, its nodes in any order, with doubled edges and nodes out of reach."""
    count = draw(st.integers(1, most))
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for index in range(count):
        name = f"n{index}"
        kind = "trigger" if index == 0 else draw(st.sampled_from(KINDS_DRAWN))
        policy = draw(st.sampled_from(["fail", "continue", "route"]))
        if kind == "trigger":
            nodes.append(trigger(name))
            continue
        make = agent(name) if kind == "agent" else decision(name, *BRANCHES)
        nodes.append(make | {"on_error": policy})
        for source in draw(st.lists(st.integers(0, index - 1), max_size=3)):
            ports = BRANCHES if nodes[source]["kind"] == "decision" else ("out",)
            edges.append(edge(f"n{source}", name, draw(st.sampled_from([*ports, *ports, "error"]))))
    return graph(draw(st.permutations(nodes)), draw(st.permutations(edges)))


def workflows(most: int = 10) -> st.SearchStrategy[Workflow]:
    return documents(most).map(Workflow.model_validate)


@dataclass
class Run:
    """One run from start to end, as a scheduler saw it.

    Attributes:
        steps: every step, in order.
        live: the live ports of every node that settled, skipped ones included.
        failed: nodes that failed and were absorbed.
    """

    steps: list[Step] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    live: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    @property
    def ready(self) -> list[str]:
        return [node_id for step in self.steps for node_id in step.ready]

    @property
    def skipped(self) -> list[Skip]:
        return [skip for step in self.steps for skip in step.skipped]


def play(workflow: Workflow, picks: Iterable[int]) -> Run:
    """Run a workflow: each pick says which ready node ends next, and how."""
    run = Run()
    scheduler = Scheduler(plan(workflow, KINDS))
    waiting: list[str] = []

    def take(step: Step) -> None:
        run.steps.append(step)
        waiting.extend(step.ready)
        run.live.update({skip.node_id: () for skip in step.skipped})

    nodes = {node.id: node for node in workflow.nodes}
    choices = iter(picks)
    take(scheduler.start())
    while waiting:
        pick = next(choices, 0)
        node = nodes[waiting.pop(pick % len(waiting))]
        spec = KINDS[node.kind]
        fails = node.on_error != "fail" and pick % 3 == 1
        output = {"branch": BRANCHES[pick % len(BRANCHES)]}
        ports = absorbed_ports(node, spec) if fails else spec.live_ports(node.config, output)
        run.live[node.id] = ports
        run.order.append(node.id)
        if fails:
            run.failed.add(node.id)
        take(scheduler.settle(node.id, ports))
    return run


picks = st.lists(st.integers(0, 11), max_size=12)
