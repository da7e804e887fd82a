"""A Redis server that a test may stop, hang and start again."""

import shutil
import signal
import subprocess
from pathlib import Path

import redis

from tests.support.supervised import free_port


class RedisServer:
    """`redis-server` on a port of its own; it keeps nothing on the disk.

    Attributes:
        url: where it is, as for REDIS_URL.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, empty, and return when it answers; that it is not installed is a failure."""
        program = shutil.which("redis-server")
        assert program, "no Redis on this machine: install the package `redis-server`"
        self._process = subprocess.Popen(
            [program, "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=(self._directory / "redis.log").open("ab"),
            stderr=subprocess.STDOUT,
        )
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200)
        with redis.Redis(port=self._port, retry=retry) as client:
            client.ping()

    def names(self) -> list[str]:
        """What everything that is counted is called."""
        with redis.Redis(port=self._port, decode_responses=True) as client:
            return list(client.scan_iter())

    def forget(self) -> None:
        """Drop everything that was counted."""
        with redis.Redis(port=self._port) as client:
            client.flushall()

    def hang(self) -> None:
        """Keep every connection and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Answer again."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait(10)
