"""Deleting what is older than RETENTION_DAYS, day after day. Every worker does this, one at a time."""

import asyncio
import logging
from datetime import timedelta

from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.retention import prune

logger = logging.getLogger(__name__)

# Seconds.
PERIOD = 24 * 3600.0
PAUSE_AFTER_ERROR = 600.0


async def prune_for_ever(database: Database, age: timedelta) -> None:
    """Prune now and then again and again, whatever goes wrong in between."""
    while True:
        pause = PERIOD
        try:
            pruned = await prune(database, age)
            if pruned is not None:
                logger.info("Deleted what is older than %d days: %s", age.days, pruned)
        except DatabaseUnavailable as error:
            logger.warning("Old runs could not be deleted: %s", error)
            pause = PAUSE_AFTER_ERROR
        except Exception:
            logger.exception("Old runs could not be deleted")
            pause = PAUSE_AFTER_ERROR
        await asyncio.sleep(pause)
