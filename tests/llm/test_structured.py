"""The offline model's structured answers: they fit, and they speak of what was asked."""

import json
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistudio.llm.simulation.structured import FORMATS, json_fitting

NOTES = (
    "## Notes\nAnna will send the budget by Friday. The login page crashes on Safari and must be fixed. "
    "Tom should schedule a call with the client, tom@example.org. We move the launch to June 3."
)


def made(schema: dict[str, Any], user: str = NOTES) -> Any:
    """A value that fits the schema."""
    value = json.loads(json_fitting(schema, "Extract what matters.", user))
    errors = [
        (error.message, error.instance_path)
        for error in jsonschema_rs.iter_errors(schema, value, validate_formats=True)
    ]
    assert errors == []
    return value


class TestContent:
    def test_fields_are_filled_from_the_message(self) -> None:
        task = {
            "type": "object",
            "properties": {"task": {"type": "string"}, "owner": {"type": ["string", "null"]}},
            "required": ["task"],
        }
        value = made({"type": "object", "properties": {"tasks": {"type": "array", "items": task}}})
        assert {"task": "Anna will send the budget by Friday", "owner": "Anna"} in value["tasks"]
        assert "Tom" in [item["owner"] for item in value["tasks"]]

    def test_an_enumeration_is_a_choice(self) -> None:
        schema = {"type": "object", "properties": {"team": {"enum": ["billing", "technical"]}}}
        assert made(schema, "The app crashes on every start.") == {"team": "technical"}
        assert made(schema, "You charged my card twice.") == {"team": "billing"}

    def test_an_address_of_the_message_is_used(self) -> None:
        schema = {"type": "object", "properties": {"contact": {"type": "string", "format": "email"}}}
        assert made(schema) == {"contact": "tom@example.org"}

    def test_a_list_of_words_has_different_ones(self) -> None:
        tags = {
            "type": "array",
            "items": {"type": "string", "maxLength": 12},
            "minItems": 8,
            "uniqueItems": True,
        }
        assert len(set(made({"type": "object", "properties": {"tags": tags}})["tags"])) == 8

    def test_tasks_are_what_somebody_has_to_do_and_what_is_not_told_is_left_open(self) -> None:
        due = {"type": "string", "description": 'The day, or "open" when there is none.'}
        task = {"type": "object", "properties": {"owner": {"type": "string"}, "due": due}}
        schema = {"type": "object", "properties": {"tasks": {"type": "array", "items": task}}}
        tasks = made(
            schema, "Ann must call the bank. The sky was blue. We agreed to wait. Bo will pay by Friday."
        )
        assert tasks["tasks"] == [{"owner": "Ann", "due": "open"}, {"owner": "Bo", "due": "by Friday"}]
        assert made(schema, "The sky was blue.") == {"tasks": []}

    def test_a_sum_is_the_money_that_the_message_names(self) -> None:
        schema = {"type": "object", "properties": {"amount": {"type": "number"}}}
        assert made(schema, "Order 4711 arrived late. I paid 1,280.50 euros for 2 lamps.") == {
            "amount": 1280.5
        }

    def test_a_field_speaks_of_the_part_that_it_is_named_after(self) -> None:
        sentence = {"type": "string", "description": "The best one, in one sentence."}
        points = {"type": "integer", "minimum": 0, "maximum": 10}
        schema = {
            "type": "object",
            "properties": {"best_red": sentence, "best_blue": sentence, "points_red": points},
        }
        value = made(schema, "## Red\nRoses need no lamp.\n\n## Blue\nThe sea is never the same.")
        assert value["best_red"] == "Roses need no lamp."
        assert value["best_blue"] == "The sea is never the same."

    def test_the_same_question_gets_the_same_answer(self) -> None:
        schema = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}}
        assert made(schema) == made(schema)
        assert made(schema) != made(schema, "Something else altogether")


@pytest.mark.parametrize("name", [*FORMATS, "uuid"])
def test_every_format_is_kept_to(name: str) -> None:
    made({"type": "object", "properties": {"x": {"type": "string", "format": name}}})


WORDS = st.sampled_from(
    [
        "summary",
        "tags",
        "score",
        "is_urgent",
        "owner",
        "email",
        "price",
        "status",
        "due date",
        "x",
        "größe",
        "",
    ]
)
NUMBERS = st.integers(-1_000, 1_000) | st.floats(-1_000, 1_000).map(lambda number: round(number, 2))


