"""What is wrong with this machine: Python, variables, Node, ports, the home."""

import asyncio
import os
import platform
import shutil
import sys
import sysconfig

import click
from reflex_base.constants import Node
from reflex_base.environment import environment as reflex

from aistudio import environment
from aistudio.doctor.case import Case
from aistudio.doctor.examination import Finding, failed, ok, warning
from aistudio.embedded.ports import require_free
from aistudio.embedded.processes import EmbeddedError
from aistudio.embedded.web import ports_on, reflex_run
from aistudio.studio.health import installed_version

OLDEST_PYTHON = (3, 11)
# PostgreSQL stops when the disk is full; the first start and the page's build take less than the second.
LEAST_MB = 200
AMPLE_MB = 1000

SCRIPTS = sysconfig.get_path("scripts")


async def python(case: Case) -> Finding:
    """Whether Python is new enough."""
    text = f"{platform.python_version()}, with AI Studio {installed_version()}"
    if sys.version_info < OLDEST_PYTHON:
        return failed(text, "Install Python {}.{} or newer.".format(*OLDEST_PYTHON))
    return ok(text)


async def variables(case: Case) -> Finding:
    """Whether every variable can be used, and is one."""
    if case.faults:
        return failed(" ".join(case.faults), "Correct that in the environment or in .env.")
    alike = environment.misspelt()
    if alike:
        text = "; ".join(f"{name} is not read, {other} would be" for name, other in alike.items())
        return warning(text, "If that is a slip, rename it.")
    return ok("all of them can be used")


async def node(case: Case) -> Finding:
    """Whether the page can be built here, if it is."""
    if not _builds_the_page(case):
        return ok("none came with this environment; only building the page needs it")
    remedy = "Install aistudio[embedded], which brings both (`make setup` does)."
    versions = []
    for program in ("node", "npm"):
        path = _program(program)
        found = await _output(path, "--version") if path else None
        if found is None:
            return failed(f"{program} is missing, and the page is built with it", remedy)
        versions.append(found.removeprefix("v"))
    text = "{}, npm {}".format(*versions)
    if _numbers(versions[0]) < _numbers(Node.MIN_VERSION):
        return failed(f"{text}; Node must be {Node.MIN_VERSION} or newer", remedy)
    return ok(text)


async def ports(case: Case) -> Finding | None:
    """Whether `make run` gets its ports, or the studio that runs here has them."""
    if not _builds_the_page(case):
        return None
    try:
        program = await asyncio.to_thread(reflex_run, ())
    except click.ClickException as error:
        return failed(error.format_message(), "Correct that variable.")
    both = sorted({program.page_port, program.port})
    own = await asyncio.to_thread(ports_on, case.home.directory)
    taken = []
    for port in both:
        try:
            if port not in own:
                require_free(port, "")
        except EmbeddedError as error:
            taken.append(str(error).strip())
    if taken:
        return failed(" ".join(taken), f"{program.remedy}.")
    state = "used by the studio that runs here" if own.intersection(both) else "free"
    return ok(f"{' and '.join(map(str, both))}: {state}")


async def home(case: Case) -> Finding | None:
    """Whether the embedded servers can keep their data."""
    if not case.owner and case.settings.database_url and case.settings.temporal_address:
        return None
    directory = case.home.directory
    existing = next(path for path in (directory, *directory.parents) if os.path.exists(path))  # noqa: ASYNC240
    megabytes = (await asyncio.to_thread(shutil.disk_usage, existing)).free // 2**20
    text = f"{directory}, {megabytes / 1024:.1f} GB free"
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):  # noqa: ASYNC240
        remedy = "Make it a directory that this user may write to, or set AISTUDIO_HOME to another."
        return failed(f"{existing} cannot be written to", remedy)
    if megabytes < LEAST_MB:
        return failed(text, "Free some space, or set AISTUDIO_HOME to another disk.")
    if megabytes < AMPLE_MB:
        return warning(text, "Free some space soon.")
    if case.owner:
        return ok(f"{text}; in use by the studio that runs as process {case.owner}")
    return ok(text)


def _builds_the_page(case: Case) -> bool:
    """Whether `make run` is what this environment is for, and not a server of a finished build."""
    if reflex.REFLEX_SKIP_COMPILE.get():
        return False
    servers_elsewhere = case.settings.database_url and case.settings.temporal_address
    return not servers_elsewhere or case.owner is not None or shutil.which("node", path=SCRIPTS) is not None


def _program(name: str) -> str | None:
    return shutil.which(name, path=_search_path())


def _search_path() -> str:
    # The wheel's programs first, as in rxconfig.py.
    return os.pathsep.join([SCRIPTS, os.environ.get("PATH", os.defpath)])


async def _output(*command: str) -> str | None:
    """What it prints; null when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PATH": _search_path()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return printed.decode().strip() if process.returncode == 0 else None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split("-")[0].split(".")]
