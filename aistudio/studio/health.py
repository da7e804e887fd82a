"""Whether everything the studio stands on answers."""

import asyncio
from collections.abc import Awaitable
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import text

from aistudio.engine.client import Engine
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.migrations import schema_is_current
from aistudio.studio.views import HealthView

CHECK_SECONDS = 2.0

OUTDATED = "The schema is not up to date; run `aistudio migrate`."


def installed_version() -> str:
    """AI Studio's version, as its package says; `0` when it runs from a source tree without one."""
    try:
        return version("aistudio")
    except PackageNotFoundError:
        return "0"


async def check(database: Database, engine: Engine) -> HealthView:
    """Ask everything at once; answers within about two seconds."""
    names = ("database", "schema", "temporal")
    found = await asyncio.gather(
        _bounded(_database(database), "PostgreSQL"),
        _bounded(_schema(database), "PostgreSQL"),
        _bounded(_temporal(engine), "Temporal"),
    )
    checks = dict(zip(names, found, strict=True))
    status = "ok" if set(found) == {"ok"} else "unavailable"
    return {"status": status, "version": installed_version(), "checks": checks}


async def _bounded(asked: Awaitable[str], server: str) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await asked
    except TimeoutError:
        return f"{server} does not answer within {CHECK_SECONDS:.0f} seconds."
    except DatabaseUnavailable as error:
        return f"PostgreSQL does not answer: {error}."


async def _database(database: Database) -> str:
    async with database.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return "ok"


async def _schema(database: Database) -> str:
    return "ok" if await schema_is_current(database) else OUTDATED


async def _temporal(engine: Engine) -> str:
    return "ok" if await engine.healthy() else f"Temporal at {engine.address} does not answer."
