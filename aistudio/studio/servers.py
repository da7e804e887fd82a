"""What a use case says when PostgreSQL or Temporal is away."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import ProgrammingError

from aistudio.engine.client import EngineUnavailable
from aistudio.store.errors import DatabaseUnavailable
from aistudio.studio.errors import unavailable

logger = logging.getLogger(__name__)


@contextmanager
def answering() -> Iterator[None]:
    """Turn a server that is away into StudioError 503 `unavailable`, with a sentence that names it."""
    try:
        yield
    except DatabaseUnavailable as error:
        # PostgreSQL's own words name hosts and users: they are for the log.
        logger.warning("PostgreSQL is unavailable: %s", error)
        raise unavailable("database", "PostgreSQL does not answer.") from error
    except EngineUnavailable as error:
        raise unavailable("temporal", str(error)) from error
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise
        raise unavailable("schema", "The database's schema is not up to date yet.") from error
