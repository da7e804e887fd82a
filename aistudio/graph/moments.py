"""Dates and times of ISO 8601, and which comes first (contract, 3.3)."""

import re
from calendar import isleap
from datetime import date, timedelta
from typing import NamedTuple

_SIXTIETH = r"[0-5]\d"


def _form(dash: str, colon: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
        (?P<year>\d{{4}}){dash}
        (?: (?P<month>\d\d){dash}(?P<day>\d\d) | W(?P<week>\d\d){dash}(?P<weekday>\d) | (?P<nth>\d{{3}}) )
        (?: T(?P<hour>[01]\d|2[0-4])
            (?: {colon}(?P<minute>{_SIXTIETH})
                (?: {colon}(?P<second>{_SIXTIETH}) (?:[.,](?P<fraction>\d+))? )?
            )?
            (?: Z | (?P<sign>[+-])(?P<hours>[01]\d|2[0-3]) (?: {colon}(?P<minutes>{_SIXTIETH}) )? )?
        )?
        """,
        re.ASCII | re.VERBOSE,
    )


# The extended and the basic format, never a mixture. `fromisoformat` takes more than the standard, and how
# much differs between versions of Python; it also cuts off what is below a microsecond.
_FORMS = (_form("-", ":"), _form("", ""))


class Moment(NamedTuple):
    """A point in time; the earlier one is the lesser.

    Attributes:
        second: whole seconds of UTC since the beginning of the calendar.
        fraction: the decimals below that, without zeros at the end, so that they order as text.
    """

    second: int
    fraction: str


def parse_moment(text: str) -> Moment | None:
    """The moment a date or a time stands for, or null when the text is none.

    Calendar, week and ordinal dates; midnight where there is no time, UTC where there is no zone.
    """
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            break
    else:
        return None
    try:
        day = _day(match)
    except (ValueError, OverflowError):
        return None
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    fraction = (match["fraction"] or "").rstrip("0")
    if hour == 24 and (minute or second or fraction):
        return None
    ahead = (int(match["hours"] or 0) * 60 + int(match["minutes"] or 0)) * 60
    local = ((day.toordinal() * 24 + hour) * 60 + minute) * 60 + second
    return Moment(local + ahead if match["sign"] == "-" else local - ahead, fraction)


def _day(match: re.Match[str]) -> date:
    year = int(match["year"])
    if match["week"]:
        return date.fromisocalendar(year, int(match["week"]), int(match["weekday"]))
    if match["nth"]:
        nth = int(match["nth"])
        if not 1 <= nth <= 365 + isleap(year):
            raise ValueError(f"{year} has no day {nth}")
        return date(year, 1, 1) + timedelta(days=nth - 1)
    return date(year, int(match["month"]), int(match["day"]))
