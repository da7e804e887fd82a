"""Runs of small graphs whose nodes do as the test says, on PostgreSQL and a Temporal server."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from aistudio.engine.client import Engine
from aistudio.engine.http.client import HttpClient
from aistudio.engine.messages import Decision
from aistudio.engine.routes import run_task
from aistudio.engine.tools import Tools
from aistudio.engine.worker import build_worker
from aistudio.graph.definition import Workflow
from aistudio.graph.events import Event, EventType
from aistudio.graph.kinds import KindSpec, PortsFrom
from aistudio.llm.client import ModelClient
from aistudio.llm.search import WebSearch
from aistudio.nodes import registry
from aistudio.nodes.context import NodeContext, NodeKind, NodeResult
from aistudio.settings import Settings
from aistudio.store import events, executions, workflows
from aistudio.store.database import Database
from aistudio.store.hub import Hub
from aistudio.store.notices import CANCELS

OWNER = "somebody"

Act = Callable[[NodeContext], Awaitable[JsonValue]] | Exception | JsonValue


class Config(BaseModel):
    """Anything goes."""

    model_config = ConfigDict(extra="allow")


@dataclass
class Acts:
    """What the nodes of a run do, by id: one act per attempt, the last one for all that follow.

    An act is an output, an exception, or a coroutine function of the context that gives an output.
    """

    by_node: dict[str, list[Act]] = field(default_factory=dict)
    attempts: dict[str, list[int]] = field(default_factory=dict)
    running: int = 0
    most_running: int = 0

    def __setitem__(self, node_id: str, acts: list[Act]) -> None:
        self.by_node[node_id] = acts

    def forget(self) -> None:
        """As new."""
        self.by_node.clear()
        self.attempts.clear()
        self.most_running = 0

    def calls(self, node_id: str) -> int:
        """How often the node was called."""
        return len(self.attempts.get(node_id, []))

    async def run(self, config: Config, context: NodeContext) -> NodeResult:
        seen = self.attempts.setdefault(context.node_id, [])
        seen.append(context.attempt)
        acts = self.by_node.get(context.node_id, [{"text": context.node_id}])
        act = acts[min(len(seen), len(acts)) - 1]
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if isinstance(act, Exception):
                raise act
            output = await act(context) if callable(act) else act
        finally:
            self.running -= 1
        return NodeResult(output=output)


def kinds_for(acts: Acts) -> Mapping[str, NodeKind]:
    """The real kinds, and two that do as they are told: `step`, and `fork`, which chooses a branch."""
    step = KindSpec(
        name="step", title="Step", summary="", icon="", group="Data", config=Config, reads="ancestors"
    )
    fork = KindSpec(
        name="fork",
        title="Fork",
        summary="",
        icon="",
        group="Logic",
        config=Config,
        ports=(),
        ports_from=PortsFrom(field="branches"),
        reads="predecessors",
        passes_output=False,
        port_key="branch",
    )
    return {
        **registry.kinds(),
        "step": NodeKind(spec=step, run=acts.run),
        "fork": NodeKind(spec=fork, run=acts.run),
    }


def graph(*edges: str, **nodes: dict[str, Any] | str) -> dict[str, Any]:
    """A graph from edges such as `a>b` and `fork.left>b`.

    Nodes are steps, in order of appearance, unless named `t…` (triggers) or `f…` (forks);
    keywords add to a node's JSON, or make it an agent with this prompt.
    """
    wires = []
    ids: dict[str, None] = {}
    branches: dict[str, dict[str, None]] = {}
    for edge in edges:
        source, arrow, target = edge.partition(">")
        source, _, port = source.partition(".")
        ids[source] = None
        if port and port != "error":
            branches.setdefault(source, {})[port] = None
        if arrow:
            ids[target] = None
            wires.append({"source": source, "source_port": port or "out", "target": target})
    kinds = {"t": "trigger", "f": "fork"}
    made = []
    for node_id in ids:
        node: dict[str, Any] = {"id": node_id, "kind": kinds.get(node_id[0], "step")}
        if node["kind"] == "fork":
            node["config"] = {"branches": [{"id": name} for name in branches.get(node_id, {})]}
        more = nodes.get(node_id, {})
        if isinstance(more, str):
            more = {"kind": "ai_agent", "config": {"system_prompt": more}}
        made.append(node | more)
    return {"schema": 1, "nodes": made, "edges": wires}


ASK = 1
"""The place of `ask` among the nodes of what `asking` makes."""


def asking(*more: str, config: dict[str, Any] | None = None, **nodes: dict[str, Any]) -> dict[str, Any]:
    """A graph that asks a human, goes on to `yes` or `no`, and whatever else there is."""
    made = {"kind": "approval", "config": {"message": "Send {{trigger.input}}?", **(config or {})}}
    edges = ("t>ask", "ask.approved>yes", "ask.rejected>no", *more)
    return graph(*edges, ask=made | nodes.pop("ask", {}), **nodes)


@dataclass
class Studio:
    """Starts runs and reads how they went."""

    client: Client
    database: Database
    tools: Tools
    acts: Acts

    @property
    def engine(self) -> Engine:
        return Engine(self.client)

    async def write(self, raw: dict[str, Any], given: JsonValue = None) -> str:
        """A run's row, not yet handed to Temporal."""
        workflow = await workflows.create(self.database, OWNER, name="", graph=raw)
        execution_id, _ = await executions.create(
            self.database,
            OWNER,
            workflow_id=workflow.id,
            version=None,
            graph=raw,
            input=given,
            has_input=given is not None,
        )
        return execution_id

    async def start(self, raw: dict[str, Any], given: JsonValue = None) -> str:
        """Start a run; its id."""
        execution_id = await self.write(raw, given)
        await self.submit(execution_id, raw)
        return execution_id

    async def submit(self, execution_id: str, raw: dict[str, Any] | None = None) -> None:
        """Hand a run to Temporal."""
        if raw is None:
            run = await executions.load_snapshot(self.database, execution_id)
            assert run is not None
            assert isinstance(run.graph, dict)
            raw = run.graph
        workflow = Workflow.model_validate(raw)
        await self.engine.start(execution_id, run_task(execution_id, workflow, self.tools.specs))

    async def end(self, execution_id: str) -> list[Event]:
        """Wait for a run's end; its events."""
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(execution_id)
        with suppress(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 60)
        return await self.events(execution_id)

    async def run(self, raw: dict[str, Any], given: JsonValue = None) -> list[Event]:
        """Run a graph to its end; its events."""
        return await self.end(await self.start(raw, given))

    async def events(self, execution_id: str) -> list[Event]:
        """The run's events, which are gapless."""
        found = await events.read(self.database, execution_id, limit=None)
        assert [event.sequence for event in found] == list(range(1, len(found) + 1))
        return found

    async def until(self, execution_id: str, wanted: EventType, node_id: str | None = None) -> Event:
        """Wait for an event."""
        async with asyncio.timeout(30):
            while True:
                for event in await self.events(execution_id):
                    if event.type is wanted and event.node_id == node_id:
                        return event
                await asyncio.sleep(0.02)

    async def decide(self, execution_id: str, node: int, decision: Literal["approve", "reject"]) -> bool:
        """Decide about the node at this place among the run's nodes; whether it counted."""
        given = Decision(node=node, decision=decision, comment="As you like.", by="ada")
        return await self.engine.decide(execution_id, given)

    async def pass_time(self, hours: float) -> None:
        """Let time go by at once, on the server that can."""
        request = SleepRequest()
        request.duration.FromTimedelta(timedelta(hours=hours))
        await self.client.test_service.unlock_time_skipping_with_sleep(request)

    async def cancel(self, execution_id: str) -> None:
        """Cancel as the product does."""
        await executions.request_cancel(self.database, OWNER, execution_id)
        await self.engine.cancel(execution_id)


