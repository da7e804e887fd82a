"""What every attempt at a node works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from aistudio.engine.http.client import HttpClient
from aistudio.graph.kinds import Kinds
from aistudio.llm.client import ModelClient
from aistudio.llm.search import WebSearch
from aistudio.nodes.context import NodeKind
from aistudio.store.database import Database
from aistudio.store.hub import Hub


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a worker works with; `cancels` is where it hears of runs to stop, `search` null without a key."""

    database: Database
    cancels: Hub
    model: ModelClient
    http: HttpClient
    kinds: Mapping[str, NodeKind]
    global_variables: Mapping[str, JsonValue]
    search: WebSearch | None = None

    @cached_property
    def specs(self) -> Kinds:
        """What the kinds are, without what they do."""
        return {name: kind.spec for name, kind in self.kinds.items()}
