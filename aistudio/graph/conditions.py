"""Branches of a decision: their conditions, and which branch is taken (contract, 3.3)."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from aistudio.graph.definition import Part
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.moments import Moment, parse_moment
from aistudio.graph.references import as_text, resolve_value, shortened

Operator = Literal[
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "greater_than",
    "less_than",
    "greater_or_equal",
    "less_or_equal",
    "before",
    "after",
    "is_empty",
    "is_not_empty",
]

UNARY: frozenset[Operator] = frozenset({"is_empty", "is_not_empty"})

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "greater_or_equal": operator.ge,
    "less_or_equal": operator.le,
}


class Condition(Part):
    """One comparison. Operands are texts that take references."""

    left: str = Field(
        title="Value",
        description="What to look at: a text, or a reference.",
        json_schema_extra={"x-control": "template-line"},
    )
    operator: Operator = Field(title="Operator", description="How to compare.")
    right: str = Field(
        default="",
        title="Compare with",
        description="A text or a reference; not used by the two emptiness operators.",
        json_schema_extra={"x-control": "template-line"},
    )
    join: Literal["and", "or"] = Field(
        default="and",
        title="Join",
        description="How this condition combines with all those before it; the first one's is ignored.",
    )

    @model_validator(mode="after")
    def _has_both_sides(self) -> Self:
        if self.operator not in UNARY and "right" not in self.model_fields_set:
            raise ValueError(f"{self.operator} needs a `right` to compare with")
        return self


class Branch(Part):
    """One way out of a decision, taken when its conditions hold; without conditions, always."""

    id: str = Field(
        min_length=1, max_length=200, title="Id", description="The name of the branch's out port."
    )
    label: str = Field(default="", title="Label", description="What people read on the branch.")
    conditions: list[Condition] = Field(
        default=[],
        title="Conditions",
        description="Combined strictly from first to last; none at all always matches.",
    )


def choose(branches: Sequence[Branch], scope: Mapping[str, JsonValue]) -> str:
    """The id of the first branch that matches; branches after it are not looked at.

    Raises:
        NodeError: `no_branch_matched`; or what any condition looked at raised, `condition_type` or
            `unresolved_reference`.
    """
    for branch in branches:
        if _matches(branch, scope):
            return branch.id
    raise NodeError(
        ErrorCode.NO_BRANCH_MATCHED,
        "No branch's conditions hold. Add a last branch without conditions to catch everything else.",
    )


def _matches(branch: Branch, scope: Mapping[str, JsonValue]) -> bool:
    # Each condition is evaluated even when the outcome is certain: its error must not depend on the others.
    matched = True
    for index, condition in enumerate(branch.conditions):
        holds = _holds(condition, scope)
        if index and condition.join == "or":
            matched = matched or holds
        else:
            matched = matched and holds
    return matched


def _holds(condition: Condition, scope: Mapping[str, JsonValue]) -> bool:
    left = resolve_value(condition.left, scope)
    if condition.operator in UNARY:
        return _is_empty(left) == (condition.operator == "is_empty")
    right = resolve_value(condition.right, scope)
    match condition.operator:
        case "equals":
            return as_text(left) == as_text(right)
        case "not_equals":
            return as_text(left) != as_text(right)
        case "contains":
            return as_text(right).casefold() in as_text(left).casefold()
        case "not_contains":
            return as_text(right).casefold() not in as_text(left).casefold()
        case "before":
            return _moment(left, condition) < _moment(right, condition)
        case "after":
            return _moment(left, condition) > _moment(right, condition)
        case ordering:
            return _ORDERINGS[ordering](_number(left, condition), _number(right, condition))


def _is_empty(value: JsonValue) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or value == {}


def _number(value: JsonValue, condition: Condition) -> Decimal:
    if not isinstance(value, bool) and isinstance(value, str | int | float):
        text = value.strip() if isinstance(value, str) else as_text(value)
        if _NUMBER.fullmatch(text):
            try:
                return Decimal(text)
            except InvalidOperation:
                pass
    raise _mistyped(value, condition, "a number")


def _moment(value: JsonValue, condition: Condition) -> Moment:
    moment = parse_moment(value) if isinstance(value, str) else None
    if moment is None:
        wanted = "an ISO 8601 date or time such as 2026-01-31 or 2026-01-31T09:30:00Z"
        raise _mistyped(value, condition, wanted)
    return moment


def _mistyped(value: JsonValue, condition: Condition, wanted: str) -> NodeError:
    given = shortened(as_text(value))
    return NodeError(
        ErrorCode.CONDITION_TYPE,
        f"`{condition.operator}` needs {wanted} on both sides, and one of them is: {given}",
    )