@asynccontextmanager
async def working(
    client: Client,
    database: Database,
    settings: Settings | None = None,
    search: WebSearch | None = None,
) -> AsyncIterator[Studio]:
    """A studio with a worker at work."""
    acts = Acts()
    settings = settings or Settings(_env_file=None)
    model = ModelClient(settings, offline_pace=0)
    cancels = Hub(database.url, CANCELS)
    tools = Tools(
        database=database,
        cancels=cancels,
        model=model,
        http=HttpClient(settings.http_node_allow_hosts),
        kinds=kinds_for(acts),
        global_variables=settings.global_variables,
        search=search,
    )
    async with build_worker(client, tools):
        yield Studio(client=client, database=database, tools=tools, acts=acts)
    await cancels.close()
    await model.aclose()


def told(found: list[Event]) -> list[str]:
    """Events as short words, such as `completed a` and `execution_completed`."""
    return [
        f"{event.type.removeprefix('node_')} {event.node_id}" if event.node_id else str(event.type)
        for event in found
    ]


def of(found: list[Event], wanted: EventType, node_id: str | None = None) -> list[Event]:
    """The events of one type, of one node."""
    return [event for event in found if event.type is wanted and event.node_id == node_id]


def unique() -> str:
    """An id that no other test uses."""
    return uuid.uuid4().hex
