"""What is committed: nothing of one machine, nothing secret."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip._internal.models.index import PyPI
from reflex_base.constants import GitIgnore

from tests.support.supervised import ROOT


def registries() -> set[str]:
    """The hosts this machine's package tools ask, asked for here because no commit may name them."""
    npm = Path(sys.executable).with_name("npm")
    asked = subprocess.run(
        [npm, "config", "get", "registry"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": os.pathsep.join([str(npm.parent), os.environ["PATH"]])},
    )
    hosts = {urlsplit(asked.stdout.strip()).hostname, PyPI.netloc, PyPI.file_storage_domain}
    for source in Path("/etc/apt").glob("sources.list*/*.*"):
        hosts |= {urlsplit(url).hostname for url in re.findall(r"https?://\S+", source.read_text())}
    # A mirror on this machine has no name to give away.
    return {host for host in hosts if host and host not in {"localhost", "127.0.0.1"}}


def machine_paths() -> set[str]:
    """Where this checkout and its user live."""
    return {f"{path}/" for path in (ROOT, Path.home()) if path != Path("/")}


def committed() -> list[Path]:
    """Every file that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    names = registries() | machine_paths()
    assert len(names) >= 4
    contents = {path.relative_to(ROOT): path.read_bytes() for path in committed()}
    found = {(str(path), name) for path, text in contents.items() for name in names if name.encode() in text}
    assert found == set()


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
