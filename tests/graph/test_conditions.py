"""Section 3.3 of the contract: operators, how conditions combine, which branch is taken."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistudio.graph.conditions import UNARY, Branch, Condition, Operator, choose
from aistudio.graph.errors import ErrorCode, NodeError

BOOM = {"left": "{{variables.gone}}", "operator": "is_empty"}
TRUE = {"left": "", "operator": "is_empty"}
FALSE = {"left": "x", "operator": "is_empty"}


ORDERED = {"greater_than", "less_than", "greater_or_equal", "less_or_equal", "before", "after"}


def branch(name: str, *conditions: dict[str, str]) -> Branch:
    return Branch.model_validate({"id": name, "conditions": list(conditions)})


def holds(operator: str, left: Any, right: Any = None) -> bool:
    """Whether the condition holds for these JSON values."""
    condition = {"left": "{{variables.left}}", "operator": operator, "right": "{{variables.right}}"}
    scope = {"variables": {"left": left, "right": right}}
    return choose([branch("yes", condition), branch("no")], scope) == "yes"


def fails(operator: str, left: Any, right: Any) -> ErrorCode:
    with pytest.raises(NodeError) as caught:
        holds(operator, left, right)
    assert not caught.value.retryable
    assert operator in caught.value.message
    assert len(caught.value.message) < 400
    return caught.value.code


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("a", "a", True),
        ("a", "A", False),
        ("a", "a ", False),
        ("", "", True),
        ("é", "é", True),
        (1, 1, True),
        (1, "1", True),
        ("1", 1, True),
        (1, 1.0, False),
        (1.0, "1.0", True),
        (1.0, "1", False),
        (0.5, "0.5", True),
        (0.1, "0.10", False),
        (-0.0, 0.0, False),
        (10**20, "100000000000000000000", True),
        (True, "true", True),
        (True, 1, False),
        (False, 0, False),
        (None, "null", True),
        (None, "", False),
        (None, False, False),
        ([], "[]", True),
        ([1, "a"], '[1,"a"]', True),
        ({"a": 1}, '{"a":1}', True),
        ({"a": 1}, '{"a": 1}', False),
        ({"a": 1}, {"a": 1}, True),
    ],
)
def test_equals(left: Any, right: Any, same: bool) -> None:
    assert holds("equals", left, right) is same
    assert holds("not_equals", left, right) is not same


@pytest.mark.parametrize(
    ("left", "right", "inside"),
    [
        ("Urgent: fire", "urgent", True),
        ("urgent", "URGENT", True),
        ("urgent", "urgently", False),
        ("anything", "", True),
        ("", "", True),
        (None, "", True),
        ([], "", True),
        ("", "a", False),
        ("Straße", "STRASSE", True),
        ("ÀÉ", "àé", True),
        (["Red", "Green"], "green", True),
        ({"Key": 1}, "key", True),
        (12345, "34", True),
        (12345, 34, True),
        ("a b", "ab", False),
    ],
)
def test_contains(left: Any, right: Any, inside: bool) -> None:
    assert holds("contains", left, right) is inside
    assert holds("not_contains", left, right) is not inside


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        (1, 2, -1),
        (2, 1, 1),
        (1, 1, 0),
        (1, 1.0, 0),
        ("10", "9", 1),
        ("10", 9, 1),
        (-1, "1", -1),
        ("+1", 1, 0),
        (" 3 ", 3, 0),
        ("3\n", "3.0", 0),
        ("1e3", 1000, 0),
        ("1E-2", "0.01", 0),
        (".5", 0.5, 0),
        ("5.", 5, 0),
        ("007", 7, 0),
        (0.1, "0.1", 0),
        ("0.30000000000000004", 0.3, 1),
        (10**30, 10**30 + 1, -1),
        ("9007199254740993", 9007199254740992, 1),
        (1e308, "1e309", -1),
        ("1" + "0" * 10_000, "1" + "0" * 9_999, 1),
    ],
)
def test_order_of_numbers(left: Any, right: Any, order: int) -> None:
    assert holds("greater_than", left, right) is (order > 0)
    assert holds("less_than", left, right) is (order < 0)
    assert holds("greater_or_equal", left, right) is (order >= 0)
    assert holds("less_or_equal", left, right) is (order <= 0)


NO_NUMBERS: list[Any] = [
    *("", " ", "abc", "1,000", "1_000", "0x10", "1 2", "--1", "1e", "e3", ".", "+", "nan", "inf", "Infinity"),
    *("١٢", "1٢", "½", "$5", "5%", "1e99999999999999999999", "true", "null", "x" * 5_000),
    *(None, True, False, [], [1], {}, {"a": 1}, float("nan"), float("inf")),
]


@pytest.mark.parametrize("operator", ["greater_than", "less_than", "greater_or_equal", "less_or_equal"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:30])
def test_only_numbers_and_numeric_text_have_an_order(operator: str, value: Any) -> None:
    assert fails(operator, value, 1) is ErrorCode.CONDITION_TYPE
    assert fails(operator, "1", value) is ErrorCode.CONDITION_TYPE


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("2026-01-01", "2026-01-02", -1),
        ("2026-01-02", "2026-01-01", 1),
        ("2026-01-01", "2026-01-01", 0),
        ("2026-01-01", "2026-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z", 0),
        ("2026-01-01T10:00", "2026-01-01T10:00:00", 0),
        ("2026-01-01T10", "2026-01-01T10:00:00", 0),
        ("2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00Z", 0),
        ("2026-01-01T12:00:00+02", "2026-01-01T10:00:01Z", -1),
        ("2026-01-01T00:30:00-01:00", "2026-01-01T01:00:00Z", 1),
        ("2026-01-01T10:00:00.5Z", "2026-01-01T10:00:00,25Z", 1),
        ("2026-01-01T10:00:00.123456789Z", "2026-01-01T10:00:00Z", 1),
        ("20260101", "2026-01-02", -1),
        ("20260101T101500Z", "2026-01-01T10:15:00Z", 0),
        ("20260101T1015+0100", "2026-01-01T09:15Z", 0),
        ("2026-01-01T10:00:00.1234567Z", "2026-01-01T10:00:00.1234568Z", -1),
        ("2026-01-01T10:00:00.1234567Z", "2026-01-01T10:00:00.123456Z", 1),
        ("2026-01-01T10:00:00.12Z", "2026-01-01T10:00:00.1200000000Z", 0),
        ("2026-01-01T10:00:00." + "0" * 5_000 + "1Z", "2026-01-01T10:00:00Z", 1),
        ("1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.89Z", 1),
        ("2026-W01-1", "2025-12-29", 0),
        ("2026W014T10Z", "2026-01-01T10:00Z", 0),
        ("2020-W53-7", "2021-01-03", 0),
        ("2026-001", "2026-01-01", 0),
        ("2026365T1200", "2026-12-31T12:00", 0),
        ("2024-366", "2024-12-31", 0),
        ("2026-01-31T24:00:00", "2026-02-01", 0),
        ("2026-01-31T24", "2026-01-31T23:59:59.9", 1),
        ("20260131T2400+0100", "2026-01-31T23:00Z", 0),
        ("2026-01-31T24:00:00.000Z", "2026-02-01T00:00:00Z", 0),
        ("9999-12-31T24:00:00-23:59", "9999-12-31T23:59:59Z", 1),
        ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z", -1),
        ("2024-02-29", "2024-03-01", -1),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", -1),
    ],
)
def test_before_and_after(left: str, right: str, order: int) -> None:
    assert holds("before", left, right) is (order < 0)
    assert holds("after", left, right) is (order > 0)


NO_MOMENTS: list[Any] = [
    *("", "today", "2026", "2026-01", "2026-1-1", "26-01-01", "01/02/2026", "01.02.2026", "Jan 1, 2026"),
    *("2026-13-01", "2026-00-01", "2026-01-32", "2026-02-30", "2025-02-29", "0000-01-01", "12026-01-01"),
    *(
        " 2026-01-01",
        "2026-01-01 ",
        "2026-01-01\n",
        "2026-01-01 10:00:00",
        "2026-01-01t10:00:00",
        "2026-01-01T",
    ),
    *(
        "2026-01-01T10:00:00z",
        "2026-01-01T24:00:01",
        "2026-01-01T24:01",
        "2026-01-01T24:00:00.1",
        "2026-01-01T25:00:00",
        "2026-01-01T10:60",
        "2026-01-01T10:00:60",
        "2026-01-01Z",
    ),
    *("2026-01-01T1:00", "2026-01-01T10:00:00.", "2026-01-01T10:00:00+24:00", "2026-01-01T10:00:00+2"),
    *(
        "2026-01-01T10:00:00+0200",
        "2026-01-01T101500",
        "20260101T10:15",
        "2026-0101",
        "202601-01",
        "2026/01/01",
    ),
    *("2026-W01", "2026-W00-1", "2026-W54-1", "2026-W01-0", "2026-W01-8", "2026-w01-1", "2025-W53-1"),
    *("2026-W011", "2026W01-1", "2026-000", "2026-366", "2024-367", "9999-W53-1", "9999-W52-7", "0000-001"),
    *("２０２６-01-01", "Thu, 01 Jan 2026 00:00:00 GMT", "1767225600", "x" * 5_000),
    *(20260101, 1767225600.5, None, True, [], {}, ["2026-01-01"]),
]


@pytest.mark.parametrize("operator", ["before", "after"])
@pytest.mark.parametrize("value", NO_MOMENTS, ids=lambda value: repr(value)[:40])
def test_dates_are_strict_iso_8601(operator: str, value: Any) -> None:
    assert fails(operator, value, "2026-01-01") is ErrorCode.CONDITION_TYPE
    assert fails(operator, "2026-01-01", value) is ErrorCode.CONDITION_TYPE


@pytest.mark.parametrize(
    ("value", "empty"),
    [
        (None, True),
        ("", True),
        (" \t\n\u00a0\u3000", True),
        ([], True),
        ({}, True),
        ("a", False),
        ("null", False),
        ("[]", False),
        (0, False),
        (0.0, False),
        (False, False),
        ([None], False),
        ([""], False),
        ({"a": None}, False),
    ],
)
def test_is_empty(value: Any, empty: bool) -> None:
    scope = {"variables": {"left": value}}
    for operator, expected in (("is_empty", empty), ("is_not_empty", not empty)):
        alone = branch("yes", {"left": "{{variables.left}}", "operator": operator})
        ignored = branch("yes", {"left": "{{variables.left}}", "operator": operator, "right": "{{x.gone}}"})
        for yes in (alone, ignored):
            assert (choose([yes, branch("no")], scope) == "yes") is expected


def test_an_operand_is_text_unless_it_is_exactly_one_reference() -> None:
    scope = {"variables": {"none": None, "list": []}}
    for left, taken in (
        ("{{variables.none}}", "yes"),
        (" {{variables.none}}", "no"),
        ("{{variables.list}}!", "no"),
    ):
        assert choose([branch("yes", {"left": left, "operator": "is_empty"}), branch("no")], scope) == taken
    greeting = {"left": "Hi {{variables.list}}", "operator": "equals", "right": "Hi []"}
    assert choose([branch("yes", greeting), branch("no")], scope) == "yes"


def test_no_conditions_always_match() -> None:
    assert choose([branch("all")], {}) == "all"
    assert choose([branch("first"), branch("second")], {}) == "first"


def test_the_first_match_wins() -> None:
    assert choose([branch("a", FALSE), branch("b", TRUE), branch("c", TRUE), branch("d")], {}) == "b"


@pytest.mark.parametrize(
    "branches", [[], [branch("a", FALSE)], [branch("a", FALSE), branch("b", TRUE, FALSE)]]
)
def test_no_match(branches: list[Branch]) -> None:
    with pytest.raises(NodeError) as caught:
        choose(branches, {})
    assert caught.value.code is ErrorCode.NO_BRANCH_MATCHED
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("T", True),
        ("F", False),
        ("T and T", True),
        ("T and F", False),
        ("F or T", True),
        ("F or F", False),
        ("T or F and F", False),
        ("T or T and F", False),
        ("F and F or T", True),
        ("F and T or T", True),
        ("T or F and T or F", True),
        ("F or T and F or T", True),
        ("F or T and T and F", False),
    ],
)
def test_conditions_combine_strictly_from_left_to_right(words: str, outcome: bool) -> None:
    parts = ["ignored", *words.split()]
    for first in ("and", "or"):
        joins = [first, *parts[2::2]]
        tests = [TRUE if part == "T" else FALSE for part in parts[1::2]]
        conditions = [test | {"join": join} for test, join in zip(tests, joins, strict=True)]
        taken = choose([branch("yes", *conditions), branch("no")], {})
        assert (taken == "yes") is outcome


def test_conditions_join_by_and_unless_they_say_otherwise() -> None:
    assert choose([branch("yes", TRUE, FALSE), branch("no")], {}) == "no"
    assert Condition.model_validate(TRUE).join == "and"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["and", "or"])), min_size=1))
def test_left_to_right_holds_for_any_number_of_conditions(steps: list[tuple[bool, str]]) -> None:
    expected = steps[0][0]
    for value, join in steps[1:]:
        expected = (expected or value) if join == "or" else (expected and value)
    conditions = [(TRUE if value else FALSE) | {"join": join} for value, join in steps]
    assert (choose([branch("yes", *conditions), branch("no")], {}) == "yes") is expected


@pytest.mark.parametrize(
    "conditions",
    [
        [BOOM],
        [TRUE, BOOM | {"join": "or"}],
        [FALSE, BOOM],
        [FALSE, BOOM, TRUE],
        [BOOM, TRUE | {"join": "or"}],
    ],
)
def test_an_error_in_any_condition_of_a_branch_fails_the_node(conditions: list[dict[str, str]]) -> None:
    with pytest.raises(NodeError) as caught:
        choose([branch("a", *conditions), branch("b")], {"variables": {}})
    assert caught.value.code is ErrorCode.UNRESOLVED_REFERENCE


def test_a_missing_right_operand_fails_as_well() -> None:
    condition = {"left": "x", "operator": "equals", "right": "{{variables.gone}}"}
    with pytest.raises(NodeError):
        choose([branch("a", condition)], {"variables": {}})


def test_branches_after_the_match_are_not_looked_at() -> None:
    assert choose([branch("a", TRUE), branch("b", BOOM)], {}) == "a"
    assert choose([branch("a"), branch("b", BOOM)], {}) == "a"


def test_operators_with_one_operand_are_the_two_about_emptiness() -> None:
    assert set(UNARY) == {"is_empty", "is_not_empty"}
    assert len(get_args(Operator)) == 12


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(get_args(Operator)), json_values, json_values)
def test_any_values_give_an_answer_or_a_type_error(operator: str, left: Any, right: Any) -> None:
    try:
        outcome: object = holds(operator, left, right)
    except NodeError as error:
        outcome = error.code
    assert outcome in ({True, False, ErrorCode.CONDITION_TYPE} if operator in ORDERED else {True, False})
