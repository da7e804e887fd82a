"""Trigger: where a run starts, and the sample it starts with when nobody gives an input."""

from pydantic import BaseModel, ConfigDict, Field

from aistudio.graph.kinds import KindSpec
from aistudio.nodes.context import NodeContext, NodeKind, NodeResult


class TriggerConfig(BaseModel):
    """What a trigger can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Trigger")

    input: str = Field(
        default="",
        title="Sample input",
        description="The text a run starts with when it is given no input of its own.",
        json_schema_extra={"x-control": "text"},
    )


async def run(config: TriggerConfig, context: NodeContext) -> NodeResult:
    """Output the run's input, or the sample when the run was started without one.

    A text becomes `{"input": text}`; an object stays as it is.
    """
    given = context.run_input
    return NodeResult(output={"input": config.input} if given is None else given)


KIND = NodeKind(
    spec=KindSpec(
        name="trigger",
        title="Trigger",
        summary="Starts the run with a text or an object.",
        icon="play",
        group="Trigger",
        config=TriggerConfig,
        headline="input",
        trigger=True,
    ),
    run=run,
)
