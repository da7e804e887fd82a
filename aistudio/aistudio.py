"""The entry: pages, REST mount and lifespan, nothing else."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import reflex as rx

# Reflex imports it on the first event with a payload, and blocks the loop for seconds.
import reflex.model

from aistudio import logs
from aistudio.api.app import UnderApi, create_api
from aistudio.embedded.web import LOCAL
from aistudio.engine.worker import work
from aistudio.nodes import registry
from aistudio.settings import settings
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.migrations import upgrade, upgrade_later
from aistudio.studio.catalog import Catalog, model_view
from aistudio.studio.studio import open_studio
from aistudio.ui.address import ClientAddress
from aistudio.ui.headers import SecurityHeaders
from aistudio.ui.origin import SameOrigin
from aistudio.ui.pages import add_pages, loading, overlay
from aistudio.ui.state import current, use

logger = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The studio, the schema it needs, and the worker where it belongs into this process."""
    configuration = settings()
    logs.configure(configuration.log_format)
    async with open_studio(configuration) as studio:
        use(app, studio)
        assert configuration.database_url is not None, "open_studio would have refused that"
        url = configuration.database_url.get_secret_value()
        tasks = [asyncio.create_task(work(configuration))] if configuration.aistudio_run_worker else []
        try:
            try:
                await asyncio.to_thread(upgrade, url)
            except DatabaseUnavailable as error:
                logger.warning("PostgreSQL is away, so nothing is served but that sentence: %s", error)
                tasks.append(asyncio.create_task(upgrade_later(url)))
            logger.info("Serving")
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


client_address = partial(ClientAddress, hops=settings().trust_proxy)
same_origin = partial(SameOrigin, local=bool(os.environ.get(LOCAL)))
app = rx.App(
    stylesheets=["/tokens.css", "/studio.css"],
    head_components=[rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml")],
    html_lang="en",
    hydrate_fallback=loading,
    toaster=rx.toast.provider(position="bottom-left", close_button=True),
    api_transformer=[partial(UnderApi, create_api(current)), same_origin, SecurityHeaders, client_address],
)
app.app_wraps[5, "Overlay"] = lambda stateful: overlay()
app.register_lifespan_task(lifespan)
add_pages(app, Catalog(registry.specs(), model_view(settings())))
