"""Runs the page's plain JavaScript modules under Node, so that their rules are tested without a browser."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CLIENT = Path(__file__).parents[2] / "assets" / "client"


def call(module: str, expression: str, argument: Any) -> Any:
    """The value of `expression` over `it` (each of the list `argument`) with the module's exports in `m`."""
    script = f"""
        import * as m from {json.dumps((CLIENT / module).as_uri())};
        let text = "";
        for await (const chunk of process.stdin) text += chunk;
        const answers = JSON.parse(text).map((it) => ({expression}) ?? null);
        process.stdout.write(JSON.stringify(answers));
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["node", "--no-warnings", "--input-type=module", "--eval", script],
        input=json.dumps(argument),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
