"""Temporal's development server from its wheel, on loopback ports."""

import os
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from aistudio.embedded.processes import EmbeddedError, end, living_in, spawn, tail, wait_until

HOST = "127.0.0.1"

# The defaults are made for clusters. Measured on two cores: the first halves the time of a chain of nodes,
# the two after it let a running activity see a cancel at once, fairness keeps the runs of one client from
# starving another's, the caches keep memory flat over thousands of runs.
DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "2000",
    "system.enableCancelActivityWorkerCommand": "true",
    "frontend.WorkerCommandsEnabled": "true",
    "matching.enableFairness": "true",
    "history.hostLevelCacheMaxSize": "200",
    "history.eventsHostLevelCacheMaxSizeBytes": "8388608",
}
# WAL survives a kill -9 and doubles the throughput.
PRAGMAS = ("journal_mode=wal", "synchronous=normal")


class Temporal:
    """One Temporal server whose database and log are in `directory`."""

    name = "Temporal"

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._log = self._directory / "temporal.log"
        self._port, self._ui_port = _free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port for clients; the same across restarts of the server."""
        return f"{HOST}:{self._port}"

    @property
    def ui_url(self) -> str:
        """Temporal's own page."""
        return f"http://{HOST}:{self._ui_port}"

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Return when it accepts connections; raises EmbeddedError when it does not.

        Ends what an earlier run left behind on the same data.
        """
        binary = installed()
        self._directory.mkdir(parents=True, exist_ok=True)
        end(living_in(self._directory, "temporal"), signal.SIGTERM)
        command = [str(binary), "server", "start-dev", "--ip", HOST, "--log-level", "warn"]
        command += ["--port", str(self._port), "--ui-port", str(self._ui_port)]
        command += ["--db-filename", str(self._directory / "temporal.db")]
        for key, value in DYNAMIC_CONFIG.items():
            command += ["--dynamic-config-value", f"{key}={value}"]
        for pragma in PRAGMAS:
            command += ["--sqlite-pragma", pragma]
        environment = {**without_profile(os.environ), "GOMEMLIMIT": "180MiB"}
        self._process = spawn(command, log=self._log, cwd=self._directory, env=environment)
        if not wait_until(self._listens, lambda: self.pid is not None, timeout=60):
            self.stop()
            raise EmbeddedError(f"Temporal did not start. {self._log} ends with:\n{tail(self._log)}")

    def stop(self) -> None:
        """Shut down; everything written is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self._port)) == 0


def installed() -> Path:
    """The wheel's program; raises EmbeddedError when the wheel is not installed."""
    binary = Path(sysconfig.get_path("scripts")) / "temporal"
    if not binary.exists():
        raise EmbeddedError(
            "Temporal is not installed with this environment. Install aistudio[embedded], or set "
            "TEMPORAL_ADDRESS."
        )
    return binary


def without_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what names another Temporal, its namespace or its keys; nor will a file do."""
    ours = {name: value for name, value in environment.items() if not name.startswith("TEMPORAL_")}
    return {**ours, "TEMPORAL_CONFIG_FILE": os.devnull}


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
