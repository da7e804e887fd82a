"""The production build of the page: made once, reused until something it is made of changes."""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import click

from aistudio.embedded.processes import EmbeddedError

# Not the development server's own directory: both may run at once.
DIRECTORY = Path(".web-production")
SOURCES = ("aistudio", "assets", "reflex.lock", "rxconfig.py")


def build(environment: Mapping[str, str]) -> None:
    """Build the page into DIRECTORY unless what is there is current; raises EmbeddedError when that fails."""
    DIRECTORY.mkdir(exist_ok=True)
    stamp = DIRECTORY / "aistudio-sources"
    with (DIRECTORY / "aistudio-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint(Path())
        if stamp.exists() and stamp.read_text() == wanted:
            return
        click.echo("aistudio: Building the page; later starts reuse it.", err=True)
        stamp.unlink(missing_ok=True)
        command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
        exported = subprocess.run(command, env={**environment, **web_directory()}, check=False)
        if exported.returncode != 0:
            raise EmbeddedError("The page could not be built; the reason stands above.")
        stamp.write_text(wanted)


def web_directory() -> dict[str, str]:
    """The environment that points Reflex at DIRECTORY."""
    return {"REFLEX_WEB_WORKDIR": str(DIRECTORY)}


def fingerprint(root: Path) -> str:
    """A digest of everything below `root` that the build is made of, and of Reflex's version."""
    digest = hashlib.sha256(version("reflex").encode())
    for path in _files(root):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for source in SOURCES:
        for path in sorted((root / source).rglob("*")) if (root / source).is_dir() else [root / source]:
            # assets/external is made by Reflex, of files that are hashed where they come from.
            if path.is_file() and "__pycache__" not in path.parts and "external" not in path.parts:
                yield path
