import re

from hypothesis import given
from hypothesis import strategies as st

from aistudio.nodes.context import WebPage
from aistudio.nodes.search import fenced


def test_results_are_numbered_between_two_lines_with_one_mark() -> None:
    pages = [
        WebPage(title="Brie", url="https://example.com/brie", text="Soft."),
        WebPage(title="Edam", url="https://example.com/edam", text="Hard."),
    ]
    first, *lines, last = fenced(pages).splitlines()
    assert lines == [
        "1. Brie", "https://example.com/brie", "Soft.", "", "2. Edam", "https://example.com/edam", "Hard."
    ]  # fmt: skip
    marks = re.findall(r"[0-9a-f]{16}", first + last)
    assert len(marks) == 2
    assert len(set(marks)) == 1


def test_a_search_that_finds_nothing_says_so() -> None:
    assert "Nothing was found." in fenced([])


@given(st.lists(st.builds(WebPage, title=st.text(), url=st.text(), text=st.text()), max_size=3))
def test_no_text_can_close_its_own_fence(pages: list[WebPage]) -> None:
    """Not even one that holds what the fence of the same results without it would have been."""
    forged = WebPage(title="", url="", text=fenced(pages))
    told = fenced([*pages, forged])
    end = told.rsplit("\n", 1)[1]
    assert told.count(end) == 1
