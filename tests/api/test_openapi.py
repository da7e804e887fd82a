"""OpenAPI is true: whatever schemathesis sends, the answer is documented, fits its schema and is no 500."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from aistudio.studio.studio import Studio
from tests.api.conftest import served
from tests.studio.serving import LOCAL, runnable, studio_on, worker_on

# What no schema can say: that a cursor comes from an earlier page, that a draft still has problems.
BEYOND_SCHEMAS = [positive_data_acceptance]
EXAMPLES = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Serving:
    """A studio with a finished run in it, and its API behind the production server, on its own thread."""

    def __init__(self, database_url: str, temporal_address: str) -> None:
        self._servers = (database_url, temporal_address)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.url = ""
        self.ids: dict[str, str] = {}

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        async with (
            worker_on(*self._servers),
            studio_on(*self._servers) as studio,
            served(studio) as self.url,
        ):
            await self._fill(studio)
            self._ready.set()
            await self._stopped.wait()

    async def _fill(self, studio: Studio) -> None:
        workflow = await studio.workflows.create(LOCAL, runnable())
        await studio.workflows.publish(LOCAL, workflow["id"])
        execution_id = await studio.starts.execute(LOCAL, workflow["id"])
        async for _ in studio.executions.watch(LOCAL, execution_id):
            pass
        self.ids = {
            "workflow_id": workflow["id"],
            "execution_id": execution_id,
            "node_id": "answer",
            "slug": "sales-inquiry-pipeline",
        }

    def __enter__(self) -> "Serving":
        self._thread.start()
        assert self._ready.wait(30), "the API did not come up"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()


@pytest.fixture
def serving(database_url: str, temporal_address: str) -> Iterator[Serving]:
    with Serving(database_url, temporal_address) as opened:
        yield opened


def test_openapi_is_true(serving: Serving) -> None:
    """Every operation, with data its schema allows and data it forbids, on made-up ids and on real ones."""
    schema = schemathesis.openapi.from_url(f"{serving.url}/api/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    # What deletes comes last: the others need something to work on.
    operations.sort(key=lambda operation: operation.method == "delete")
    for operation in operations:
        names = {parameter.name for parameter in operation.path_parameters}
        real = {name: serving.ids[name] for name in names}
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for path_parameters in (None, real):

                @EXAMPLES
                @given(case=operation.as_strategy(mode, path_parameters=path_parameters))
                def check(case: schemathesis.Case) -> None:
                    case.call_and_validate(excluded_checks=BEYOND_SCHEMAS, timeout=20)

                # Nothing can be wrong about an operation that takes nothing.
                with suppress(*([Unsatisfiable] if mode is GenerationMode.NEGATIVE else [])):
                    check()
    assert len(operations) == 22
