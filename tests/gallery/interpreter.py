"""Runs a workflow in memory: the real scheduler, kinds and model client, but no server."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from pydantic import JsonValue

from aistudio.graph import references
from aistudio.graph.definition import Node, Workflow
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.lineage import absorbed_ports, live_ancestors, live_predecessors
from aistudio.graph.scheduler import Scheduler, Step, plan
from aistudio.llm.client import ModelClient
from aistudio.nodes.context import Answer, HttpAnswer, HttpRequest, ModelAnswer, ModelRequest, Upstream
from aistudio.nodes.registry import kinds, specs


@dataclass
class Run:
    """What a run leaves behind."""

    outputs: dict[str, JsonValue] = field(default_factory=dict)
    live_ports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)
    """What each node that waited wanted to know."""
    started_with: dict[str, set[str]] = field(default_factory=dict)
    """For each node, the nodes that had completed when it started."""


@dataclass(frozen=True)
class MemoryContext:
    """A `NodeContext` over a run in memory."""

    workflow: Workflow
    node: Node
    run: Run
    model: ModelClient
    run_input: dict[str, JsonValue] | None
    answer: Answer | None = None
    attempt: int = 1

    @property
    def node_id(self) -> str:
        return self.node.id

    @property
    def scope(self) -> Mapping[str, JsonValue]:
        return {
            "nodes": self.run.outputs,
            "trigger": self.run_input or {},
            "variables": self.workflow.variables,
            "global": {},
        }

    def resolve(self, template: str) -> str:
        return references.resolve(template, self.scope)

    def ancestors(self) -> Sequence[Upstream]:
        found = live_ancestors(self.workflow, self.node.id, self.run.live_ports)
        return [node for node in self._upstream(found) if specs()[node.kind].passes_output]

    def predecessors(self) -> Sequence[Upstream]:
        return self._upstream(live_predecessors(self.workflow, self.node.id, self.run.live_ports))

    @property
    def can_search(self) -> bool:
        return False

    async def send_http(self, request: HttpRequest) -> HttpAnswer:
        """There is no network."""
        raise NodeError(ErrorCode.HTTP_STATUS, f"There is no connection to {request.url}.", retryable=True)

    async def emit(self, text: str) -> None:
        """Nobody watches."""

    async def call_model(
        self, request: ModelRequest, on_text: Callable[[str], Awaitable[None]]
    ) -> ModelAnswer:
        done = await self.model.complete(
            system=request.system,
            user=request.user,
            model=request.model,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            schema=request.schema,
            on_text=on_text,
        )
        return ModelAnswer(
            text=done.text,
            model=done.model,
            input_tokens=done.input_tokens,
            output_tokens=done.output_tokens,
            cost_usd=done.cost_usd,
            first_token_ms=done.first_token_ms,
            simulated=done.simulated,
        )

    def _upstream(self, node_ids: Sequence[str]) -> list[Upstream]:
        nodes = {node.id: node for node in self.workflow.nodes}
        return [
            Upstream(
                node_id=node_id,
                title=nodes[node_id].title,
                kind=nodes[node_id].kind,
                output=self.run.outputs[node_id],
            )
            for node_id in node_ids
        ]


async def interpret(
    workflow: Workflow,
    text: str | None,
    model: ModelClient,
    *,
    decision: Literal["approve", "reject"] = "approve",
    given: Mapping[str, JsonValue] = MappingProxyType({}),
) -> Run:
    """Run the workflow to its end; a node that fails and may not fails the test.

    Args:
        decision: what a human answers to every node that waits.
        given: outputs of nodes that are not run.
    """
    nodes = {node.id: node for node in workflow.nodes}
    run = Run()
    run_input: dict[str, JsonValue] | None = None if text is None else {"input": text}
    scheduler = Scheduler(plan(workflow, specs()))

    async def perform(node_id: str) -> str:
        node = nodes[node_id]
        kind = kinds()[node.kind]
        run.started_with[node_id] = set(run.outputs)
        answer = Answer(decision=decision, comment="As agreed on the phone.", by="ada")
        context = MemoryContext(workflow, node, run, model, run_input, answer)
        config = kind.spec.config.model_validate(node.config)
        try:
            if kind.ask is not None:
                run.asked[node_id] = (await kind.ask(config, context)).message
            output = given[node_id] if node_id in given else (await kind.run(config, context)).output
            run.live_ports[node_id] = kind.spec.live_ports(node.config, output)
        except NodeError as error:
            if node.on_error == "fail":
                raise
            output = {"error": {"code": str(error.code), "message": error.message}}
            run.live_ports[node_id] = absorbed_ports(node, kind.spec)
        run.outputs[node_id] = output
        return node_id

    running: set[asyncio.Task[str]] = set()

    def follow(step: Step) -> None:
        run.skipped |= {skip.node_id for skip in step.skipped}
        running.update(asyncio.create_task(perform(node_id)) for node_id in step.ready)

    follow(scheduler.start())
    while running:
        ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running -= ended
        for task in ended:
            follow(scheduler.settle(task.result(), run.live_ports[task.result()]))
    return run
