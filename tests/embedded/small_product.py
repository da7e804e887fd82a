"""The supervisor over real servers, with a web process that starts in no time.

Run as a program: `small_product.py PORT REPORT`. The web process writes to REPORT where its servers are.
"""

import json
import os
import subprocess
import sys
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

from aistudio.cli import supervised
from aistudio.embedded.web import Program

NAMES = (
    "DATABASE_URL",
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_CONFIG_FILE",
    "AISTUDIO_RUN_WORKER",
)


def serve(port: int, report: Path) -> None:
    """The web process: a server, and a child of its own that does not care about signals to its parent.

    It fails at once, and once, when there is a file called like the report with `.fails` behind it.
    """
    fails = report.with_suffix(".fails")
    if fails.exists():
        fails.unlink()
        sys.exit(3)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    report.write_text(json.dumps({name: os.environ.get(name) for name in NAMES}))
    HTTPServer(
        ("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=report.parent)
    ).serve_forever()


def main(port: int, report: Path) -> None:
    """The supervisor."""
    supervised(
        Program(
            command=[sys.executable, __file__, str(port), str(report), "web"],
            port=port,
            page_port=port,
            remedy=f"Stop it, or say PORT={port + 1}",
        )
    )


if __name__ == "__main__":
    (serve if sys.argv[3:] == ["web"] else main)(int(sys.argv[1]), Path(sys.argv[2]))
