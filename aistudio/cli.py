"""The `aistudio` command."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from aistudio import environment, logs
from aistudio.embedded.processes import EmbeddedError
from aistudio.embedded.supervisor import supervise
from aistudio.embedded.web import Program, finished_build, production, reflex_run, serving
from aistudio.settings import Settings

if TYPE_CHECKING:
    from aistudio.store.database import Database

ALIVE_SECONDS = 5


@click.group()
def main() -> None:
    """AI Studio: draw AI workflows in the browser and watch them run."""
    environment.load_dotenv()


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run for development: page on port 3000, API on 8000. ARGUMENTS go to `reflex run`."""
    supervised(reflex_run(arguments))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="The port of page and API.")
def serve(host: str, port: int) -> None:
    """Serve the production build: page, API and worker on one port."""
    supervised(production(host, port))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="The port of API and page events.")
def backend(host: str, port: int) -> None:
    """Serve the API and the page's events, on servers the environment names. A web server has the page."""
    _require(_settings(), "DATABASE_URL", "TEMPORAL_ADDRESS")
    command = serving(host, port)
    os.execve(command[0], command, {**os.environ, **finished_build()})


@main.command()
@click.option(
    "--drain",
    default=20.0,
    show_default=True,
    help="Seconds that what is running may take to end when the worker is told to stop.",
)
@click.option(
    "--alive",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"A file to touch every {ALIVE_SECONDS} s, for whoever watches over the worker.",
)
def worker(drain: float, alive: Path | None) -> None:
    """Work on runs until told to stop. Waits for PostgreSQL, its schema and Temporal."""
    configuration = _settings()
    _require(configuration, "DATABASE_URL", "TEMPORAL_ADDRESS")
    logs.configure(configuration.log_format)
    asyncio.run(_work(configuration, timedelta(seconds=drain), alive))


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from aistudio.store import migrations
    from aistudio.store.errors import DatabaseUnavailable, MigrationError

    url = _settings().database_url
    if url is None:
        raise click.ClickException("DATABASE_URL is not set. The embedded server is migrated by itself.")
    try:
        migrations.upgrade(url.get_secret_value())
    except (DatabaseUnavailable, MigrationError) as error:
        raise click.ClickException(str(error)) from error
    click.echo("The schema is up to date.")


@main.command()
def doctor() -> None:
    """Say what is wrong with this environment, and how to mend it."""
    # Imported here: it needs every room.
    from aistudio.doctor.case import take_case
    from aistudio.doctor.checks import CHECKS
    from aistudio.doctor.examination import diagnose

    # No `asyncio.run`, and no orderly exit: both would wait for a thread that asks a silent name server.
    well = asyncio.new_event_loop().run_until_complete(diagnose(take_case(), CHECKS))
    sys.stdout.flush()
    os._exit(0 if well else 1)


@main.command()
def reconcile() -> None:
    """Compare unfinished runs with Temporal once, as every worker does all the time, and put them right."""
    from aistudio.engine.client import EngineUnavailable
    from aistudio.store.errors import DatabaseUnavailable

    configuration = _running()
    _require(configuration, "DATABASE_URL", "TEMPORAL_ADDRESS")
    try:
        asyncio.run(_reconcile(configuration))
    except DatabaseUnavailable as error:
        raise click.ClickException(f"PostgreSQL is away: {error}") from error
    except EngineUnavailable as error:
        raise click.ClickException(str(error)) from error


class Age(click.ParamType[timedelta]):
    """A number of days or hours, as in 30d or 12h."""

    name = "age"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The age as a timedelta."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,5})([dh])", value)
        if found is None:
            self.fail(f"{value!r} is no age. Write days or hours, as in 30d or 12h.", param, ctx)
        number = int(found[1])
        return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


@main.command()
@click.option("--older-than", type=Age(), help="As in 30d or 12h.  [default: RETENTION_DAYS]")
def prune(older_than: timedelta | None) -> None:
    """Delete runs that ended longer ago than that, with all that hangs on them.

    Workflows that were deleted as long ago go too, once no run of theirs is left. A run that has not ended
    stays, however old.
    """
    from aistudio.store.errors import DatabaseUnavailable

    configuration = _running()
    _require(configuration, "DATABASE_URL")
    if older_than is None:
        if configuration.retention_days is None:
            raise click.UsageError("Say how old, as in --older-than 30d, or set RETENTION_DAYS.")
        older_than = timedelta(days=configuration.retention_days)
    try:
        asyncio.run(_prune(configuration, older_than))
    except DatabaseUnavailable as error:
        raise click.ClickException(f"PostgreSQL is away: {error}") from error


async def _reconcile(configuration: Settings) -> None:
    from aistudio.engine.client import open_engine
    from aistudio.engine.reconciler import reconcile
    from aistudio.nodes import registry

    async with _database(configuration) as database:
        found = await reconcile(await open_engine(configuration), database, registry.specs())
    for repair in found.repairs:
        click.echo(str(repair))
    click.echo(f"Unfinished runs compared with Temporal: {found.compared:,}. Amiss: {len(found.repairs):,}.")


async def _prune(configuration: Settings, age: timedelta) -> None:
    from aistudio.store import retention

    async with _database(configuration) as database:
        pruned = await retention.prune(database, age)
    click.echo("Another process is deleting already." if pruned is None else f"Deleted: {pruned}.")


@asynccontextmanager
async def _database(configuration: Settings) -> AsyncIterator["Database"]:
    """The database that the settings name, once its schema is known to be up to date."""
    from aistudio.store.database import Database
    from aistudio.store.migrations import schema_is_current

    assert configuration.database_url is not None
    database = Database(configuration.database_url.get_secret_value())
    try:
        if not await schema_is_current(database):
            raise click.ClickException("The database's schema is not up to date. Run `aistudio migrate`.")
        yield database
    finally:
        await database.close()


async def _work(configuration: Settings, drain: timedelta, alive: Path | None) -> None:
    # Imported here: the other commands start servers and need none of it.
    from aistudio.engine.worker import work

    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    touching = None if alive is None else asyncio.create_task(_touch(alive))
    try:
        await work(configuration, drain)
    except asyncio.CancelledError:
        click.echo("aistudio: The worker has stopped.", err=True)
    finally:
        if touching is not None:
            touching.cancel()


async def _touch(alive: Path) -> None:
    # On the event loop on purpose: when that hangs, so does this.
    while True:
        alive.touch()  # noqa: ASYNC240
        await asyncio.sleep(ALIVE_SECONDS)


def supervised(program: Program) -> NoReturn:
    """Run the program below the supervisor until it ends, and exit as it did; a failure is a sentence."""
    try:
        sys.exit(supervise(program, _settings()))
    except EmbeddedError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _settings() -> Settings:
    try:
        return environment.read()
    except environment.UnusableEnvironment as error:
        raise click.ClickException(str(error)) from error


def _running() -> Settings:
    """The settings, and where they name no server, those of the studio that runs on the same home."""
    from aistudio.doctor.case import take_case

    _settings()
    return take_case().settings


def _require(configuration: Settings, *names: str) -> None:
    missing = [name for name in names if getattr(configuration, name.lower()) is None]
    if missing:
        raise click.ClickException(
            f"{' and '.join(missing)} must be set: this command has no servers of its own."
        )


if __name__ == "__main__":
    main()
