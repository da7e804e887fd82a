"""Reading raw JSON with pydantic models, strictly and without giving up at the first mistake."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)


class Refusal(NamedTuple):
    """One thing a model refuses.

    Attributes:
        type: pydantic's name for this sort of mistake.
        inside: where, from the value that was read.
        message: a sentence for people.
        value: what stands there; for a missing key, what it is missing from.
    """

    type: str
    inside: tuple[str | int, ...]
    message: str
    value: JsonValue


def read(model: type[M], text: str) -> M:
    """The model read from JSON text, without any conversion.

    Raises:
        pydantic.ValidationError: the text does not fit.
    """
    # From text, not from Python values: only there strict mode knows that a JSON list may fill a tuple.
    return model.model_validate_json(text, strict=True, by_alias=True, by_name=False)


def refusals(error: ValidationError, raw: JsonValue) -> list[Refusal]:
    """Everything a model refused about the value it was to be read from."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [_explained(detail, raw) for detail in details]


def children(value: JsonValue) -> Iterable[tuple[str | int, JsonValue]]:
    """The members of an object or a list with their keys or indexes; nothing for other values."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def members(raw: dict[str, JsonValue], name: str) -> list[JsonValue]:
    """The list under a key, or an empty one when there is no list."""
    value = raw.get(name)
    return value if isinstance(value, list) else []


def _explained(detail: ErrorDetails, raw: JsonValue) -> Refusal:
    inside: list[str | int] = []
    value = raw
    for segment in detail["loc"]:
        # A segment that leads nowhere is a missing key, or pydantic's name for a member of a union.
        match value, segment:
            case dict(), str() if segment in value:
                value = value[segment]
            case list(), int() if segment < len(value):
                value = value[segment]
            case _ if detail["type"] != "missing":
                continue
        inside.append(segment)
    name = f"`{inside[-1]}`" if inside and isinstance(inside[-1], str) else "This"
    match detail["type"]:
        case "missing":
            message = f"{name} is required."
        case "extra_forbidden":
            message = f"{name} is not known here."
        case _:
            message = f"{name}: {detail['msg'].removeprefix('Value error, ')}"
    return Refusal(detail["type"], tuple(inside), message, value)
