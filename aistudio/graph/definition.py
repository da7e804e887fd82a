"""The workflow document: nodes, edges, and what stands around them (contract, section 1)."""

import unicodedata
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator


class Part(BaseModel):
    """A piece of the document; a key it does not know is an error, never dropped."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Position(Part):
    """Where a node stands on the canvas, in pixels."""

    x: float = 0
    y: float = 0


class Retry(Part):
    """How often a node may be tried in all."""

    max_attempts: int = Field(default=3, ge=1, le=100)


class Node(Part):
    """One step. Its `config` is checked by its kind's own model."""

    id: str = Field(min_length=1, max_length=200)
    kind: str
    title: str = ""
    description: str = ""
    position: Position = Position()
    config: dict[str, JsonValue] = {}
    on_error: Literal["fail", "continue", "route"] = "fail"
    retry: Retry = Retry()
    timeout_seconds: float = Field(default=600, gt=0, le=604_800)
    pinned_output: JsonValue = None

    @field_validator("id")
    @classmethod
    def _fits_into_a_path(cls, node_id: str) -> str:
        # An id is a segment of its output's path: clients resolve dot segments even when they are
        # percent-encoded, and servers refuse control characters.
        if node_id in (".", ".."):
            raise ValueError(f"`{node_id}` stands for a place in a path and cannot be a name")
        if any(unicodedata.category(character) == "Cc" for character in node_id):
            raise ValueError("a name has no line breaks, tabs or other control characters")
        return node_id


class Edge(Part):
    """A wire from one node's out port to another node's `in`."""

    id: str | None = None
    source: str
    source_port: str = "out"
    target: str
    target_port: Literal["in"] = "in"


class Workflow(Part):
    """A whole workflow. `schema` is the document format's version."""

    schema_version: int = Field(default=1, alias="schema", ge=1, le=1)
    name: str = ""
    description: str = ""
    variables: dict[str, JsonValue] = {}
    nodes: list[Node] = []
    edges: list[Edge] = []
