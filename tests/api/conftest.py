"""The API over a real studio: in process for plain calls, behind the production server for streams."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from aistudio.api.app import create_api
from aistudio.studio.studio import Studio
from tests.studio.serving import studio_on


@pytest.fixture
async def studio(database_url: str, temporal_address: str) -> AsyncIterator[Studio]:
    """A studio on a database of its own."""
    async with studio_on(database_url, temporal_address) as opened:
        yield opened


def in_process(studio: Studio) -> httpx2.AsyncClient:
    """A client of the studio's API in this process: for everything that does not stream."""
    transport = httpx2.ASGITransport(app=create_api(lambda: studio), raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://studio")


@pytest.fixture
async def client(studio: Studio) -> AsyncIterator[httpx2.AsyncClient]:
    """The API in process."""
    async with in_process(studio) as opened:
        yield opened


@asynccontextmanager
async def served(studio: Studio) -> AsyncIterator[str]:
    """The API behind the server that production uses; its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(create_api(lambda: studio), port=port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    try:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        await serving


@pytest.fixture
async def server(studio: Studio) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API behind a real server."""
    async with served(studio) as url, httpx2.AsyncClient(base_url=url, timeout=30) as opened:
        yield opened
