"""The production build of the page: made once, reused until something it is made of changes."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from aistudio.embedded.processes import EmbeddedError, say

# Not the development server's own directory: both may run at once.
DIRECTORY = Path(".web-production")
# Reflex's web directory, which Reflex empties when it feels like it.
WORK = DIRECTORY / "work"
# One directory a build, so that a new one takes nothing away from a server that runs on an older one.
PUBLISHED = DIRECTORY / "published"
KEPT = 3
# What of Reflex's web directory a server reads.
PARTS = ("build/client", "backend")
SOURCES = ("aistudio", "assets", "reflex.lock", "rxconfig.py")


def build(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Build and publish the page unless that is done already; raises EmbeddedError when it fails.

    Answers the environment that points Reflex at what was published.
    """
    PUBLISHED.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Taken before the build: what is saved while it goes on is not in it.
        published = PUBLISHED / fingerprint(Path())[:16]
        if published.exists():
            published.touch()
        else:
            say("Building the page; later starts reuse it.")
            command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
            exported = subprocess.run(
                command, env={**environment, "REFLEX_WEB_WORKDIR": str(WORK)}, check=False
            )
            if exported.returncode != 0:
                raise EmbeddedError("The page could not be built; the reason stands above.")
            _publish(published)
        return {"REFLEX_WEB_WORKDIR": str(published)}


def _publish(target: Path) -> None:
    unfinished = DIRECTORY / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in PARTS:
        if (WORK / part).exists():
            shutil.copytree(WORK / part, unfinished / part)
    unfinished.rename(target)
    newest = sorted(PUBLISHED.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest[KEPT:]:
        shutil.rmtree(old)


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
