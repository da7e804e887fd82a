"""Bringing the schema up to date, once, however many processes start at the same moment."""

import asyncio
import logging
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from aistudio.store.database import Database, parameters, reason, unavailable
from aistudio.store.errors import DatabaseUnavailable, MigrationError
from alembic import command

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).resolve().parents[2] / "alembic"

# Any number will do as long as nobody else takes it.
LOCK_KEY = 7_305_180_142
LOCK_WAIT = "120s"
POLL_SECONDS = 0.5

TAKE_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
LIMIT_WAIT = text("SELECT set_config('lock_timeout', :wait, true)")
APPLIED = text("SELECT version_num FROM alembic_version")
HAS_VERSIONS = text("SELECT to_regclass('alembic_version') IS NOT NULL")


def upgrade(url: str) -> None:
    """Apply every migration that is missing, in one transaction; blocks, so call it in a thread.

    Of several processes one migrates and the others wait for it. Raises DatabaseUnavailable when PostgreSQL
    is away, and MigrationError when a migration fails: then nothing has changed.
    """
    engine = create_engine("postgresql+psycopg://", connect_args=parameters(url), poolclass=NullPool)
    with unavailable():
        connection = engine.connect()
    try:
        with connection, connection.begin():
            connection.execute(LIMIT_WAIT, {"wait": LOCK_WAIT})
            connection.execute(TAKE_LOCK, {"key": LOCK_KEY})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(reason(error)) from error
        raise MigrationError(f"The database could not be migrated: {reason(error)}") from error
    except CommandError as error:
        raise MigrationError(
            f"The database does not fit this version of AI Studio, perhaps a newer one made it: {error}"
        ) from error
    except SQLAlchemyError as error:
        raise MigrationError(f"The database could not be migrated: {error}") from error


async def schema_is_current(database: Database) -> bool:
    """Whether every migration this code knows has been applied. Raises DatabaseUnavailable."""
    async with database.connect() as connection:
        if not (await connection.execute(HAS_VERSIONS)).scalar_one():
            return False
        return (await connection.execute(APPLIED)).scalars().all() == [_head()]


async def wait_for_schema(database: Database) -> None:
    """Return once the schema is current, however long that takes; PostgreSQL may be away meanwhile."""
    told = ""
    while True:
        try:
            if await schema_is_current(database):
                return
            now = "the schema to be migrated"
        except DatabaseUnavailable as error:
            now = f"PostgreSQL: {error}"
        if now != told:
            logger.info("Waiting for %s", now)
            told = now
        await asyncio.sleep(POLL_SECONDS)


def _config() -> Config:
    config = Config()
    # ConfigParser would take a percent sign in the path for its own.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


@cache
def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()
