"""What Temporal alone takes on the same server: a workflow of empty activities, one after the other."""

import time
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "benchmark-baseline"


@activity.defn
async def nothing() -> None:
    """Do nothing."""


@workflow.defn
class Chain:
    """`length` empty activities in a row."""

    @workflow.run
    async def run(self, length: int) -> None:
        """Run them."""
        for _ in range(length):
            await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


async def chains(address: str, length: int, runs: int) -> list[float]:
    """Milliseconds of every run, after one that does not count."""
    client = await Client.connect(address)
    taken = []
    async with Worker(client, task_queue=QUEUE, workflows=[Chain], activities=[nothing]):
        for _ in range(runs + 1):
            begun = time.perf_counter()
            await client.execute_workflow(Chain.run, length, id=str(uuid.uuid4()), task_queue=QUEUE)
            taken.append((time.perf_counter() - begun) * 1000)
    return taken[1:]
