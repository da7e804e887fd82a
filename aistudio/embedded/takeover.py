"""What rxconfig.py does when it belongs to a `reflex run`."""

import importlib
import os
import sys
from pathlib import Path

from aistudio.embedded.web import MARK

# The slowest imports of the product, none of which starts a thread.
SLOW = ("alembic", "fastapi", "openai", "reflex.model", "sqlalchemy.ext.asyncio", "temporalio.worker")


def take_over() -> None:
    """Make a bare `reflex run` the same as `aistudio run`; in any other process do nothing.

    Without a supervisor above it this process becomes the supervisor, which starts `reflex run` with the same
    arguments as its child. In that child the slow imports are made here, once, before Reflex forks it into a
    compiler and a server and forks the server again on every change of a file.
    """
    program = Path(sys.argv[0])
    called_reflex = program.name == "reflex" or program.parts[-2:] == ("reflex", "__main__.py")
    if not called_reflex or sys.argv[1:2] != ["run"] or "--frontend-only" in sys.argv:
        return
    if MARK not in os.environ:
        os.execv(sys.executable, [sys.executable, "-m", "aistudio.cli", *sys.argv[1:]])
    for module in SLOW:
        importlib.import_module(module)
