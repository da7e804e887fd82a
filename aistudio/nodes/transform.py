"""Transform: writes a text or an object from what is known, without asking anybody."""

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from aistudio.graph.kinds import KindSpec
from aistudio.graph.references import Room, resolve_value
from aistudio.nodes.context import NodeContext, NodeKind, NodeResult


class TransformConfig(BaseModel):
    """What a transformation can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Transform")

    template: str | None = Field(
        default=None,
        title="Template",
        description="A text to write. Give either this or fields.",
        json_schema_extra={"x-control": "template"},
    )
    fields: dict[str, str] | None = Field(
        default=None,
        validate_default=True,
        title="Fields",
        description="An object to make: each field a reference, which keeps its JSON type, or a text.",
        json_schema_extra={"x-control": "template-pairs"},
    )

    @field_validator("fields")
    @classmethod
    def is_the_only_one(cls, fields: dict[str, str] | None, info: ValidationInfo) -> dict[str, str] | None:
        # A template that is wrong in itself is not there, and is said already.
        if "template" in info.data and (info.data["template"] is None) == (fields is None):
            wanted = (
                "Give a template or fields." if fields is None else "Give a template or fields, not both."
            )
            raise PydanticCustomError("one_of_two", "{wanted}", {"wanted": wanted})
        return fields


async def run(config: TransformConfig, context: NodeContext) -> NodeResult:
    """Output the text as `text`, or the fields as they are.

    A field that is exactly one reference keeps the JSON type of its value; any other is a text.
    """
    if config.fields is None:
        return NodeResult(output={"text": context.resolve(config.template or "")})
    room = Room()
    return NodeResult(
        output={name: resolve_value(text, context.scope, room) for name, text in config.fields.items()}
    )


KIND = NodeKind(
    spec=KindSpec(
        name="transform",
        title="Transform",
        summary="Writes a text or an object from what came before.",
        icon="shuffle",
        group="Data",
        config=TransformConfig,
        headline="template",
        starter={"template": "{{trigger.input}}"},
        templates=("template", "fields.*"),
    ),
    run=run,
)
