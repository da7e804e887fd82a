"""The process that works on runs: a Temporal worker that outlives its servers' absences."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from aistudio.engine.activities import Activities
from aistudio.engine.client import Engine, connect
from aistudio.engine.http.client import HttpClient
from aistudio.engine.messages import TASK_QUEUE
from aistudio.engine.reconciler import reconcile_for_ever
from aistudio.engine.retention import prune_for_ever
from aistudio.engine.tools import Tools
from aistudio.engine.workflow import ExecutionWorkflow
from aistudio.llm.client import ModelClient
from aistudio.llm.search import web_search
from aistudio.nodes import registry
from aistudio.nodes.context import NodeKind
from aistudio.settings import Settings
from aistudio.store.database import Database
from aistudio.store.hub import Hub
from aistudio.store.migrations import wait_for_schema
from aistudio.store.notices import CANCELS

logger = logging.getLogger(__name__)

ACTIVITIES_AT_ONCE = 200
RUNS_IN_MEMORY = 500
# Short pieces of work end by themselves; a model call is cut off and made again by the next worker.
SHORT_DRAIN = timedelta(seconds=2)
# Shorter than the pause between two heartbeats: none is held back.
HEARTBEAT_THROTTLE = timedelta(seconds=0.5)
# After a crash, decisions that were meant for the lost worker wait this long until another takes them.
LOST_WORKER = timedelta(seconds=3)
# Unused, but without it the worker reads and hashes every module of the process, which takes seconds.
DEPLOYMENT = WorkerDeploymentConfig(
    version=WorkerDeploymentVersion(deployment_name="aistudio", build_id="unversioned"),
    use_worker_versioning=False,
)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0


async def work(settings: Settings, drain: timedelta = SHORT_DRAIN) -> None:
    """Work on the servers that the settings name until cancelled; whatever breaks it, it begins anew.

    When it is cancelled, what is running may take `drain` to end.
    """
    assert settings.database_url is not None
    database, model = Database(settings.database_url.get_secret_value()), ModelClient(settings)

    async def once() -> None:
        await run_worker(await connect(settings), database, model, settings, drain=drain)

    try:
        await _for_ever(once)
    finally:
        await model.aclose()
        await database.close()


async def run_worker(
    client: Client,
    database: Database,
    model: ModelClient,
    settings: Settings,
    kinds: Mapping[str, NodeKind] | None = None,
    drain: timedelta = SHORT_DRAIN,
) -> None:
    """Work until cancelled: wait for the schema, run nodes, look after runs that were left behind, prune.

    What has not ended `drain` after it is cancelled goes on in the next worker.
    """
    cancels = Hub(database.url, CANCELS)
    tools = Tools(
        database=database,
        cancels=cancels,
        model=model,
        http=HttpClient(settings.http_node_allow_hosts),
        kinds=registry.kinds() if kinds is None else kinds,
        global_variables=settings.global_variables,
        search=web_search(settings),
    )
    if tools.search is None:
        logger.info("TAVILY_API_KEY is not set: agents with web search answer without it")
    try:
        await wait_for_schema(database)
        cancels.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(_for_ever(lambda: build_worker(client, tools, drain).run()))
            group.create_task(reconcile_for_ever(Engine(client), database, tools.specs))
            if settings.retention_days is not None:
                age = timedelta(days=settings.retention_days)
                group.create_task(prune_for_ever(database, age))
    finally:
        await cancels.close()


def build_worker(client: Client, tools: Tools, drain: timedelta = SHORT_DRAIN) -> Worker:
    """The Temporal worker, not yet running."""
    activities = Activities(tools)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[ExecutionWorkflow],
        deployment_config=DEPLOYMENT,
        activities=[activities.run_node, activities.resume, activities.skip, activities.finish],
        max_concurrent_activities=ACTIVITIES_AT_ONCE,
        max_cached_workflows=RUNS_IN_MEMORY,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        sticky_queue_schedule_to_start_timeout=LOST_WORKER,
        graceful_shutdown_timeout=drain,
        # Else Temporal would repeat what fails for ever, and the run would look alive.
        workflow_failure_exception_types=[Exception],
    )


async def _for_ever(step: Callable[[], Awaitable[None]]) -> None:
    pause = FIRST_PAUSE
    while True:
        begun = time.monotonic()
        try:
            await step()
        except Exception:
            if time.monotonic() - begun > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            logger.exception("The worker broke; starting it again in %.1f s", pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
