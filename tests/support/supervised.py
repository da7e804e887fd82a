"""A supervised product in a terminal of its own, for tests that kill parts of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


def copy_checkout(root: Path) -> None:
    """Copy what git knows, as a clone would have it: no build, no data, nothing that is ignored."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


class Supervised:
    """A command in a session (so a process group) of its own, as a terminal would start it."""

    def __init__(
        self, command: Sequence[str], home: Path, log: Path, env: Mapping[str, str], root: Path = ROOT
    ) -> None:
        self.log = log
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "AISTUDIO_HOME": str(home), **env},
            stdin=subprocess.DEVNULL,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text()

    def processes(self) -> list[psutil.Process]:
        """It and everything below it."""
        itself = psutil.Process(self._process.pid)
        return [itself, *itself.children(recursive=True)]

    def find(self, name: str) -> psutil.Process:
        """The topmost process below it whose command line mentions `name`."""
        for process in self.processes()[1:]:
            if any(name in part for part in process.cmdline()):
                return process
        raise AssertionError(f"nothing called {name} runs below process {self._process.pid}")

    def wait_for(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Poll until the condition holds; fails with the output when that takes longer, or when it ends."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert self._process.poll() is None, f"ended while waiting for {what}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {what} after {timeout} s:\n{self.output}"
            time.sleep(0.05)

    def wait_for_port(self, port: int, timeout: float = 60) -> None:
        """Until something accepts connections on the port."""
        self.wait_for(lambda: answers(port), timeout, f"answer on port {port}")

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole process group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def terminate(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor alone."""
        self._process.send_signal(number)

    def kill_group(self) -> None:
        """kill -9 of the whole process group."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, timeout: float = 30) -> int:
        """Its exit code."""
        return self._process.wait(timeout)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill_group()


def aistudio(*arguments: str) -> list[str]:
    """The command line of `aistudio ARGUMENTS`."""
    return [sys.executable, "-m", "aistudio.cli", *arguments]


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(process: psutil.Process) -> bool:
    """Whether it still runs: a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
