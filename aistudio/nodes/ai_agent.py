"""AI Agent: asks a model, with everything that happened above it as the question."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from aistudio.graph.kinds import KindSpec
from aistudio.nodes.context import ModelRequest, NodeContext, NodeKind, NodeResult, Upstream
from aistudio.nodes.upstream import text_of


class AgentConfig(BaseModel):
    """What an agent can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="AI Agent")

    system_prompt: str = Field(
        min_length=1,
        title="System prompt",
        description="What the agent should do. Everything above the node is its question.",
        json_schema_extra={"x-control": "template"},
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        title="Model",
        description="The model that answers; empty: the studio's default model.",
        json_schema_extra={"x-control": "model"},
    )
    web_search: bool = Field(
        default=False,
        title="Web search",
        description="Lets the agent look things up on the web; not in use yet.",
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        title="Temperature",
        description="0 answers soberly, 2 wildly; empty: the model's own.",
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        title="Longest answer",
        description="The most tokens an answer may have; empty: the model's own limit.",
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None,
        title="Output schema",
        description="A JSON Schema for a structured answer; not in use yet.",
        json_schema_extra={"x-control": "json-schema"},
    )

    @field_validator("system_prompt")
    @classmethod
    def says_something(cls, prompt: str) -> str:
        if not prompt.strip():
            raise PydanticCustomError("blank", "Write what the agent should do.")
        return prompt


def user_message(ancestors: Sequence[Upstream]) -> str:
    """What the agent is asked: one section for each node above it, in the order given."""
    return "\n\n".join(f"## {node.title or node.node_id}\n{text_of(node.output)}" for node in ancestors)


async def run(config: AgentConfig, context: NodeContext) -> NodeResult:
    """Output the model's answer as `response`; an empty answer is an answer.

    The system prompt is the instruction. The question is everything that completed above this node:
    its title as a heading, and its text (or else its JSON), without decisions.
    """
    answer = await context.call_model(
        ModelRequest(
            system=context.resolve(config.system_prompt),
            user=user_message(context.ancestors()),
            model=config.model,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
        )
    )
    details: dict[str, Any] = {
        "model": answer.model,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cost_usd": answer.cost_usd,
        "first_token_ms": answer.first_token_ms,
    }
    if answer.simulated:
        details["simulated"] = True
    return NodeResult(output={"response": answer.text}, details=details)


KIND = NodeKind(
    spec=KindSpec(
        name="ai_agent",
        title="AI Agent",
        summary="Asks a model to write, judge or classify.",
        icon="bot",
        group="AI",
        config=AgentConfig,
        headline="system_prompt",
        starter={"system_prompt": "Answer in a few clear sentences."},
        templates=("system_prompt",),
    ),
    run=run,
)
