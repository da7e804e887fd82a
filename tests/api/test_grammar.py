"""Which texts are JSON, held to Python's parser."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistudio.api.grammar import is_json

brackets = st.sampled_from([*"[]{},:", "[[", "]]"])
scalars = st.sampled_from(
    [*"-01x", '"a"', '"a":', ".5", "e3", "true", "null", '"', "\\", " ", "\n", "\xa0", '"\\u00e9"', '"\\q"']
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(brackets | scalars, max_size=9).map("".join) | values.map(json.dumps))
def test_it_agrees_with_the_parser(text: str) -> None:
    try:
        json.loads(text)
        expected = True
    except ValueError:
        expected = False
    assert is_json(text) is expected


@pytest.mark.parametrize("piece", ["[", "]", "[],", '"', '"\\', '"a":', "1", "-", " ", '{"a":', "[ ", "\\"])
def test_a_long_text_takes_no_more_than_a_moment(piece: str) -> None:
    began = time.process_time()
    assert is_json(f"[{piece * 100_000}") is False
    assert time.process_time() - began < 2


def test_depth_is_no_limit() -> None:
    assert is_json("[" * 100_000 + "]" * 100_000)
    assert not is_json("[" * 100_000 + "]" * 99_999)
