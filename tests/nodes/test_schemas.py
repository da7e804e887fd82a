"""What an output schema may be, and how an answer is read."""

import json
import time
from typing import Any

import pytest
from pydantic import JsonValue

from aistudio.nodes.schemas import MAX_ANSWER, MAX_PLACES, BadSchema, Misfit, OutputSchema

ANY = OutputSchema({})


def with_field(schema: JsonValue, **more: JsonValue) -> dict[str, JsonValue]:
    """An object schema with the one field `x`."""
    return {"type": "object", "properties": {"x": schema}, **more}


def chain(length: int) -> dict[str, JsonValue]:
    """A schema that doubles at every step."""
    steps: dict[str, JsonValue] = {
        f"s{step}": {"allOf": [{"$ref": f"#/$defs/s{step + 1}"}] * 2} for step in range(length)
    }
    return with_field({"$ref": "#/$defs/s0"}, **{"$defs": {**steps, f"s{length}": {"type": "string"}}})


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/x.json"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a b": {"type": "string"}},
         "properties": {"x": {"$ref": "#/definitions/a%20b"}}},
        with_field({"$ref": "#/$defs/a~1b"}, **{"$defs": {"a/b": {"type": "integer"}}}),
        with_field({"const": {"$ref": "https://example.com", "$id": "x"}}),
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        with_field({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}),
        chain(6),
    ],
)  # fmt: skip
def test_schemas_that_can_be_used(schema: dict[str, JsonValue]) -> None:
    OutputSchema(schema)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "array"}, "must say"),
        ({"type": ["object", "null"]}, "must say"),
        (with_field({"type": "text"}), r"At \$\.properties\.x\.type"),
        (with_field({"minimum": "low"}), r"At \$\.properties\.x\.minimum"),
        (with_field({"pattern": "("}), r"At \$\.properties\.x\.pattern"),
        (with_field({"pattern": "((a{1000}){1000}){1000}"}), r"At \$\.properties\.x\.pattern"),
        (with_field({"$ref": "https://example.com/schema"}), "only lead to a part of this schema"),
        (with_field({"$ref": "file:///etc/passwd"}), "only lead to a part of this schema"),
        (with_field({"$ref": "#anchor"}), "only lead to a part of this schema"),
        (with_field({"$ref": "#/$defs/nobody"}), "leads nowhere"),
        (with_field({"$ref": "#"}), "leads back to itself"),
        (with_field({"$ref": "#/$defs/a"}, **{"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}), "back to"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/%24defs/a"}}}, "back to|leads nowhere"),
        (with_field({"$id": "https://example.com/other"}), "not supported"),
        (with_field({"$dynamicRef": "#x"}), "not supported"),
        ({"$schema": "https://example.com/my-own-dialect"}, "my-own-dialect"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "too old"),
        ({"properties": {f"x{number}": {"pattern": "^\\\\w{1,90}$"} for number in range(60)}}, "more than"),
        (chain(40), f"more than {MAX_PLACES:,} parts"),
        (chain(5_000), "levels deep|parts"),
    ],
)
def test_schemas_that_cannot_say_why(schema: dict[str, JsonValue], says: str) -> None:
    started = time.process_time()
    with pytest.raises(BadSchema, match=says) as caught:
        OutputSchema(schema)
    assert len(str(caught.value)) < 700
    assert time.process_time() - started < 2


def test_nothing_is_fetched_even_for_what_the_survey_does_not_see() -> None:
    """An unknown keyword may hold a reference that some draft follows."""
    with pytest.raises(BadSchema):
        OutputSchema({"$schema": "http://127.0.0.1:9/schema"})


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        'Here you are:\n\n```json\n{"a": 1}\n```\n',
        'Sure! {"a": 1} Anything else?',
        'The result:\n```JSON\n{"a": 1}\n```\nIt has one field, as you can see. ' + "More words. " * 40,
    ],
)
def test_an_object_is_found_in_what_models_put_around_it(answer: str) -> None:
    assert ANY.read(answer) == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("", r"\$: the answer is empty"),
        (" \n", r"\$: the answer is empty"),
        ("No.", r"\$: the answer is not JSON"),
        ('{"a": 1', r"\$: the answer is not JSON, or breaks off"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "out of range"),
        ("[" * 100_000, r"\$: the answer"),
        ('{"a":' * 100_000, r"\$: the answer"),
        ("[1]", r'\$: \[1\] is not of type "object"'),
        ('"text"', 'is not of type "object"'),
        ("{}" + " " * MAX_ANSWER, r"\$: the answer is longer than"),
        ('{"a": ' + "9" * 5_000 + "}", r"\$: the answer is not JSON"),
    ],
)
def test_what_is_no_object_is_a_misfit(answer: str, says: str) -> None:
    with pytest.raises(Misfit, match=says):
        ANY.read(answer)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ({"type": "string"}, 1, r'^\$\.x: 1 is not of type "string"\.$'),
        (
            {"items": {"properties": {"a b": {"type": "integer"}}}},
            [{}, {"a b": "c"}],
            r'^\$\.x\[1\]\["a b"\]: ',
        ),
        ({"format": "date"}, "tomorrow", r"^\$\.x: .*date"),
        ({"pattern": "^(a+)+$"}, "a" * 60 + "!", r"^\$\.x: "),
        ({"enum": ["a"]}, "b" * 10_000, r"^\$\.x: .{100,310}$"),
    ],
)
def test_a_misfit_names_the_place(field: dict[str, Any], value: JsonValue, says: str) -> None:
    with pytest.raises(Misfit, match=says):
        OutputSchema(with_field(field)).read(json.dumps({"x": value}))


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ({"type": "string"}, r'^\$\.x\[0\]: 1 is not of type "string"\.'),
        ({"anyOf": [{"const": f"c{number}"} for number in range(100)]}, r"^\$\.x\[0\]: 1 is not valid"),
        ({"allOf": [{"type": "string"}] * 900}, r"^\$: the answer is too long for so large a schema"),
    ],
)
def test_a_large_answer_is_judged_in_a_moment(items: JsonValue, says: str) -> None:
    """The validator holds up the whole process while it works."""
    schema = OutputSchema(with_field({"items": items}))
    started = time.process_time()
    with pytest.raises(Misfit, match=says):
        schema.read(json.dumps({"x": [1] * 40_000}))
    assert time.process_time() - started < 2
