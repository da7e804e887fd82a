"""The production build: reused until something it is made of changes."""

from pathlib import Path

import pytest

from aistudio.embedded import build


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small tree of what a build is made of."""
    for name in ("aistudio/ui/page.py", "assets/look.css", "reflex.lock/package.json", "rxconfig.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "changed",
    ["aistudio/ui/page.py", "aistudio/new.jsx", "assets/look.css", "reflex.lock/package.json", "rxconfig.py"],
)
def test_a_change_of_any_source_asks_for_a_new_build(sources: Path, changed: str) -> None:
    before = build.fingerprint(sources)
    (sources / changed).write_text("something else")
    assert build.fingerprint(sources) != before


@pytest.mark.parametrize(
    "made", ["aistudio/ui/__pycache__/page.pyc", "assets/external/shared.js", "README.md"]
)
def test_what_is_made_on_the_way_does_not(sources: Path, made: str) -> None:
    before = build.fingerprint(sources)
    (sources / made).parent.mkdir(parents=True, exist_ok=True)
    (sources / made).write_text("made")
    assert build.fingerprint(sources) == before


def test_two_files_that_swap_their_contents_are_a_change(sources: Path) -> None:
    before = build.fingerprint(sources)
    (sources / "assets/look.css").write_text("rxconfig.py")
    (sources / "rxconfig.py").write_text("assets/look.css")
    assert build.fingerprint(sources) != before
