"""What every attempt at a node works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from aistudio.graph.kinds import Kinds
from aistudio.llm.client import ModelClient
from aistudio.llm.search import WebSearch
from aistudio.nodes.context import NodeKind
from aistudio.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Tools:
    """A worker's database, model, kinds, global variables, and web search when there is one."""

    database: Database
    model: ModelClient
    kinds: Mapping[str, NodeKind]
    global_variables: Mapping[str, JsonValue]
    search: WebSearch | None = None

    @cached_property
    def specs(self) -> Kinds:
        """What the kinds are, without what they do."""
        return {name: kind.spec for name, kind in self.kinds.items()}
