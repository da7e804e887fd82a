"""Alembic's door: `aistudio.store.migrations` hands in an open connection, inside its transaction."""

from aistudio.store.tables import metadata
from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
