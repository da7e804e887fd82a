"""A real Docker engine: the one that answers already, or Debian's, started here and ended with all it has."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

READY_SECONDS = 60
COMMAND_SECONDS = 600


class Engine:
    """Where `docker` commands go."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._daemon: subprocess.Popen[bytes] | None = None
        self.environment = dict(os.environ)

    def start(self) -> None:
        """Return when it answers; without one on this machine, start one with its data in the directory."""
        if self._answers():
            return
        socket = f"unix://{self._directory}/docker.sock"
        command = ["dockerd", "--host", socket, "--mtu", str(smallest_mtu())]
        for option in ("data-root", "exec-root"):
            command += [f"--{option}", str(self._directory / option)]
        command += ["--pidfile", str(self._directory / "docker.pid")]
        self._directory.mkdir(parents=True, exist_ok=True)
        self.environment["DOCKER_HOST"] = socket
        with self.log.open("wb") as log:
            self._daemon = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert self._daemon.poll() is None, f"dockerd ended:\n{self.log.read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"dockerd does not answer:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.2)

    def stop(self) -> None:
        """End what was started here, and leave nothing of it."""
        if self._daemon is None:
            return
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._daemon.pid, signal.SIGKILL)
            self._daemon.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def own(self) -> bool:
        """Whether it was started here, so that nobody else uses it."""
        return self._daemon is not None

    @property
    def log(self) -> Path:
        """What the daemon said."""
        return self._directory / "dockerd.log"

    def docker(self, *arguments: str, timeout: float = COMMAND_SECONDS, **options: object) -> str:
        """What `docker ARGUMENTS` prints; its failure is the test's."""
        return self.run(["docker", *arguments], timeout=timeout, **options)

    def run(
        self, command: Sequence[str], *, timeout: float = COMMAND_SECONDS, cwd: Path | None = None
    ) -> str:
        """What a command prints that talks to this engine."""
        done = self.attempt(command, timeout=timeout, cwd=cwd)
        assert done.returncode == 0, (
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-6000:]}"
        )
        return done.stdout

    def attempt(
        self, command: Sequence[str], *, timeout: float = COMMAND_SECONDS, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same, for commands that may fail."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def _answers(self) -> bool:
        return self.attempt(["docker", "version"], timeout=20).returncode == 0


def smallest_mtu() -> int:
    """What this machine's own links let through, so that builds reach what the machine reaches."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return min([1500, *(int(mtu) for mtu in re.findall(r"\bmtu (\d+)", links) if int(mtu) >= 1280)])
