"""The graphs that are measured. Every agent gets its answer at once, from benchmarks.endpoint."""

from itertools import pairwise
from typing import Any

from benchmarks.endpoint import SLOW, STREAM

Graph = dict[str, Any]


def chain(agents: int) -> Graph:
    """A trigger and so many agents, one after the other."""
    return _graph(_agents("agent", agents), _in_a_row("trigger", "agent", agents))


def fan_out(agents: int) -> Graph:
    """A trigger, so many agents side by side, and one that joins them."""
    nodes = [*_agents("agent", agents), _agent("join")]
    edges = [
        edge for each in range(agents) for edge in (("trigger", f"agent{each}"), (f"agent{each}", "join"))
    ]
    return _graph(nodes, edges)


def small() -> Graph:
    """Three nodes: a trigger, an agent, and its answer shown."""
    shown = {"id": "shown", "kind": "visualize", "config": {}}
    return _graph([_agent("agent"), shown], [("trigger", "agent"), ("agent", "shown")])


def large(chains: int, agents: int) -> Graph:
    """A trigger and so many chains behind it."""
    nodes, edges = [], []
    for each in range(chains):
        nodes += _agents(f"c{each}n", agents)
        edges += _in_a_row("trigger", f"c{each}n", agents)
    return _graph(nodes, edges)


def branches(*, slow: bool) -> Graph:
    """A chain of three fast agents, and beside it one whose answer takes seconds, or is fast as well."""
    nodes = [*_agents("fast", 3), _agent("beside", SLOW if slow else "Say ok.")]
    return _graph(nodes, [*_in_a_row("trigger", "fast", 3), ("trigger", "beside")])


def writer() -> Graph:
    """An agent that streams when each of its tokens was sent."""
    return _graph([_agent("writer", STREAM)], [("trigger", "writer")])


def _graph(nodes: list[Graph], edges: list[tuple[str, str]]) -> Graph:
    return {
        "schema": 1,
        "name": "Benchmark",
        "nodes": [{"id": "trigger", "kind": "trigger", "config": {"input": "go"}}, *nodes],
        "edges": [
            {"id": f"e{place}", "source": source, "target": target}
            for place, (source, target) in enumerate(edges)
        ],
    }


def _agent(identifier: str, prompt: str = "Say ok.") -> Graph:
    return {"id": identifier, "kind": "ai_agent", "config": {"system_prompt": prompt}}


def _agents(name: str, count: int) -> list[Graph]:
    return [_agent(f"{name}{each}") for each in range(count)]


def _in_a_row(first: str, name: str, count: int) -> list[tuple[str, str]]:
    return list(pairwise([first, *(f"{name}{each}" for each in range(count))]))
