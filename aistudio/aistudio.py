"""The entry: pages, REST mount and lifespan, nothing else."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import reflex as rx

# Reflex imports it on the first event with a payload, and blocks the loop for seconds.
import reflex.model

from aistudio.api.app import UnderApi, create_api
from aistudio.engine.client import connect
from aistudio.engine.worker import run_worker
from aistudio.llm.client import ModelClient
from aistudio.nodes import registry
from aistudio.settings import settings
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.migrations import upgrade
from aistudio.studio.catalog import Catalog
from aistudio.studio.studio import open_studio
from aistudio.ui.headers import SecurityHeaders
from aistudio.ui.origin import SameOrigin
from aistudio.ui.pages import add_pages, loading, overlay
from aistudio.ui.state import current, use

logger = logging.getLogger(__name__)

MIGRATION_PAUSE_SECONDS = 1.0


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The studio, the schema it needs, and the worker where it belongs into this process."""
    async with open_studio(settings()) as studio:
        use(app, studio)
        tasks = [asyncio.create_task(work())] if settings().aistudio_run_worker else []
        try:
            await migrate()
        except DatabaseUnavailable as error:
            logger.warning("PostgreSQL is away, so nothing is served but that sentence: %s", error)
            tasks.append(asyncio.create_task(migrate_later()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def migrate() -> None:
    """Bring the schema up to date."""
    await asyncio.to_thread(upgrade, database_url())


async def migrate_later() -> None:
    """Bring the schema up to date as soon as PostgreSQL is there."""
    while True:
        await asyncio.sleep(MIGRATION_PAUSE_SECONDS)
        with suppress(DatabaseUnavailable):
            await migrate()
            return


async def work() -> None:
    """A worker inside the web process."""
    model, database = ModelClient(settings()), Database(database_url())
    try:
        await run_worker(await connect(settings()), database, model, settings())
    finally:
        await model.aclose()
        await database.close()


def database_url() -> str:
    """The PostgreSQL that `open_studio` has made sure is named."""
    url = settings().database_url
    assert url is not None
    return url.get_secret_value()


app = rx.App(
    stylesheets=["/tokens.css", "/studio.css"],
    head_components=[rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml")],
    html_lang="en",
    hydrate_fallback=loading,
    toaster=rx.toast.provider(position="bottom-left", close_button=True),
    api_transformer=[partial(UnderApi, create_api(current)), SameOrigin, SecurityHeaders],
)
app.app_wraps[5, "Overlay"] = lambda stateful: overlay()
app.register_lifespan_task(lifespan)
add_pages(app, Catalog(registry.specs(), ModelClient(settings())))
