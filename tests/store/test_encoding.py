from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistudio.store.encoding import compact, dumps, escape, iso, parse_id, unescape, utf8_length

ANY_TEXT = st.text(st.characters(codec=None, categories=None) | st.sampled_from("\\\0\ud800\udfff0a"))
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@given(ANY_TEXT)
def test_escaped_text_is_storable_and_comes_back(text: str) -> None:
    escaped = escape(text)
    assert "\0" not in escaped.encode("utf-8").decode()
    assert unescape(escaped) == text


@given(ANY_TEXT, ANY_TEXT)
def test_escaping_never_makes_two_texts_one(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(ANY_TEXT)
def test_utf8_length_counts_bytes(text: str) -> None:
    assert utf8_length(text) == len(text.encode("utf-8", "surrogatepass"))


def test_dumps_is_compact_ascii() -> None:
    assert dumps({"é": ["\0", "\ud800", 1.0]}) == '{"\\u00e9":["\\u0000","\\ud800",1.0]}'


def test_compact_keeps_characters() -> None:
    assert compact({"é": "a"}) == '{"é":"a"}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_lacks_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dumps(value)


def test_iso_is_utc_with_microseconds() -> None:
    moment = datetime(2026, 11, 23, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    assert iso(moment) == "2026-11-22T23:02:03.000000Z"


def test_ids_are_found_in_either_case() -> None:
    assert parse_id(ID) == parse_id(ID.upper()) == ID


@pytest.mark.parametrize("text", ["", "x", ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", ID + "\0"])
def test_other_texts_are_no_ids(text: Any) -> None:
    assert parse_id(text) is None
