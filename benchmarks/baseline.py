"""What Temporal alone takes on the same server: workflows of empty activities in the shape of our graphs."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "benchmark-baseline"


@activity.defn
async def nothing() -> None:
    """Do nothing."""


@workflow.defn
class Layers:
    """Empty activities: those of a layer together, one layer after the other."""

    @workflow.run
    async def run(self, layers: list[int]) -> None:
        """Run them."""
        for width in layers:
            activities = [
                workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=60))
                for _ in range(width)
            ]
            await asyncio.gather(*activities)


class Baseline:
    """A worker of its own beside the product's, on the product's Temporal server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, layers: list[int]) -> float:
        """Milliseconds of one workflow."""
        begun = time.perf_counter()
        await self._client.execute_workflow(Layers.run, layers, id=str(uuid.uuid4()), task_queue=QUEUE)
        return (time.perf_counter() - begun) * 1000

    async def rate(self, layers: list[int], runs: int, at_once: int) -> float:
        """Workflows per second, so many at once."""
        turns = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with turns:
                await self.run(layers)

        begun = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(runs)))
        return runs / (time.perf_counter() - begun)

    async def history_length(self, run: str) -> int:
        """How many events Temporal keeps of a run of the product."""
        return (await self._client.get_workflow_handle(run).describe()).history_length


@asynccontextmanager
async def beside(address: str) -> AsyncIterator[Baseline]:
    """The baseline on the Temporal server at this address, warmed up."""
    client = await Client.connect(address)
    async with Worker(client, task_queue=QUEUE, workflows=[Layers], activities=[nothing]):
        baseline = Baseline(client)
        await baseline.run([1, 2, 1])
        yield baseline
