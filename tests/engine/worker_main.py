"""A worker as a process of its own, to be killed: reads the environment and works."""

import asyncio
import logging

from aistudio.engine.client import connect
from aistudio.engine.worker import run_worker
from aistudio.llm.client import ModelClient
from aistudio.settings import Settings
from aistudio.store.database import Database


async def main() -> None:
    settings = Settings(_env_file=None)
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value())
    await run_worker(await connect(settings), database, ModelClient(settings), settings)


logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
