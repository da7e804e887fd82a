"""A worker as a process of its own, to be killed: reads the environment and works."""

import asyncio
import logging

from aistudio.engine.worker import work
from aistudio.settings import Settings

logging.basicConfig(level=logging.WARNING)
asyncio.run(work(Settings(_env_file=None)))
