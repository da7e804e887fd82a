"""What nginx is told of the built page."""

import re

import pytest

from aistudio.ui.site import configuration, locations


@pytest.mark.parametrize("path", ["/w/5f0c", "/w/5f0c/", "/settings", "/runs/1/compare/2"])
def test_a_page_that_is_made_in_the_browser_is_found(path: str) -> None:
    patterns = locations(["index", "404", "w/[workflow_id]", "settings", "runs/[one]/compare/[other]"])
    assert [pattern for pattern in patterns if re.search(pattern, path)] != []


@pytest.mark.parametrize("path", ["/", "/w", "/w/", "/w/a/b", "/settingsx", "/index", "/404", "/x/settings"])
def test_everything_else_is_not(path: str) -> None:
    patterns = locations(["index", "404", "w/[workflow_id]", "settings"])
    assert [pattern for pattern in patterns if re.search(pattern, path)] == []


def test_a_name_is_no_pattern() -> None:
    assert locations(["a.b"]) == [r"^/a\.b/?$"]


def test_the_policy_is_for_pages_alone() -> None:
    written = configuration(["w/[id]"], "default-src 'self'")
    assert '"~^/w/[^/]+/?$" 1;' in written
    assert '"~^text/html" "default-src \'self\'";' in written
