"""Child processes that end with us, and finding the ones that an earlier run left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import click
import psutil


class EmbeddedError(Exception):
    """An embedded server could not be started; the message is a sentence for the person at the terminal."""


def say(sentence: str) -> None:
    """Tell the person at the terminal."""
    click.echo(f"aistudio: {sentence}", err=True)


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    unprivileged: bool = False,
    on_orphan: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C at the terminal does not reach it.

    On Linux the kernel sends it `on_orphan` when this process dies. `unprivileged` gives up root, if
    we are root: PostgreSQL refuses to run as root.
    """
    # setpriv sets the death signal after it has changed the user: the kernel clears it on that change,
    # so Python's own preexec_fn plus `user=` would lose it.
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_setpriv(unprivileged, on_orphan), *command],
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def spawn_here(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program at this terminal and in this process group, deaf to Ctrl-C: whoever starts it ends it.

    On Linux the kernel sends it SIGTERM when this process dies.
    """
    # An ignored signal stays ignored across exec, so a program that is still starting prints no traceback.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen([*_setpriv(False, signal.SIGTERM), *command], env=dict(environment))
    finally:
        signal.signal(signal.SIGINT, before)


def run_unprivileged(command: Sequence[str], *, cwd: Path) -> None:
    """Run a command to its end without root's rights; raises EmbeddedError with what it printed."""
    done = subprocess.run(
        [*_setpriv(True, signal.SIGTERM), *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")


def is_root() -> bool:
    return os.geteuid() == 0


def _setpriv(unprivileged: bool, on_orphan: signal.Signals) -> list[str]:
    if sys.platform != "linux":
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if unprivileged and is_root():
            raise EmbeddedError(
                "PostgreSQL does not run as root, and setpriv (package util-linux) is missing to start it as "
                "somebody else. Install it, or run as an ordinary user, or set DATABASE_URL."
            )
        return []
    prefix = [setpriv, "--pdeathsig", on_orphan.name.removeprefix("SIG")]
    if unprivileged and is_root():
        # The one capability lets `nobody` reach a checkout below /root without opening /root to everybody.
        prefix += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*prefix, "--"]


def living_in(directory: Path, name: str) -> list[psutil.Process]:
    """The processes called `name` whose working directory is `directory`: what an earlier run left."""
    found = []
    for process in psutil.process_iter(["name", "cwd"]):
        if process.info["name"] != name or process.info["cwd"] is None:
            continue
        if process.info["cwd"].removesuffix(" (deleted)") == str(directory):
            found.append(process)
    return found


def marked(variable: str, value: str) -> list[psutil.Process]:
    """Every other process of ours whose environment carried `variable=value` when it was started."""
    found = []
    for process in psutil.process_iter(["environ"]):
        environ = process.info["environ"]
        if process.pid != os.getpid() and environ is not None and environ.get(variable) == value:
            found.append(process)
    return found


def end(
    processes: Iterable[psutil.Process], first: signal.Signals | None = None, *, patience: float = 5.0
) -> None:
    """Send `first` when there is one, wait up to `patience` seconds, then SIGKILL what is left and wait."""
    left = list(processes)
    if first is not None:
        for process in left:
            _signal(process, first)
        left = psutil.wait_procs(left, timeout=patience)[1]
    for process in left:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def wait_until(ready: Callable[[], bool], alive: Callable[[], bool], timeout: float) -> bool:
    """Poll until `ready`; False when it is no longer `alive` or `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive() or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a server's log, for an error that a person reads."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
