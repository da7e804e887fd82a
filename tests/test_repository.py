"""What is committed: nothing of one machine, nothing secret."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from reflex_base.constants import GitIgnore

from tests.support.supervised import ROOT

# Split, so that this file does not name them.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("deb", "debian", "org"),
    )
]
MACHINE = [
    "/".join(parts)
    for parts in (("", "work", "main"), ("", "opt", "pypi"), ("", "root", ""), ("", "home", ""))
]


def committed() -> list[Path]:
    """Every file that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", REGISTRIES + MACHINE)
def test_no_file_names_a_registry_or_a_path_of_one_machine(name: str) -> None:
    content = name.encode()
    assert [str(path.relative_to(ROOT)) for path in committed() if content in path.read_bytes()] == []


def test_the_npm_lock_pins_everything_and_names_no_address() -> None:
    lock = (ROOT / "reflex.lock" / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


def test_the_python_locks_pin_everything_by_hash_and_name_no_address() -> None:
    for name in ("base.txt", "dev.txt"):
        lock = (ROOT / "deploy" / "requirements" / name).read_text()
        assert re.search(r"https?://|^-|^--", lock, re.MULTILINE) is None
        for requirement in re.findall(r"^\S+==.*(?:\n {4}--hash.*)*", lock, re.MULTILINE):
            assert "--hash=sha256:" in requirement


@pytest.mark.parametrize(("lock", "extras"), [("base.txt", []), ("dev.txt", ["embedded", "dev"])])
def test_the_locks_are_those_of_pyproject(lock: str, extras: list[str]) -> None:
    """After a change of pyproject.toml: `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for name in extras for one in project["optional-dependencies"][name]),
    ]
    text = (ROOT / "deploy" / "requirements" / lock).read_text()
    pinned = dict(re.findall(r"^([\w.-]+)(?:\[\w,]+\])?==(\S+)", text, re.MULTILINE))
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_reflex_finds_nothing_to_add_to_what_git_ignores() -> None:
    assert set(GitIgnore.DEFAULTS) <= set((ROOT / ".gitignore").read_text().splitlines())


def test_no_environment_file_is_committed_or_enters_a_build_context() -> None:
    names = {path.name for path in committed()}
    assert {name for name in names if name.startswith(".env")} == {".env.example"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "**/.env*" in ignored
    assert not [line for line in ignored if line.startswith("!")]
