"""`aistudio reconcile` and `aistudio prune` beside a studio that runs on the same home."""

import os
import subprocess
from pathlib import Path

from aistudio.store import migrations
from tests.embedded.conftest import Start
from tests.support.supervised import aistudio


def test_the_servers_of_a_running_studio_are_found(start: Start, tmp_path: Path) -> None:
    product = start().ready()
    migrations.upgrade(str(product.environment["DATABASE_URL"]))

    def say(*arguments: str) -> str:
        done = subprocess.run(
            aistudio(*arguments),
            cwd=tmp_path,
            env={**os.environ, "AISTUDIO_HOME": str(product.home)},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    assert say("reconcile") == "Unfinished runs compared with Temporal: 0. Amiss: 0.\n"
    assert say("prune", "--older-than", "30d") == (
        "Deleted: 0 runs, 0 deleted workflows and 0 expired idempotency keys.\n"
    )
