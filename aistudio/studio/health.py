"""Whether everything the studio stands on answers."""

import asyncio
import logging
from collections.abc import Coroutine
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import text

from aistudio.engine.client import Engine
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.migrations import schema_is_current
from aistudio.studio.errors import StudioError
from aistudio.studio.rate_limit import RateLimit
from aistudio.studio.views import HealthView

logger = logging.getLogger(__name__)

CHECK_SECONDS = 2.0

_running: set[asyncio.Task[str]] = set()

OUTDATED = "The schema is not up to date; run `aistudio migrate`."


def installed_version() -> str:
    """AI Studio's version, as its package says; `0` when it runs from a source tree without one."""
    try:
        return version("aistudio")
    except PackageNotFoundError:
        return "0"


async def check(database: Database, engine: Engine, rate_limit: RateLimit) -> HealthView:
    """Ask everything at once; answers within about two seconds."""
    asked = {
        "database": _bounded(_database(database), "PostgreSQL"),
        "schema": _bounded(_schema(database), "PostgreSQL"),
        "temporal": _bounded(_temporal(engine), "Temporal"),
    }
    if rate_limit.shared:
        asked["redis"] = _bounded(_redis(rate_limit), "Redis")
    found = await asyncio.gather(*asked.values())
    checks = dict(zip(asked, found, strict=True))
    status = "ok" if set(found) == {"ok"} else "unavailable"
    return {"status": status, "version": installed_version(), "checks": checks}


async def _bounded(check: Coroutine[None, None, str], server: str) -> str:
    task = asyncio.create_task(check)
    # A query that hangs takes its time to be cancelled, too: nobody waits for that.
    _running.add(task)
    task.add_done_callback(_running.discard)
    done, _ = await asyncio.wait({task}, timeout=CHECK_SECONDS)
    if not done:
        task.cancel()
        return f"{server} does not answer within {CHECK_SECONDS:.0f} seconds."
    try:
        return task.result()
    except DatabaseUnavailable as error:
        logger.warning("PostgreSQL is unavailable: %s", error)
        return "PostgreSQL does not answer; the log says why."


async def _database(database: Database) -> str:
    async with database.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return "ok"


async def _schema(database: Database) -> str:
    return "ok" if await schema_is_current(database) else OUTDATED


async def _redis(rate_limit: RateLimit) -> str:
    try:
        await rate_limit.ping()
    except StudioError:
        return "Redis does not answer; the log says why."
    return "ok"


async def _temporal(engine: Engine) -> str:
    return "ok" if await engine.healthy() else f"Temporal at {engine.address} does not answer."
