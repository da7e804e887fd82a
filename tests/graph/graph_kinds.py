"""Kinds for tests of the language: as the contract lists them, with configurations of their own."""

from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from aistudio.graph.conditions import Branch
from aistudio.graph.kinds import KindSpec, PortsFrom


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TriggerConfig(Config):
    input: str = ""


class AgentConfig(Config):
    system_prompt: str = Field(min_length=1)
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, ge=1)


class DecisionConfig(Config):
    # With a length of its own, to see that `no_branches` is said once.
    branches: list[Branch] = Field(min_length=1)


class VisualizeConfig(Config):
    mode: Literal["auto", "markdown", "text"] = "auto"


class RequestConfig(Config):
    url: str
    headers: dict[str, str] = {}
    # A tuple and a union, as kinds may have them.
    accept: tuple[str, ...] = ()
    body: int | dict[str, JsonValue] | None = None


class TransformConfig(Config):
    template: str | None = None
    fields: dict[str, str] | None = None

    @model_validator(mode="after")
    def exactly_one(self) -> "TransformConfig":
        if (self.template is None) == (self.fields is None):
            raise ValueError("give either `template` or `fields`")
        return self


class ApprovalConfig(Config):
    message: str = ""


def spec(name: str, config: type[BaseModel], **more: Any) -> KindSpec:
    return KindSpec(
        name=name, title=name.title(), summary="", icon="circle", group="Data", config=config, **more
    )


KINDS = {
    kind.name: kind
    for kind in (
        spec("trigger", TriggerConfig, trigger=True),
        spec("ai_agent", AgentConfig, templates=("system_prompt",)),
        spec(
            "decision",
            DecisionConfig,
            ports=(),
            ports_from=PortsFrom(field="branches"),
            templates=("branches.*.conditions.*.left", "branches.*.conditions.*.right"),
            passes_output=False,
            port_key="branch",
        ),
        spec("visualize", VisualizeConfig),
        spec("http_request", RequestConfig, templates=("url", "headers.*", "body.**")),
        spec("transform", TransformConfig, templates=("template", "fields.*")),
        spec(
            "approval",
            ApprovalConfig,
            ports=("approved", "rejected"),
            templates=("message",),
            passes_output=False,
            port_key="decision",
            waits=True,
        ),
    )
}


def trigger(node_id: str = "start", **more: Any) -> dict[str, Any]:
    return {"id": node_id, "kind": "trigger", **more}


def agent(node_id: str, prompt: str = "Answer.", **more: Any) -> dict[str, Any]:
    return {"id": node_id, "kind": "ai_agent", "config": {"system_prompt": prompt}, **more}


def decision(node_id: str, *branches: str, **more: Any) -> dict[str, Any]:
    config = {"branches": [{"id": branch} for branch in branches]}
    return {"id": node_id, "kind": "decision", "config": config, **more}


def edge(source: str, target: str, port: str = "out", **more: Any) -> dict[str, Any]:
    return {"source": source, "source_port": port, "target": target, **more}


def graph(nodes: list[Any], edges: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"schema": 1, "nodes": nodes, "edges": edges or [], **more}


def chain(*nodes: dict[str, Any]) -> dict[str, Any]:
    return graph(list(nodes), [edge(a["id"], b["id"]) for a, b in pairwise(nodes)])
