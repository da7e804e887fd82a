"""Making a bare `reflex run` the same as `aistudio run`."""

import os
import sys
from pathlib import Path

from aistudio.embedded.web import MARK


def take_over() -> None:
    """Become the supervisor when this process is a `reflex run` without one above it; otherwise do nothing.

    For the first line of rxconfig.py, which `reflex run` imports before it starts anything. The supervisor
    then starts `reflex run` with the same arguments as its child.
    """
    program = Path(sys.argv[0])
    called_reflex = program.name == "reflex" or program.parts[-2:] == ("reflex", "__main__.py")
    if not called_reflex or sys.argv[1:2] != ["run"] or "--frontend-only" in sys.argv or MARK in os.environ:
        return
    os.execv(sys.executable, [sys.executable, "-m", "aistudio.cli", *sys.argv[1:]])
