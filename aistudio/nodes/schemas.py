"""Output schemas: which JSON Schemas an agent may be given, and whether an answer fits.

What a schema may be is bounded, so that neither it nor an answer can hold up a worker: nothing is ever
fetched, a schema may not lead back to itself, and patterns are matched in linear time.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NoReturn
from urllib.parse import unquote

import jsonschema_rs
from pydantic import JsonValue

from aistudio.nodes import fences
from aistudio.nodes.upstream import compact

# Subschemas, each counted as often as references lead to it.
MAX_PLACES = 1_000
MAX_DEPTH = 100
MAX_ANSWER = 256 * 1024
"""Characters."""

PATTERN_SIZE = 1024 * 1024
"""Bytes of a compiled pattern."""

# A pattern costs as much as this many subschemas.
PATTERN_WEIGHT = 20

NAMED_ERRORS = 3
# Characters times parts. Beyond the first only one error is looked for, because all of them may be millions;
# beyond the second nothing is, because nobody else gets a turn meanwhile.
EASY = 1_000_000
HARD = 30_000_000
MESSAGE_LENGTH = 300

# Where in a schema there are schemas.
_MANY_BY_NAME = (
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
)
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_ONE = (
    "items", "additionalItems", "unevaluatedItems", "additionalProperties", "unevaluatedProperties",
    "propertyNames", "contains", "contentSchema", "not", "if", "then", "else",
)  # fmt: skip
# They change what a reference means, and nobody who writes one schema needs them.
_REFUSED = (
    "$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef",
)  # fmt: skip


class BadSchema(ValueError):
    """A schema that cannot be used; its text is the cause and the next step."""


class Misfit(Exception):
    """An answer that does not fit; its text says where and why, one place a line."""


class OutputSchema:
    """What an answer has to look like: always a JSON object.

    Raises:
        BadSchema: the schema cannot be used.
    """

    def __init__(self, schema: Mapping[str, JsonValue]) -> None:
        if schema.get("type", "object") != "object":
            raise BadSchema('The top of the schema must say "type": "object", because `data` is an object.')
        # Its own address means nothing here.
        self.schema: dict[str, JsonValue] = {"type": "object", **schema}
        self.schema.pop("$id", None)
        if "draft-04" in str(schema.get("$schema")):
            raise BadSchema("JSON Schema draft 4 is too old. Write the schema for draft 6 or newer.")
        self._weight = _Survey(self.schema).weigh(self.schema, 0)
        try:
            self._validator = jsonschema_rs.validator_for(
                self.schema,
                validate_formats=True,
                retriever=_refuse,
                pattern_options=jsonschema_rs.RegexOptions(
                    size_limit=PATTERN_SIZE, dfa_size_limit=PATTERN_SIZE
                ),
            )
        except jsonschema_rs.ValidationError as error:
            raise BadSchema(f"At {place(error.instance_path)}: {_shortened(error.message)}.") from None
        except ValueError as error:
            raise BadSchema(f"This is no JSON Schema: {_shortened(str(error))}.") from None

    def read(self, answer: str) -> dict[str, JsonValue]:
        """The object in an answer, which may stand in a fence or between a few words.

        Raises:
            Misfit: there is none, or it does not fit.
        """
        if len(answer) > MAX_ANSWER:
            raise Misfit(f"$: the answer is longer than {MAX_ANSWER:,} characters.")
        effort = len(answer) * self._weight
        if effort > HARD:
            raise Misfit("$: the answer is too long for so large a schema.")
        data = _json_in(answer)
        try:
            self._validator.validate(data)
        except jsonschema_rs.ValidationError as error:
            errors = [error]
            if effort <= EASY:
                errors = [*islice(self._validator.iter_errors(data), NAMED_ERRORS)]
            told = (f"{place(error.instance_path)}: {_shortened(error.message)}." for error in errors)
            raise Misfit("\n".join(dict.fromkeys(told))) from None
        except ValueError as error:
            raise Misfit(f"$: {_shortened(str(error))}.") from None
        assert isinstance(data, dict)
        return data

    def instruction(self) -> str:
        """What tells a model to answer so."""
        return (
            "Answer with one JSON object that fits the JSON Schema below, and with nothing else: no words "
            f"before or after it and no code fence.\n{compact(self.schema)}"
        )


def place(path: Sequence[str | int]) -> str:
    """A place in a JSON document, as a JSON path such as `$.items[0].name`."""
    steps = ""
    for step in path:
        if isinstance(step, int):
            steps += f"[{step}]"
        else:
            steps += f".{step}" if step.isidentifier() else f"[{json.dumps(step, ensure_ascii=False)}]"
    return _shortened(f"${steps}")


class _Survey:
    """Counts what a schema amounts to when its references are followed."""

    def __init__(self, root: Mapping[str, JsonValue]) -> None:
        self._root = root
        self._weights: dict[str, int] = {}
        self._following: list[str] = []

    def weigh(self, schema: JsonValue, depth: int) -> int:
        """The number of subschemas, this one included.

        Raises:
            BadSchema: there are too many, or a reference leads nowhere, back, or out of the schema.
        """
        if not isinstance(schema, dict):
            return 1
        if depth > MAX_DEPTH:
            raise BadSchema(f"The schema is nested more than {MAX_DEPTH} levels deep.")
        for name in _REFUSED:
            if name in schema:
                raise BadSchema(f"`{name}` is not supported. Refer to parts of the schema by their path.")
        weight = 1 + sum(self.weigh(part, depth + 1) for part in _subschemas(schema))
        named = schema.get("patternProperties")
        patterns = ("pattern" in schema) + (len(named) if isinstance(named, dict) else 0)
        weight += PATTERN_WEIGHT * patterns
        reference = schema.get("$ref")
        if isinstance(reference, str):
            weight += self._follow(reference, depth + 1)
        if weight > MAX_PLACES:
            raise BadSchema(f"The schema has more than {MAX_PLACES:,} parts, references followed.")
        return weight

    def _follow(self, reference: str, depth: int) -> int:
        if reference in self._following:
            raise BadSchema(f"`$ref` {_shortened(reference)} leads back to itself; a schema may not do that.")
        if reference not in self._weights:
            self._following.append(reference)
            self._weights[reference] = self.weigh(self._target(reference), depth)
            self._following.pop()
        return self._weights[reference]

    def _target(self, reference: str) -> JsonValue:
        found: JsonValue = dict(self._root)
        if reference != "#" and not reference.startswith("#/"):
            raise BadSchema(
                f"`$ref` {_shortened(reference)}: a reference may only lead to a part of this schema, "
                "such as `#/$defs/name`."
            )
        for step in reference.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            match found:
                case dict() if name in found:
                    found = found[name]
                case list() if name.isdecimal() and len(name) < 9 and int(name) < len(found):
                    found = found[int(name)]
                case _:
                    raise BadSchema(f"`$ref` {_shortened(reference)} leads nowhere.")
        return found


def _subschemas(schema: Mapping[str, JsonValue]) -> Iterator[JsonValue]:
    for name, value in schema.items():
        if name in _MANY_BY_NAME and isinstance(value, dict):
            yield from value.values()
        elif name in _MANY and isinstance(value, list):
            yield from value
        elif name in _ONE:
            yield value


def _json_in(answer: str) -> JsonValue:
    """The JSON in an answer: all of it, or what is in its fence, or what its outermost braces hold."""
    opening, closing = answer.find("{"), answer.rfind("}")
    found: ValueError | None = None
    for text in (answer, fences.unwrap(answer).body, answer[opening : closing + 1] if opening >= 0 else ""):
        try:
            data: JsonValue = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        except ValueError as error:
            found = found or error
        except RecursionError:
            raise Misfit("$: the answer is nested too deep.") from None
        else:
            return data
    if not answer.strip():
        raise Misfit("$: the answer is empty.")
    if opening < 0:
        raise Misfit("$: the answer is not JSON.")
    raise Misfit(f"$: the answer is not JSON, or breaks off before its end ({found}).")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is out of range")
    return number


def _refuse(address: str) -> NoReturn:
    raise ValueError("nothing is fetched")


def _shortened(text: str) -> str:
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"
