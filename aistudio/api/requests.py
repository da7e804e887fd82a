"""Reading requests: bodies up to 2 MiB of strict JSON, and the revisions of `If-Match`."""

import json
import re
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic_core import from_json

from aistudio.api.grammar import is_json
from aistudio.studio.errors import StudioError, invalid_request

Model = TypeVar("Model", bound=BaseModel)

_OPAQUE_TAG = re.compile(r'(?:W/)?"([^"]*)"|([^",\s]+)')


class Body(BaseModel):
    """A request's body. What it does not know it refuses, so that a typo is never a silent default."""

    model_config = ConfigDict(extra="forbid", strict=True)


async def read_body(request: Request, model: type[Model]) -> Model:
    """The request's JSON as a model; no body at all counts as `{}`.

    Raises StudioError: 400 `malformed_json`, 413 `too_large`, 422 `invalid_request`.
    """
    raw = await request.body()
    try:
        return model.model_validate(parse_json(raw) if raw.strip() else {})
    except ValidationError as error:
        errors: list[JsonValue] = [
            {"where": ".".join(["body", *map(str, found["loc"])]), "message": found["msg"]}
            for found in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        first = error.errors()[0]
        message = f"{'.'.join(['body', *map(str, first['loc'])])}: {first['msg']}"
        raise StudioError(422, "invalid_request", message, {"errors": errors}) from None


def parse_json(raw: bytes) -> Any:
    """The value of strict JSON (RFC 8259): no NaN, no half surrogate pairs, at most 200 levels deep."""
    try:
        # Well-formed JSON may still spell a number that no float holds, which Python reads as infinite.
        value = from_json(raw, allow_inf_nan=False)
        json.dumps(value, allow_nan=False)
        return value
    except ValueError as error:
        if _well_formed(raw):
            raise invalid_request("body", str(error)) from None
        raise StudioError(400, "malformed_json", f"The body is no JSON: {error}.") from None


def _well_formed(raw: bytes) -> bool:
    try:
        json.loads(raw.decode(), parse_constant=_refuse, parse_int=str)
    except RecursionError:
        return is_json(raw.decode())
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def revisions(if_match: str | None) -> frozenset[int] | None:
    """The revisions an `If-Match` header allows; null allows any (no header, or `*`)."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (quoted or bare for quoted, bare in _OPAQUE_TAG.findall(if_match))
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 10)


def etag(revision: int) -> str:
    """A workflow's `ETag`."""
    return f'"{revision}"'


def json_body(model: type[BaseModel], *, required: bool) -> dict[str, Any]:
    """OpenAPI's words for a body that the operation reads itself."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}
