"""Bringing the schema up to date, once, however many processes start at the same moment."""

import asyncio
import logging
from enum import StrEnum
from functools import cache
from pathlib import Path

import psycopg
from alembic.command import upgrade as apply_missing
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from aistudio.store.database import Database, parameters, reason, unavailable
from aistudio.store.errors import DatabaseUnavailable, MigrationError

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).resolve().parents[2] / "alembic"

# Any number will do as long as nobody else takes it.
LOCK_KEY = 7_305_180_142
LOCK_WAIT = "2min"
POLL_SECONDS = 0.5
# What a migration stumbles over may be gone later; it is not asked as often.
REPEAT_SECONDS = 15.0

TAKE_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
LIMIT_WAIT = text("SELECT set_config('lock_timeout', :wait, true)")
APPLIED = text("SELECT version_num FROM alembic_version")
HAS_VERSIONS = text("SELECT to_regclass('alembic_version') IS NOT NULL")


class SchemaState(StrEnum):
    """How a schema stands to this code.

    `missing` when nothing was ever applied, `newer` when a version was that this code does not know.
    """

    MISSING = "missing"
    OUTDATED = "outdated"
    CURRENT = "current"
    NEWER = "newer"


def upgrade(url: str) -> None:
    """Apply every migration that is missing, in one transaction; blocks, so call it in a thread.

    Of several processes one migrates and the others wait for it. A database that a newer version has migrated
    is left as it is: every migration leaves it usable by the version before, so that one can go back. Raises
    DatabaseUnavailable when PostgreSQL is away, and MigrationError when a migration fails: then nothing has
    changed.
    """
    if not (SCRIPTS / "env.py").is_file():
        raise MigrationError(f"There are no migrations in {SCRIPTS}: AI Studio is not installed whole.")
    engine = create_engine("postgresql+psycopg://", connect_args=parameters(url), poolclass=NullPool)
    with unavailable():
        connection = engine.connect()
    try:
        with connection, connection.begin():
            connection.execute(LIMIT_WAIT, {"wait": LOCK_WAIT})
            connection.execute(TAKE_LOCK, {"key": LOCK_KEY})
            unknown = _applied(connection) - _revisions().keys()
            if unknown:
                logger.warning("The database's schema is of a newer version: %s", ", ".join(sorted(unknown)))
                return
            config = _config()
            config.attributes["connection"] = connection
            apply_missing(config, "head")
            logger.info("The database's schema is at revision %s", ", ".join(_applied(connection)))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(reason(error)) from error
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise MigrationError(
                "Another process has been migrating the database for two minutes."
            ) from error
        raise MigrationError(f"The database could not be migrated: {reason(error)}") from error
    except Exception as error:
        raise MigrationError(
            f"The database could not be migrated: {type(error).__name__}: {error}"
        ) from error


async def upgrade_later(url: str) -> None:
    """Apply every missing migration as soon as PostgreSQL is there, again and again while one fails."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await asyncio.to_thread(upgrade, url)
        except DatabaseUnavailable:
            continue
        except MigrationError as error:
            logger.error("%s Trying again in %.0f s.", error, REPEAT_SECONDS)
            await asyncio.sleep(REPEAT_SECONDS)
        else:
            return


async def schema_state(database: Database) -> SchemaState:
    """How the schema stands to the migrations that this code knows. Raises DatabaseUnavailable."""
    async with database.connect() as connection:
        if not (await connection.execute(HAS_VERSIONS)).scalar_one():
            return SchemaState.MISSING
        applied = set((await connection.execute(APPLIED)).scalars())
    if not applied:
        return SchemaState.MISSING
    known = _revisions()
    if any(known.get(revision) is False for revision in applied):
        return SchemaState.OUTDATED
    return SchemaState.CURRENT if applied <= known.keys() else SchemaState.NEWER


async def schema_is_current(database: Database) -> bool:
    """Whether every migration this code knows has been applied. Raises DatabaseUnavailable.

    A revision this code does not know was written by a newer version that is being rolled out.
    """
    return await schema_state(database) in (SchemaState.CURRENT, SchemaState.NEWER)


async def wait_for_schema(database: Database) -> None:
    """Return once the schema is current, however long that takes; PostgreSQL may be away meanwhile."""
    told = ""
    while True:
        try:
            if await schema_is_current(database):
                return
            now = "the schema, which `aistudio migrate` or the web process applies"
        except DatabaseUnavailable as error:
            now = f"PostgreSQL: {error}"
        if now != told:
            logger.info("Waiting for %s", now)
            told = now
        await asyncio.sleep(POLL_SECONDS)


def _applied(connection: Connection) -> frozenset[str]:
    if not connection.execute(HAS_VERSIONS).scalar_one():
        return frozenset()
    return frozenset(connection.execute(APPLIED).scalars())


def _config() -> Config:
    config = Config()
    # ConfigParser would take a percent sign in the path for its own.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


@cache
def _revisions() -> dict[str, bool]:
    """Every migration this code knows, and whether it is the newest."""
    scripts = ScriptDirectory.from_config(_config())
    return {script.revision: script.is_head for script in scripts.walk_revisions()}
