"""A studio on real servers, and workflows to run in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from aistudio.engine.client import connect
from aistudio.engine.worker import run_worker
from aistudio.llm.client import ModelClient
from aistudio.settings import Settings
from aistudio.store.database import Database
from aistudio.studio.actor import local
from aistudio.studio.studio import Studio, open_studio

LOCAL = local("127.0.0.1")

NOWHERE_DATABASE = "postgresql://nobody@127.0.0.1:1/nothing"
NOWHERE_TEMPORAL = "127.0.0.1:1"


def settings_for(database_url: str, temporal_address: str, **more: Any) -> Settings:
    """Settings that read neither the environment's keys nor a `.env` file."""
    given: dict[str, Any] = {"openrouter_api_key": None, "openai_api_key": None, "openai_base_url": None}
    return Settings(
        _env_file=None,
        database_url=SecretStr(database_url),
        temporal_address=temporal_address,
        **{**given, **more},
    )


@asynccontextmanager
async def studio_on(database_url: str, temporal_address: str, **more: Any) -> AsyncIterator[Studio]:
    """A studio on these servers, with more settings."""
    async with open_studio(settings_for(database_url, temporal_address, **more)) as studio:
        yield studio


@asynccontextmanager
async def worker_on(
    database_url: str, temporal_address: str, *, pace: float = 0, **more: Any
) -> AsyncIterator[None]:
    """A worker on these servers, with the offline model at this pace unless the settings name an endpoint."""
    settings = settings_for(database_url, temporal_address, **more)
    database, model = Database(database_url), ModelClient(settings, offline_pace=pace)
    working = asyncio.create_task(run_worker(await connect(settings), database, model, settings))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await model.aclose()
        await database.close()


def node(node_id: str, kind: str, **config: Any) -> dict[str, Any]:
    """A node with what is required."""
    return {"id": node_id, "kind": kind, "config": config}


def edge(source: str, target: str, port: str = "out") -> dict[str, Any]:
    """An edge with what is required and a port."""
    return {"id": f"{source}-{target}", "source": source, "source_port": port, "target": target}


def runnable(name: str = "Small") -> dict[str, Any]:
    """A workflow that asks an agent and shows the answer."""
    return {
        "schema": 1,
        "name": name,
        "nodes": [
            node("start", "trigger", input="a sample"),
            node("answer", "ai_agent", system_prompt="Answer {{trigger.input}}."),
            node("show", "visualize"),
        ],
        "edges": [edge("start", "answer"), edge("answer", "show")],
    }


def broken() -> dict[str, Any]:
    """A workflow with several problems."""
    return {
        "schema": 1,
        "name": "Broken",
        "nodes": [node("start", "trigger"), node("odd", "no_such_kind")],
        "edges": [edge("start", "odd"), edge("odd", "nobody")],
    }
