"""HTTP Request: calls a web service and outputs what it answers."""

import asyncio
import codecs
import re
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.kinds import KindSpec
from aistudio.graph.references import Room, as_text, resolve_value, shortened
from aistudio.nodes import json_text
from aistudio.nodes.context import HttpAnswer, HttpRequest, Method, NodeContext, NodeKind, NodeResult

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# About the connection, or worked out from the request: a wrong word here confuses one server about another.
_RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_RETRYABLE = frozenset({408, 429})
# Codecs of Python that are no charset, or take for ever.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})
_EXCERPT = 300


class HttpRequestConfig(BaseModel):
    """What a request can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="HTTP Request")

    method: Method = Field(
        default="GET",
        title="Method",
        description="What to do. A POST or PATCH that has left is never sent again.",
    )
    url: str = Field(
        min_length=1,
        title="URL",
        description="An address on the public internet that begins with http:// or https://.",
        json_schema_extra={"x-control": "template-line"},
    )
    headers: dict[str, str] = Field(
        default={},
        title="Headers",
        description="Sent along; those about the connection itself, such as Host, cannot be set.",
        json_schema_extra={"x-control": "template-pairs"},
    )
    query: dict[str, str] = Field(
        default={},
        title="Query",
        description="Added to the URL behind its question mark.",
        json_schema_extra={"x-control": "template-pairs"},
    )
    body: str | dict[str, JsonValue] | list[JsonValue] | None = Field(
        default=None,
        title="Body",
        description=(
            "A text is sent as it is, an object or list as JSON. "
            "In JSON a text that is exactly one reference keeps its JSON type."
        ),
        json_schema_extra={"x-control": "template-json"},
    )

    @field_validator("url")
    @classmethod
    def leads_somewhere(cls, url: str) -> str:
        if not url.strip():
            raise PydanticCustomError("blank", "Write the address to call.")
        return url

    @field_validator("body", mode="before")
    @classmethod
    def can_be_sent(cls, body: object) -> object:
        # Else each of the types would say for itself what it is not.
        if body is not None and not isinstance(body, str | dict | list):
            raise PydanticCustomError("body", "Write a text, an object or a list.")
        return body

    @field_validator("headers")
    @classmethod
    def names_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if not _NAME.fullmatch(name):
                raise PydanticCustomError(
                    "header", "{name} is no name of a header.", {"name": shortened(name) or "Nothing"}
                )
            if name.lower() in _RESERVED:
                raise PydanticCustomError(
                    "header", "The header {name} is set by the studio itself. Remove it.", {"name": name}
                )
        return headers


async def run(config: HttpRequestConfig, context: NodeContext) -> NodeResult:
    """Output the answer's `status`, `headers` (names in lower case) and `body`.

    The body is JSON when the answer says that it is JSON, else text. A body that is sent gets a
    `Content-Type` unless the headers name one: `application/json` for JSON, also for a text that is a
    JSON object or list, else `text/plain`.

    A status from 400 on fails the node with `http_status`, and so does a server that cannot be
    reached, breaks off or answers with something that is not HTTP. 408, 429 and 5xx are tried again
    (when `Retry-After` says, if it does), and so are failed connections. A POST or PATCH that has
    left is never sent again, not even when its worker was lost: then the node fails, because nobody
    knows whether it arrived.

    Up to 5 redirects are followed, and none carries more than harmless headers to another origin.
    Bodies have up to 8 MiB, else `output_too_large`. Only http and https to the public internet, else
    `blocked_address`: whoever runs the studio can open other hosts with `HTTP_NODE_ALLOW_HOSTS`.
    """
    body = _filled(config.body, context.scope, Room())
    headers = {name: _header(name, context.resolve(value)) for name, value in config.headers.items()}
    if body is not None and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = _content_type(body)
    answer = await context.send_http(
        HttpRequest(
            method=config.method,
            url=context.resolve(config.url).strip(),
            query={name: context.resolve(value) for name, value in config.query.items()},
            headers=headers,
            content=None if body is None else as_text(body).encode("utf-8", "replace"),
        )
    )
    if answer.status >= 400:
        raise _refused(answer)
    # Megabytes take a while, and the loop has other nodes to serve.
    read = await asyncio.to_thread(_read, answer)
    return NodeResult(output={"status": answer.status, "headers": dict(answer.headers), "body": read})


def _filled(value: JsonValue, scope: Mapping[str, JsonValue], room: Room) -> JsonValue:
    """The value with the references in all of its texts replaced."""
    if isinstance(value, str):
        return resolve_value(value, scope, room)
    if isinstance(value, dict):
        return {key: _filled(item, scope, room) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, scope, room) for item in value]
    return value


def _header(name: str, value: str) -> str:
    value = value.strip(" \t")
    if _VALUE.fullmatch(value) is None:
        raise NodeError(
            ErrorCode.HTTP_STATUS,
            f"The header {name} would hold a line break or a character that no header can carry. Correct it.",
        )
    return value


def _content_type(body: JsonValue) -> str:
    if isinstance(body, str):
        try:
            body = json_text.parse(body)
        except ValueError:
            body = None
    return "application/json" if isinstance(body, dict | list) else "text/plain; charset=utf-8"


def _refused(answer: HttpAnswer) -> NodeError:
    try:
        phrase = f" {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = ""
    said = " ".join(_text(answer).split())
    if len(said) > _EXCERPT:
        said = said[: _EXCERPT - 1] + "…"
    again = answer.status in _RETRYABLE or answer.status >= 500
    return NodeError(
        ErrorCode.HTTP_STATUS,
        f"{answer.host} answered {answer.status}{phrase}. "
        + ("Try again later." if again else "Check the request.")
        + (f" It says: {said}" if said and not said.startswith("<") else ""),
        retryable=again,
        retry_after=answer.retry_after,
    )


def _read(answer: HttpAnswer) -> JsonValue:
    """The answer's body: JSON when it says so and is right, else text."""
    text = _text(answer)
    kind = _content_header(answer).get_content_type()
    if kind.endswith(("/json", "+json")):
        try:
            return json_text.parse(text)
        except ValueError:
            return text
    return text


def _text(answer: HttpAnswer) -> str:
    charset = _content_header(answer).get_content_charset("utf-8")
    try:
        codec = codecs.lookup(charset).name
        if codec not in _NO_CHARSETS:
            return answer.content.decode("utf-8-sig" if codec == "utf-8" else codec, "replace")
    except (LookupError, ValueError):
        pass
    return answer.content.decode("utf-8-sig", "replace")


def _content_header(answer: HttpAnswer) -> Message:
    message = Message()
    message["content-type"] = answer.headers.get("content-type", "")
    return message


KIND = NodeKind(
    spec=KindSpec(
        name="http_request",
        title="HTTP Request",
        summary="Calls a web service and reads its answer.",
        icon="globe",
        group="Data",
        config=HttpRequestConfig,
        headline="url",
        starter={"method": "GET", "url": "https://example.com/"},
        templates=("url", "headers.*", "query.*", "body.**"),
    ),
    run=run,
)
