"""A reader of a run's stream that comes back whenever it is cut off, as a browser does."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

TERMINAL = {"execution_completed", "execution_failed", "execution_cancelled"}
# Seconds.
SILENCE = 40
PAUSE = 0.2


@dataclass
class Reader:
    """Follows one run; every event must be the one after the one before.

    Attributes:
        events: what it was told, each event once.
        connections: how often it had to connect.
        ended: whether the stream ended by itself after the terminal event.
    """

    client: httpx.AsyncClient
    execution_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    ended: bool = False

    async def follow(self) -> None:
        """Until the stream ends after the run did."""
        while not self.ended:
            try:
                await self._connect()
            except (httpx.HTTPError, asyncio.IncompleteReadError):
                await asyncio.sleep(PAUSE)

    async def _connect(self) -> None:
        headers = {"Last-Event-ID": str(len(self.events))} if self.connections else {}
        url = f"/executions/{self.execution_id}/stream"
        async with self.client.stream("GET", url, headers=headers, timeout=SILENCE) as response:
            if response.status_code >= 500:
                raise httpx.HTTPError(f"{response.status_code}")
            assert response.status_code in (200, 204), response.status_code
            self.connections += 1
            if response.status_code == 204:
                assert self.events[-1]["type"] in TERMINAL
            async for kind, data in messages(response):
                if kind == "snapshot":
                    for event in data.get("events", []):
                        self._take(event)
                elif kind == "event":
                    self._take(data)
        self.ended = bool(self.events) and self.events[-1]["type"] in TERMINAL

    def _take(self, event: dict[str, Any]) -> None:
        assert event["sequence"] == len(self.events) + 1, f"{self.execution_id}: {event} after {self.events}"
        self.events.append(event)


async def messages(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The whole messages of an SSE response: (event, data); one that was cut off is none."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            if "data" in fields:
                yield fields["event"], json.loads(fields["data"])
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
