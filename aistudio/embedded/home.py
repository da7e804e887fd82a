"""AISTUDIO_HOME: the directory of the embedded servers' data, used by one run at a time."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from aistudio.embedded.processes import EmbeddedError


class Home:
    """The directory, claimed for this process until it ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._lock: TextIO | None = None

    def claim(self) -> None:
        """Make the directory and take its lock; raises EmbeddedError when another run has it."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = (self.directory / "lock").open("a+")
        except OSError as error:
            raise EmbeddedError(
                f"{self.directory} cannot be used: {error.strerror}. Set AISTUDIO_HOME to another."
            ) from error
        try:
            # The kernel lets go of it when this process dies, and no child inherits it.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _owner(lock)
            lock.close()
            raise EmbeddedError(
                f"AI Studio (process {owner}) already runs on {self.directory}. Stop it first, or set "
                "AISTUDIO_HOME to another directory for this one."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def owner(self) -> str | None:
        """The process id of the run that has claimed the directory, or null; claims and makes nothing."""
        try:
            with (self.directory / "lock").open() as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _owner(lock)
        except OSError:
            return None
        return None

    def release(self) -> None:
        """Let another run have it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _owner(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read().strip() or "unknown"
