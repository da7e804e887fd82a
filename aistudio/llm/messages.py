"""A conversation after its first question, in OpenAI's words."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall
from openai.types.shared_params import ResponseFormatJSONSchema

Message: TypeAlias = ChatCompletionMessageParam


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A tool the model wants used; `arguments` is what it wrote as JSON, which need not be any."""

    id: str
    name: str
    arguments: str


@dataclass
class ToolCalls:
    """Tool calls put together from the pieces in which they stream."""

    _parts: list[tuple[int | None, dict[str, str]]] = field(default_factory=list)

    def add(self, piece: ChoiceDeltaToolCall) -> None:
        """Take the next piece, which says by its index which call it belongs to.

        Some endpoints give every call the same index, or none: there a new id begins a new call.
        """
        given, function = piece.id or "", piece.function
        known = next((part for index, part in reversed(self._parts) if index == piece.index), None)
        if known is None or (given and known["id"] not in ("", given)):
            known = {"id": "", "name": "", "arguments": ""}
            self._parts.append((piece.index, known))
        known["id"] = known["id"] or given
        if function is not None:
            known["name"] += function.name or ""
            known["arguments"] += function.arguments or ""

    def whole(self) -> tuple[ToolCall, ...]:
        """All calls, in the order they began."""
        return tuple(
            ToolCall(
                id=part["id"] or f"call_{number}",
                name=part["name"],
                arguments=encodable(part["arguments"]),
            )
            for number, (_, part) in enumerate(self._parts)
        )


def tool(name: str, description: str, parameters: Mapping[str, Any]) -> ChatCompletionToolParam:
    """A tool the model may call; `parameters` is a JSON Schema."""
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": dict(parameters)},
    }


def fitting(schema: Mapping[str, Any]) -> ResponseFormatJSONSchema:
    """The response format that asks for JSON of this schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}


def asked(text: str) -> Message:
    """What the user said."""
    return {"role": "user", "content": encodable(text)}


def answered(text: str, calls: Iterable[ToolCall] = ()) -> Message:
    """What the model said, and the tools it called."""
    message: ChatCompletionAssistantMessageParam = {"role": "assistant"}
    used = [*calls]
    if used:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _as_object(call.arguments)},
            }
            for call in used
        ]
    if text or not used:
        # Some endpoints refuse a message that says nothing at all.
        message["content"] = encodable(text) or "(nothing)"
    return message


def result(call_id: str, text: str) -> Message:
    """What a tool gave back."""
    return {"role": "tool", "tool_call_id": call_id, "content": encodable(text)}


def encodable(text: str) -> str:
    """The text without half characters, which JSON can express and nothing else can carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _as_object(arguments: str) -> str:
    """The arguments, or an empty object for what some endpoints would refuse to read back."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"