@st.composite
def bounds(draw: st.DrawFn, low: str, high: str, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Two bounds of which each may be missing, the lower one first."""
    first, second = sorted([draw(values), draw(values)])
    return {name: value for name, value in ((low, first), (high, second)) if draw(st.booleans())}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["integer", "number"]))
    schema: dict[str, Any] = {"type": kind}
    if draw(st.booleans()):
        # Wide enough to hold a step, or nothing would fit.
        low = draw(NUMBERS)
        schema |= {draw(st.sampled_from(["minimum", "exclusiveMinimum"])): low}
        if draw(st.booleans()):
            schema |= {
                draw(st.sampled_from(["maximum", "exclusiveMaximum"])): low + draw(st.integers(25, 90))
            }
    elif draw(st.booleans()):
        schema |= {draw(st.sampled_from(["maximum", "exclusiveMaximum"])): draw(NUMBERS)}
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 5, 10, 0.5, 0.25]))
    return schema


TEXTS = bounds("minLength", "maxLength", st.integers(0, 60)).map(lambda size: {"type": "string", **size})
LEAVES = st.one_of(
    numbers(),
    TEXTS,
    st.sampled_from([*FORMATS, "uuid"]).map(lambda name: {"type": "string", "format": name}),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, {"type": ["null", "string"]}]),
    st.lists(st.none() | st.integers() | st.text(max_size=8), min_size=1).map(
        lambda options: {"enum": options}
    ),
    st.recursive(st.none() | st.integers() | st.text(max_size=8), st.lists).map(
        lambda value: {"const": value}
    ),
    st.sampled_from([{"$ref": "#/$defs/text"}, {"$ref": "#/$defs/pair~1s"}]),
)


def objects(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Object schemas, closed or open, that require some of their fields or others."""
    return st.builds(
        lambda properties, required, closed: {
            "type": "object",
            "properties": properties,
            "required": [name for name in required if not closed or name in properties],
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(WORDS, parts, max_size=4),
        st.lists(WORDS, unique=True, max_size=3),
        st.booleans(),
    )


def compounds(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas around others."""
    sizes = bounds("minItems", "maxItems", st.integers(0, 6))
    return st.one_of(
        objects(parts),
        st.builds(lambda items, size: {"type": "array", "items": items, **size}, parts, sizes),
        st.builds(
            lambda items: {"type": "array", "prefixItems": items, "items": False},
            st.lists(parts, min_size=1, max_size=3),
        ),
        st.builds(
            lambda size: {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, **size}, sizes
        ),
        st.builds(lambda first, other: {"anyOf": [first, other]}, parts, parts),
        st.builds(lambda part, text: {"allOf": [part], "description": text}, parts, st.text(max_size=20)),
    )


SCHEMAS = objects(st.recursive(LEAVES, compounds, max_leaves=8)).map(
    lambda schema: (
        schema
        | {
            "$defs": {
                "text": {"type": "string", "minLength": 3},
                "pair/s": {"items": {"type": "boolean"}, "minItems": 2},
            }
        }
    )
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, st.sampled_from([NOTES, "", "Q1: 10, Q2: 14.5", "\x00 é " * 9]) | st.text(max_size=80))
def test_whatever_the_schema_the_answer_fits(schema: dict[str, Any], user: str) -> None:
    made(schema, user)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/x", "$defs": {"x": {"items": {"$ref": "#/$defs/x"}, "minItems": 9}}},
        {"properties": {"x": {"type": "string", "minLength": 10**12}, "y": {"minItems": 10**12}}},
        {"properties": {"x": {"minimum": 1e308, "multipleOf": 1e-308}, "y": {"maximum": -1e308}}},
        {"properties": 3, "required": "x", "allOf": 4, "anyOf": [], "enum": []},
        {"properties": {"x": 3, "y": {"items": "z"}, "z": {"type": 5, "format": [], "prefixItems": {}}}},
        {"required": [1, "a"], "additionalProperties": {"type": "integer", "multipleOf": 0}},
    ],
)  # fmt: skip
def test_what_no_answer_can_fit_gets_one_all_the_same_and_soon(schema: dict[str, Any]) -> None:
    started = time.process_time()
    json.loads(json_fitting(schema, "Answer.", NOTES + " A very long number: " + "9" * 400))
    assert time.process_time() - started < 8
