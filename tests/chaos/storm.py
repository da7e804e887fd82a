"""Runs for a storm: twelve nodes whose model calls fail at random, and what has to come out of each."""

import random
from dataclasses import dataclass, field
from typing import Any

AGENTS = ("a", "b", "left", "right", "join", "one", "two", "three", "sum")
# What a model call may meet before it works; see tests/support/model_server.py.
PASSING = (
    "[[status:503 times=1]]",
    "[[status:429 retry_after=1 times=1]]",
    "[[status:500 times=2]]",
    "[[drop times=1]]",
    "[[drop:0 times=2]]",
    "[[cut times=1]]",
    "[[error:502 times=1]]",
    "[[hang times=1]]",
)
FAILURE_RATE = 0.25
TIMEOUT_SECONDS = 6

# What each agent answers, from what the ones above it did.
ANSWERS = {
    "a": "a of run {{trigger.number}}",
    "b": "b of run {{trigger.number}}",
    "left": "left of {{nodes.a.response}}",
    "right": "right of {{nodes.a.response}}",
    "join": "{{nodes.left.response?}}{{nodes.right.response?}} and {{nodes.b.response}}",
    "one": "one of {{nodes.join.response}}",
    "two": "two of {{nodes.join.response}}",
    "three": "three of {{nodes.join.response}}",
    "sum": "{{nodes.one.response}}, {{nodes.two.response | default:'nothing'}}, {{nodes.three.response}}",
}


def graph() -> dict[str, Any]:
    """A diamond behind a decision, then a fan-out whose second arm may fail, a join, and a view."""
    nodes: list[dict[str, Any]] = [{"id": "start", "kind": "trigger"}]
    for name, answer in ANSWERS.items():
        prompt = f"Node {name} of run {{{{trigger.number}}}}. {{{{trigger.{name}?}}}}[[text:{answer}]]"
        nodes.append(
            {
                "id": name,
                "kind": "ai_agent",
                "config": {"system_prompt": prompt},
                "retry": {"max_attempts": 5},
                "timeout_seconds": TIMEOUT_SECONDS,
                "on_error": "continue" if name == "two" else "fail",
            }
        )
    condition = {"left": "{{trigger.way}}", "operator": "equals", "right": "left"}
    branches = [{"id": "left", "conditions": [condition]}, {"id": "right", "conditions": []}]
    nodes.append({"id": "way", "kind": "decision", "config": {"branches": branches}})
    nodes.append({"id": "show", "kind": "visualize", "config": {"mode": "text"}})
    wires = [
        *("start>a", "start>b", "a>way", "way.left>left", "way.right>right", "left>join", "right>join"),
        *("b>join", "join>one", "join>two", "join>three", "one>sum", "two>sum", "three>sum", "sum>show"),
    ]
    return {"schema": 1, "name": "Storm", "nodes": nodes, "edges": [edge(wire) for wire in wires]}


def edge(wire: str) -> dict[str, str]:
    """An edge from `a>b` or `a.port>b`."""
    source, _, target = wire.partition(">")
    node, _, port = source.partition(".")
    return {"source": node, "source_port": port or "out", "target": target}


@dataclass
class Run:
    """One run: what goes in, and what must come out.

    Attributes:
        delay: seconds after the storm's beginning at which it is started.
        input: with what fails on the way, by node.
    """

    number: int
    delay: float
    input: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def draw(cls, number: int, chance: random.Random, longest_delay: float) -> "Run":
        """A run whose calls fail as chance has it."""
        given: dict[str, Any] = {"number": number, "way": chance.choice(["left", "right"])}
        for name in AGENTS:
            if chance.random() < FAILURE_RATE:
                given[name] = chance.choice(PASSING)
        if chance.random() < FAILURE_RATE:
            given["two"] = "[[status:400]]"
        return cls(number=number, delay=chance.uniform(0, longest_delay), input=given)

    @property
    def outcomes(self) -> dict[str, str]:
        """The status of every node in the end."""
        statuses = dict.fromkeys(["start", "way", "show", *AGENTS], "completed")
        statuses["right" if self.input["way"] == "left" else "left"] = "skipped"
        if self._fails:
            statuses["two"] = "failed"
        return statuses

    @property
    def answer(self) -> str:
        """What the last node shows."""
        joined = f"{self.input['way']} of a of run {self.number} and b of run {self.number}"
        two = "nothing" if self._fails else f"two of {joined}"
        return f"one of {joined}, {two}, three of {joined}"

    @property
    def _fails(self) -> bool:
        return self.input.get("two") == "[[status:400]]"
