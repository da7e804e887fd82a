"""A product whose parts are killed here."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import psutil
import psycopg
import pytest

from tests.support.supervised import Supervised, alive, answers, free_port

SMALL_PRODUCT = Path(__file__).with_name("small_product.py")


class Product(Supervised):
    """The supervisor over real servers and a small web process."""

    def __init__(self, home: Path, log: Path, port: int, **env: str) -> None:
        self.port = port
        self.home = home
        self._report = log.with_suffix(".json")
        self._report.unlink(missing_ok=True)
        super().__init__([sys.executable, str(SMALL_PRODUCT), str(port), str(self._report)], home, log, env)

    @property
    def environment(self) -> dict[str, str | None]:
        """What the web process was told."""
        told: dict[str, str | None] = json.loads(self._report.read_text())
        return told

    def ready(self) -> "Product":
        """Wait until the web process answers."""
        # The port alone may still be that of a web process that is about to die.
        self.wait_for(lambda: self._report.exists() and answers(self.port), 60, "web process")
        return self

    def database_answers(self) -> bool:
        """Whether a statement goes through."""
        try:
            with psycopg.connect(str(self.environment["DATABASE_URL"])) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def temporal_answers(self) -> bool:
        """Whether its port is open."""
        return answers(int(str(self.environment["TEMPORAL_ADDRESS"]).rpartition(":")[2]))

    def expect_nothing_left(self, processes: list[psutil.Process]) -> None:
        """None of them runs any more."""
        assert [process for process in processes if alive(process)] == []


Start: TypeAlias = Callable[..., Product]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a product; by default always on the same home."""
    started: list[Product] = []

    def start_one(home: str = "home", port: int | None = None, **env: str) -> Product:
        log = tmp_path / f"run-{len(started)}.log"
        started.append(Product(tmp_path / home, log, port or free_port(), **env))
        return started[-1]

    yield start_one
    for product in started:
        product.end()
