"""Numbers within what a schema allows."""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any


def bounded(wanted: float | Fraction, schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The number nearest to the wanted one that the bounds and steps allow."""
    above, below = number_in(schema, "exclusiveMinimum"), number_in(schema, "exclusiveMaximum")
    low = _strictest(max, number_in(schema, "minimum"), above)
    high = _strictest(min, number_in(schema, "maximum"), below)
    number = Fraction(wanted) if math.isfinite(wanted) else Fraction(0)
    number = number if low is None else max(number, low)
    number = number if high is None else min(number, high)
    step = distance(schema, whole=whole)
    if step is not None:
        number = math.floor(number / step) * step
        while (low is not None and number < low) or number == above:
            number += step
        while number == below:
            number -= step
    elif number in (above, below):
        number = ((low if low is not None else number - 2) + (high if high is not None else number + 2)) / 2
    return int(number) if whole or number.denominator == 1 else float(number)


def _strictest(choose: Callable[[Iterable[Fraction]], Fraction], *bounds: Fraction | None) -> Fraction | None:
    """The bound that counts, or null when there is none."""
    given = [bound for bound in bounds if bound is not None]
    return choose(given) if given else None


def distance(schema: Mapping[str, Any], *, whole: bool) -> Fraction | None:
    """The distance between allowed numbers, or null when there is none."""
    step = number_in(schema, "multipleOf")
    if step is None or step <= 0:
        return Fraction(1) if whole else None
    return Fraction(math.lcm(step.numerator, step.denominator), step.denominator) if whole else step


def number_in(schema: Mapping[str, Any], name: str) -> Fraction | None:
    """The number under this name, or null."""
    value = schema.get(name)
    # The decimal that was written, not the binary number it became.
    return Fraction(repr(value)) if is_number(value) else None


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
