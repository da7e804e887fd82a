"""Checks: carrying them out side by side, and what is printed of them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from io import TextIOWrapper

import click

from aistudio.doctor.case import Case

CHECK_SECONDS = 8.0


class Level(Enum):
    """How a check ended: its mark, its word and its colour."""

    OK = ("✓", "ok", "green")
    WARNING = ("!", "warning", "yellow")
    FAILED = ("✕", "failed", "red")
    SKIPPED = ("-", "skipped", "bright_black")


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        level: how it ended.
        text: what is, in half a line; never a secret.
        remedy: the next step, as a sentence; '' when none is needed.
    """

    level: Level
    text: str
    remedy: str = ""


def ok(text: str, remedy: str = "") -> Finding:
    """All is well."""
    return Finding(Level.OK, text, remedy)


def warning(text: str, remedy: str) -> Finding:
    """It works, and may not be what was meant."""
    return Finding(Level.WARNING, text, remedy)


def failed(text: str, remedy: str = "") -> Finding:
    """It does not work; the text itself ends with the next step where `remedy` is ''."""
    return Finding(Level.FAILED, text, remedy)


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: what it is called in the report.
        look: looks; null when there is nothing to look at in this environment.
        needs: checks that come before it in the list and have to be well for it to make sense.
        remedy: the next step when `look` does not end in time.
    """

    name: str
    look: Callable[[Case], Awaitable[Finding | None]]
    needs: tuple[str, ...] = ()
    remedy: str = "Try again when the machine has less to do."


async def diagnose(case: Case, checks: Iterable[Check]) -> bool:
    """Look at everything at once, print a line for each check, and say whether nothing failed."""
    if isinstance(sys.stdout, TextIOWrapper):
        # Whose terminal has no ✓ gets a question mark, and the word beside it.
        sys.stdout.reconfigure(errors="replace")
    tasks: dict[str, asyncio.Task[Finding | None]] = {}
    for check in checks:
        tasks[check.name] = asyncio.create_task(
            _carry_out(check, case, [tasks[name] for name in check.needs])
        )
    well = True
    for name, task in tasks.items():
        finding = await task
        if finding is not None:
            _report(name, finding)
            well = well and finding.level is not Level.FAILED
    return well


async def _carry_out(
    check: Check, case: Case, needed: Iterable[asyncio.Task[Finding | None]]
) -> Finding | None:
    for name, task in zip(check.needs, needed, strict=True):
        found = await task
        if found is None:
            return None
        if found.level in (Level.FAILED, Level.SKIPPED):
            return Finding(Level.SKIPPED, f"not looked at, because {name} is not well")
    looking = asyncio.ensure_future(check.look(case))
    # A call that hangs takes its time to be cancelled, too: nobody waits for that.
    done, _ = await asyncio.wait({looking}, timeout=CHECK_SECONDS)
    if not done:
        looking.cancel()
        return failed(f"no answer within {CHECK_SECONDS:.0f} seconds", check.remedy)
    try:
        return looking.result()
    except Exception as error:
        # Its text was written for nobody in particular, and may hold anything.
        return failed(f"the check itself broke ({type(error).__name__})", "Please report this as a bug.")


def _report(name: str, finding: Finding) -> None:
    mark, word, colour = finding.level.value
    click.echo(f"{click.style(f'{mark} {word:<8}', fg=colour)} {name:<11} {finding.text}")
    if finding.remedy:
        click.echo(f"{'':<10} {'':<11} {finding.remedy}")
