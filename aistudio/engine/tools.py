"""What every attempt at a node works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from aistudio.engine.http.client import HttpClient
from aistudio.graph.kinds import Kinds
from aistudio.llm.client import ModelClient
from aistudio.nodes.context import NodeKind
from aistudio.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Tools:
    """A worker's database, model, HTTP client, kinds and global variables."""

    database: Database
    model: ModelClient
    http: HttpClient
    kinds: Mapping[str, NodeKind]
    global_variables: Mapping[str, JsonValue]

    @cached_property
    def specs(self) -> Kinds:
        """What the kinds are, without what they do."""
        return {name: kind.spec for name, kind in self.kinds.items()}
