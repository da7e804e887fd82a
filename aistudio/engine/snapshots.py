"""A run's graph and input as they were when it was started, kept at hand while it runs."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from aistudio.engine.routes import may_wait, ports
from aistudio.graph.definition import Node, Workflow
from aistudio.graph.kinds import Kinds
from aistudio.graph.projection import project
from aistudio.store import executions
from aistudio.store.database import Database
from aistudio.store.events import StatusOf

KEPT = 16


class RunNotFound(Exception):
    """PostgreSQL has no such run."""


@dataclass(frozen=True)
class Snapshot:
    """What a run never changes."""

    workflow: Workflow
    run_input: dict[str, JsonValue] | None

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes by id."""
        return {node.id: node for node in self.workflow.nodes}

    @cached_property
    def ports(self) -> dict[str, list[str]]:
        """See `routes.ports`."""
        return ports(self.workflow)

    def status_of(self, kinds: Kinds) -> StatusOf | None:
        """How to tell this run's status from its events; null when none of its nodes can wait."""
        if not may_wait(self.workflow, kinds):
            return None
        return lambda told: project(self.workflow, kinds, told).status

    @cached_property
    def sources(self) -> dict[str, set[str]]:
        """For every node id, those with an edge to it."""
        sources: dict[str, set[str]] = {node.id: set() for node in self.workflow.nodes}
        for edge in self.workflow.edges:
            sources[edge.target].add(edge.source)
        return sources

    def ancestors(self, node_id: str) -> set[str]:
        """The ids of all nodes upstream of this one, on live paths or not."""
        found: set[str] = set()
        pending = [node_id]
        while pending:
            for source in self.sources[pending.pop()]:
                if source not in found:
                    found.add(source)
                    pending.append(source)
        return found


class Snapshots:
    """The snapshots of the runs that this process worked on last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()

    async def get(self, execution_id: str) -> Snapshot:
        """The run's snapshot.

        Raises:
            RunNotFound: it was deleted.
        """
        snapshot = self._kept.get(execution_id)
        if snapshot is None:
            snapshot = await self._load(execution_id)
        self._kept[execution_id] = snapshot
        self._kept.move_to_end(execution_id)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return snapshot

    async def _load(self, execution_id: str) -> Snapshot:
        execution = await executions.load_snapshot(self._database, execution_id)
        if execution is None:
            raise RunNotFound(execution_id)
        given = execution.input if execution.has_input else None
        return Snapshot(
            workflow=Workflow.model_validate(execution.graph),
            run_input=given if isinstance(given, dict) or given is None else {"input": given},
        )
