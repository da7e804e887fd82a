"""AI Agent: asks a model, with everything that happened above it as the question."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.kinds import KindSpec
from aistudio.nodes import search
from aistudio.nodes.context import ModelRequest, NodeContext, NodeKind, NodeResult, Upstream
from aistudio.nodes.conversation import Conversation
from aistudio.nodes.schemas import BadSchema, Misfit, OutputSchema
from aistudio.nodes.upstream import text_of

CORRECTION = "Answer again with the corrected JSON object and with nothing else."


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
        description="Lets the agent look things up on the web; needs `TAVILY_API_KEY`.",
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
        description="JSON Schema of an object that the agent answers with, as `data`; empty: plain text.",
        json_schema_extra={"x-control": "json-schema"},
    )

    @field_validator("system_prompt")
    @classmethod
    def says_something(cls, prompt: str) -> str:
        if not prompt.strip():
            raise PydanticCustomError("blank", "Write what the agent should do.")
        return prompt

    @field_validator("output_schema")
    @classmethod
    def can_be_kept_to(cls, schema: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if schema is not None:
            try:
                OutputSchema(schema)
            except BadSchema as error:
                raise PydanticCustomError("bad_schema", "{cause}", {"cause": str(error)}) from None
        return schema


def user_message(ancestors: Sequence[Upstream]) -> str:
    """What the agent is asked: one section for each node above it, in the order given."""
    return "\n\n".join(f"## {node.title or node.node_id}\n{text_of(node.output)}" for node in ancestors)


async def run(config: AgentConfig, context: NodeContext) -> NodeResult:
    """Output the model's answer as `response`; an empty answer is an answer.

    The system prompt is the instruction. The question is everything that completed above this node:
    its title as a heading, and its text (or else its JSON), without decisions.

    With `web_search` the model may look things up, at most five times an attempt. A search that fails is
    told to the model, and the run goes on; without a key there is no search at all. What was looked up
    is in the event `node_completed` as `searches`; what Tavily charges is not in `cost_usd`. Words that
    only lead to a search ("let me look that up") are not part of the response.

    With `output_schema` there is also `data`, an object that fits it; its fields are references, such
    as `{{nodes.some_id.data.field}}`. `response` is the same as the model wrote it, and is shown once it
    fits. An answer that does not fit goes back to the model once, with the reason; if the next one does
    not fit either, the node fails with `schema_mismatch` and the place. The schema is of draft 6 or
    newer, has an object at the top, and refers to nothing but its own parts, which may not lead back to
    themselves. Its patterns have no look-around and no back-references; formats such as `date` count.
    """
    schema = OutputSchema(config.output_schema) if config.output_schema is not None else None
    searching = config.web_search and context.can_search
    system = [context.resolve(config.system_prompt)]
    if searching:
        system.append(search.INSTRUCTION)
    if schema is not None:
        system.append(schema.instruction())
    conversation = Conversation(
        context,
        ModelRequest(
            system="\n\n".join(system),
            user=user_message(context.ancestors()),
            model=config.model,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
            tools=(search.TOOL,) if searching else (),
            schema=schema.schema if schema is not None else None,
        ),
    )
    answer = await conversation.answer()
    made = {} if schema is None else {"data": await _data(answer, schema, conversation)}
    output: JsonValue = {"response": await conversation.draft.release(), **made}
    return NodeResult(output=output, details=conversation.details())


async def _data(answer: str, schema: OutputSchema, conversation: Conversation) -> dict[str, JsonValue]:
    """The object the answer holds, corrected once when it does not fit."""
    try:
        return schema.read(answer)
    except Misfit as misfit:
        complaint = f"This does not fit the JSON Schema:\n{misfit}\n{CORRECTION}"
    try:
        return schema.read(await conversation.correct(complaint))
    except Misfit as misfit:
        where = str(misfit).replace("\n", " ")
        raise NodeError(
            ErrorCode.SCHEMA_MISMATCH,
            f"The answer does not fit the output schema, nor did the one before it. {where} "
            "Say in the system prompt what is wanted there, or allow more in the schema.",
        ) from None


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
        reads="ancestors",
    ),
    run=run,
)
