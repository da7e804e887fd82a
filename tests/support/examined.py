"""`aistudio doctor` as a process, and what it reported."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.supervised import aistudio

LINE = re.compile(r"^[✓!✕?-] (ok|warning|failed|skipped) +(\w+) +(.*)$")


class Report:
    """A finished examination.

    Attributes:
        code: the exit code.
        output: everything it printed, on both streams.
        words: how each check ended, by its name.
        texts: what each check said, with its next step.
    """

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output
        self.words: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        name = ""
        for line in output.splitlines():
            if found := LINE.match(line):
                word, name, text = found.groups()
                self.words[name], self.texts[name] = word, text
            else:
                assert name, f"no line of a report: {line}"
                self.texts[name] += " " + line.strip()

    def named(self, word: str) -> set[str]:
        """The checks that ended so."""
        return {name for name, ended in self.words.items() if ended == word}


def examine(directory: Path, env: Mapping[str, str]) -> Report:
    """Run `aistudio doctor` in this directory, in the tests' environment with this added to it."""
    done = subprocess.run(
        aistudio("doctor"),
        cwd=directory,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    return Report(done.returncode, done.stdout)
