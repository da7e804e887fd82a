"""The `aistudio` command."""

import asyncio
import os
import signal
import sys
from typing import NoReturn

import click
from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import SettingsError

from aistudio import logs
from aistudio.embedded.processes import EmbeddedError
from aistudio.embedded.supervisor import supervise
from aistudio.embedded.web import Program, production, reflex_run
from aistudio.settings import Settings, settings


@click.group()
def main() -> None:
    """AI Studio: draw AI workflows in the browser and watch them run."""
    for name, value in dotenv_values(".env").items():
        if value and not os.environ.get(name):
            os.environ[name] = value


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
def worker() -> None:
    """Work on runs until told to stop. Waits for PostgreSQL, its schema and Temporal."""
    configuration = _settings()
    _require(configuration, "DATABASE_URL", "TEMPORAL_ADDRESS")
    logs.configure(configuration.log_format)
    asyncio.run(_work(configuration))


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


async def _work(configuration: Settings) -> None:
    # Imported here: the other commands start servers and need none of it.
    from aistudio.engine.worker import work

    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    try:
        await work(configuration)
    except asyncio.CancelledError:
        click.echo("aistudio: The worker has stopped.", err=True)


def supervised(program: Program) -> NoReturn:
    """Run the program below the supervisor until it ends, and exit as it did; a failure is a sentence."""
    try:
        sys.exit(supervise(program, _settings()))
    except EmbeddedError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _settings() -> Settings:
    try:
        configuration = settings()
    except ValidationError as error:
        faults = [f"{_variable(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise click.ClickException("The environment cannot be used. " + "; ".join(faults)) from error
    except SettingsError as error:
        raise click.ClickException(f"The environment cannot be used: {error} (it must be JSON).") from error
    if configuration.database_url is not None:
        # Imported here: with the embedded server there is nothing to check.
        from aistudio.store.database import parameters

        try:
            parameters(configuration.database_url.get_secret_value())
        except ValueError as error:
            raise click.ClickException(f"DATABASE_URL cannot be used. {error}") from None
    return configuration


def _variable(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location).upper()


def _require(configuration: Settings, *names: str) -> None:
    missing = [name for name in names if getattr(configuration, name.lower()) is None]
    if missing:
        raise click.ClickException(
            f"{' and '.join(missing)} must be set: a worker has no servers of its own."
        )


if __name__ == "__main__":
    main()
