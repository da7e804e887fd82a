"""Everything dies again and again under many runs: each ends as if nothing had happened."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from tests.chaos.conftest import SEED, Endpoint
from tests.chaos.parts import Deployment, Part
from tests.chaos.reader import Reader
from tests.chaos.storm import AGENTS, Run, graph

RUNS = 60
KILLS = 15
# Seconds. Runs begin within the first of these; kills follow each other with such pauses.
BEGINNINGS = 40.0
BETWEEN_KILLS = (0.5, 3.5)
LONGEST_DOWN = 1.5
# How long after a return the worker that was left, with everything to do, may be taken for lost.
WAKE = timedelta(seconds=15)
CALM_AFTER = 180.0


class Storm:
    """Sixty runs and what befalls them."""

    def __init__(self, deployment: Deployment, chance: random.Random) -> None:
        self._parts = deployment.parts
        self._chance = chance
        self._runs = [Run.draw(number, chance, BEGINNINGS) for number in range(RUNS)]
        self.readers: dict[int, Reader] = {}
        # When what was down, from just before the kill.
        self.kills: list[tuple[str, datetime, datetime]] = []

    @property
    def runs(self) -> list[Run]:
        return self._runs

    async def rage(self, client: httpx.AsyncClient, workflow_id: str) -> None:
        """Until every run has ended for those who watch it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill_again_and_again())
            for run in self._runs:
                group.create_task(self._see_through(client, workflow_id, run))

    async def _kill_again_and_again(self) -> None:
        victims = [self._parts[number % len(self._parts)] for number in range(KILLS)]
        self._chance.shuffle(victims)
        for victim in victims:
            await asyncio.sleep(self._chance.uniform(*BETWEEN_KILLS))
            await self._kill(victim, self._chance.uniform(0, LONGEST_DOWN))

    async def _kill(self, victim: Part, down: float) -> None:
        killed_at = datetime.now(UTC)
        await asyncio.to_thread(victim.kill)
        await asyncio.sleep(down)
        await asyncio.to_thread(victim.start)
        self.kills.append((victim.name, killed_at, datetime.now(UTC)))

    async def _see_through(self, client: httpx.AsyncClient, workflow_id: str, run: Run) -> None:
        await asyncio.sleep(run.delay)
        execution_id = await start(client, workflow_id, run)
        reader = self.readers[run.number] = Reader(client, execution_id)
        await reader.follow()


async def start(client: httpx.AsyncClient, workflow_id: str, run: Run) -> str:
    """Start a run, asking until there is an answer; only one comes of it."""
    while True:
        try:
            answer = await client.post(
                f"/workflows/{workflow_id}/execute",
                json={"input": run.input},
                headers={"Idempotency-Key": f"run-{run.number}"},
            )
        except httpx.HTTPError:
            answer = None
        if answer is not None and answer.status_code == 202:
            return str(answer.json()["execution_id"])
        assert answer is None or answer.status_code >= 500, answer.text
        await asyncio.sleep(0.2)


async def test_sixty_runs_come_through_a_storm(
    deployment: Deployment, endpoint: Endpoint, chance: random.Random, capsys: pytest.CaptureFixture[str]
) -> None:
    storm = Storm(deployment, chance)
    base = f"http://127.0.0.1:{deployment.product.port}/api"
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base, timeout=15, limits=limits) as client:
        created = await client.post("/workflows", json={"graph": graph()})
        async with asyncio.timeout(BEGINNINGS + CALM_AFTER):
            await storm.rage(client, created.raise_for_status().json()["id"])
        ended = {
            number: (await client.get(f"/executions/{reader.execution_id}")).raise_for_status().json()
            for number, reader in storm.readers.items()
        }
        listed = (await client.get("/executions?limit=200")).raise_for_status().json()["items"]
    told = {number: reader.events for number, reader in storm.readers.items()}
    calls = Counter(
        call["system"].partition(".")[0] for call in endpoint.calls() if "of run" in call["system"]
    )

    with capsys.disabled():
        print(f"\n  {summary(storm, told, calls)}")  # noqa: T201 - what a storm was like is worth a line

    assert len(storm.kills) >= 12
    assert {name for name, _, _ in storm.kills} == {part.name for part in deployment.parts}
    # One row for each run, though some were asked for again and again.
    assert sorted(item["id"] for item in listed) == sorted(run["id"] for run in ended.values())
    assert {item["status"] for item in listed} == {"completed"}
    for run in storm.runs:
        check(run, ended[run.number], told[run.number], storm, calls)
    await nothing_is_open(deployment.temporal_address)


def check(
    run: Run, ended: dict[str, Any], events: list[dict[str, Any]], storm: Storm, calls: Counter[str]
) -> None:
    """One run: its outputs, its events as its reader saw them, and what was paid for it."""
    said = f"CHAOS_SEED={SEED}, run {run.number}: {[(e['type'], e['node_id'], e['attempt']) for e in events]}"
    assert {name: node["status"] for name, node in ended["nodes"].items()} == run.outcomes, said
    assert ended["nodes"]["show"]["output"] == {"format": "text", "content": run.answer}, said
    # The reader has already minded that each comes right after the one before.
    assert ended["last_sequence"] == len(events), said
    assert events[-1]["type"] == "execution_completed", said
    settled = Counter(
        event["node_id"]
        for event in events
        if event["type"] in ("node_completed", "node_failed", "node_skipped", "node_cancelled")
    )
    assert settled == Counter(run.outcomes.keys()), said
    for name in AGENTS:
        attempts = Attempts(name, events)
        assert calls[f"Node {name} of run {run.number}"] <= attempts.started, said
        for begun, left in attempts.lost:
            in_flight_at = [kill for kill in storm.kills if kill[1] <= left and begun <= kill[2] + WAKE]
            assert in_flight_at, (
                f"Nothing was killed while {name} was tried from {begun} to {left}. {said}, {storm.kills}"
            )


class Attempts:
    """The attempts at a node: how many there were, and from when to when those that nobody ended."""

    def __init__(self, node_id: str, events: list[dict[str, Any]]) -> None:
        mine = [event for event in events if event["node_id"] == node_id]
        ended = {event["attempt"] for event in mine if event["type"] != "node_started"}
        starts = [event for event in mine if event["type"] == "node_started"]
        times = [datetime.fromisoformat(event["timestamp"]) for event in starts]
        self.started = len(starts)
        self.lost = [
            (begun, left)
            for event, begun, left in zip(starts, times, times[1:], strict=False)
            if event["attempt"] not in ended
        ]


def summary(storm: Storm, told: dict[int, list[dict[str, Any]]], calls: Counter[str]) -> str:
    """What a storm was like."""
    lost = sum(len(Attempts(name, events).lost) for events in told.values() for name in AGENTS)
    types = Counter(event["type"] for events in told.values() for event in events)
    connections = sum(reader.connections for reader in storm.readers.values())
    return (
        f"CHAOS_SEED={SEED}: {len(told)} runs, {len(storm.kills)} kills, {sum(calls.values())} model calls, "
        f"{types['node_started']} attempts ({types['node_retrying']} failed and tried again, {lost} lost), "
        f"{connections} connections of readers"
    )


async def nothing_is_open(temporal_address: str) -> None:
    """Temporal has ended what PostgreSQL has, a moment later."""
    client = await Client.connect(temporal_address)
    async with asyncio.timeout(30):
        while (await client.count_workflows("ExecutionStatus = 'Running'")).count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
