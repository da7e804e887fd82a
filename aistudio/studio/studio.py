"""The studio: every use case, composed once per process. The page and the API know nothing below it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aistudio.engine.client import Engine, open_engine
from aistudio.nodes import registry
from aistudio.settings import Settings
from aistudio.store.database import Database
from aistudio.store.hub import Hub
from aistudio.store.migrations import schema_is_current
from aistudio.studio import health
from aistudio.studio.catalog import Catalog, model_view
from aistudio.studio.errors import unavailable
from aistudio.studio.executions import Executions
from aistudio.studio.rate_limit import RateLimit
from aistudio.studio.servers import answering
from aistudio.studio.starts import Starts
from aistudio.studio.views import HealthView, ModelView
from aistudio.studio.workflows import Workflows


class Studio:
    """What people can do here.

    Attributes:
        workflows: drafts, problems, versions.
        starts: new runs.
        executions: runs that were started.
        catalog: node kinds, templates, the model.
    """

    def __init__(
        self, database: Database, hub: Hub, engine: Engine, model: ModelView, rate_limit: RateLimit
    ) -> None:
        kinds = registry.specs()
        self._database = database
        self._engine = engine
        self._rate_limit = rate_limit
        self._schema_seen = False
        self.workflows = Workflows(database, kinds)
        self.starts = Starts(database, engine, kinds, rate_limit)
        self.executions = Executions(database, hub, engine, kinds)
        self.catalog = Catalog(kinds, model)

    async def health(self) -> HealthView:
        """The state of PostgreSQL, its schema, Temporal and, where there is one, Redis."""
        return await health.check(self._database, self._engine, self._rate_limit)

    async def require_schema(self) -> None:
        """Raise StudioError 503 until the schema has once been seen up to date."""
        if self._schema_seen:
            return
        with answering():
            self._schema_seen = await schema_is_current(self._database)
        if not self._schema_seen:
            raise unavailable("schema", health.OUTDATED)


@asynccontextmanager
async def open_studio(settings: Settings) -> AsyncIterator[Studio]:
    """A studio on the servers the settings name; they need not be up yet, and may go away and come back."""
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set: start AI Studio with `make run`, or name a PostgreSQL.")
    url = settings.database_url.get_secret_value()
    database, hub, rate_limit = Database(url), Hub(url), RateLimit(settings)
    # Listening from the start, the first watcher misses no piece of text.
    hub.start()
    try:
        yield Studio(database, hub, await open_engine(settings), model_view(settings), rate_limit)
    finally:
        # First the hub: it ends every watch, which else would ask a closed database.
        await hub.close()
        await database.close()
        await rate_limit.close()
