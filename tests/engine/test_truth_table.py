"""Every cell of the tables in docs/execution.md, on the engine (contract, 3.7 to 3.9)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from aistudio.engine import record
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.events import TERMINAL_EVENTS, Event, EventType
from aistudio.nodes.context import NodeContext
from aistudio.settings import Settings
from aistudio.store import events, executions, results
from aistudio.store.database import Database
from aistudio.store.events import NewEvent
from tests.engine.runs import OWNER, Act, Studio, graph, of, told, working
from tests.support.model_server import ModelServer
from tests.support.tables import table
from tests.support.web_server import WebServer, answer

in_module = pytest.mark.asyncio(loop_scope="module")

KINDS_OF_ERROR = table("execution.md", "What goes wrong")
OUTCOMES = table("execution.md", "The attempt ends")
POLICIES = ("fail", "continue", "route")
# Budgets are not looked at yet.
UNTOLD = {ErrorCode.BUDGET_EXHAUSTED}

KEY = "sk-test-0123456789abcdef"
SECRET = "what-nobody-may-see"
AT_ONCE = 40


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web() -> AsyncIterator[WebServer]:
    async with WebServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio(
    temporal_address: str, module_database_url: str, model: ModelServer
) -> AsyncIterator[Studio]:
    """A studio whose nodes reach the two servers."""
    settings = Settings(
        _env_file=None,
        openai_api_key=KEY,  # type: ignore[arg-type]
        openai_base_url=model.base_url,
        http_node_allow_hosts=("127.0.0.1",),
    )
    database = Database(module_database_url)
    async with working(await Client.connect(temporal_address), database, settings) as opened:
        yield opened
    await database.close()


@pytest.fixture(autouse=True)
def _hardly_any_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "pause", lambda failed, retry_after: retry_after or 0.01)


def test_every_code_is_told() -> None:
    assert {row["Code"] for row in KINDS_OF_ERROR} | UNTOLD == {str(code) for code in ErrorCode}


def agent(prompt: str, **config: Any) -> dict[str, Any]:
    return {"kind": "ai_agent", "config": {"system_prompt": prompt, **config}}


def request(url: str, method: str = "GET") -> dict[str, Any]:
    return {"kind": "http_request", "config": {"method": method, "url": url}}


def decision(**condition: str) -> dict[str, Any]:
    branches = [{"id": "one", "conditions": [{"left": "words", **condition}]}]
    return {"kind": "decision", "config": {"branches": branches}}


def causes(web: WebServer) -> dict[str, list[dict[str, Any] | Act]]:
    """For each row of the first table: nodes, or acts of a node, that bring it about."""
    web["/refused"] = answer(404)
    web["/away"] = answer(503)
    web["/limited"] = answer(429)
    web["/slow"] = answer(408)
    web["/broken"] = b"HTTP/1.1 200 OK\r\n"
    schema = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}

    async def nothing_comes(context: NodeContext) -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    return {
        "the model refuses the key (401, 403)": [agent("[[status:401]]"), agent("[[status:403]]")],
        "the model refuses the request (400, 402, 404, 422, other 4xx)": [
            agent(f"[[status:{status}]]") for status in (400, 402, 404, 413, 418, 422)
        ],
        "the model is not ready for the request (408, 409, 425)": [
            agent(f"[[status:{status}]]") for status in (408, 409, 425)
        ],
        "the model asks to slow down (429)": [agent("[[status:429]]"), agent("[[error:429]]")],
        "the model has a problem (5xx), cannot be reached, or breaks off": [
            *(agent(f"[[status:{status}]]") for status in (500, 503)),
            *(agent(f"[[{how}]]") for how in ("drop:0", "drop", "cut", "error:502")),
        ],
        "the attempt takes longer than timeout_seconds": [
            agent("[[hang]]") | {"timeout_seconds": 0.3},
            nothing_comes,
        ],
        "a web service answers 408, 429 or 5xx, or breaks off": [
            request(f"{web.url}/{path}") for path in ("slow", "limited", "away", "broken")
        ],
        "the same after a POST or PATCH has left": [
            request(f"{web.url}/away", "POST"),
            request(f"{web.url}/broken", "PATCH"),
        ],
        "a web service refuses the request (other 4xx)": [request(f"{web.url}/refused")],
        "a request would leave the public internet": [request("http://[::1]/"), request("http://10.0.0.1/")],
        "no branch of a decision matches": [decision(operator="equals", right="others")],
        "a decision compares what has no order": [
            decision(operator="greater_than", right="1"),
            decision(operator="before", right="2026-01-01"),
        ],
        "a reference leads to nothing": [agent("{{trigger.nothing}}")],
        "an answer does not fit its output_schema, repaired or not": [
            agent("[[text:{}]]", output_schema=schema)
        ],
        "an output is larger than 8 MiB": [{"text": "x" * (8 * 2**20)}],
        "nobody decides in time, under on_timeout: fail": [
            {"kind": "approval", "config": {"wait_seconds": 0.2, "on_timeout": "fail"}}
        ],
        "an output is not JSON, or a config does not fit its kind": [
            {"x": float("nan")},
            {"kind": "ai_agent", "config": {"system_prompt": 7}},
        ],
        "a node's code raises what nobody foresaw": [ValueError(SECRET)],
    }


@in_module
@pytest.mark.parametrize("row", KINDS_OF_ERROR, ids=lambda row: row["What goes wrong"])
async def test_a_kind_of_error(studio: Studio, web: WebServer, row: dict[str, str]) -> None:
    studio.acts.forget()

    async def attempted(place: int, cause: dict[str, Any] | Act) -> None:
        node: dict[str, Any] = {"timeout_seconds": 5}
        if isinstance(cause, dict) and "kind" in cause:
            node |= cause
        else:
            studio.acts[f"a{place}"] = [cause]
            node |= {"timeout_seconds": 0.3} if callable(cause) else {}
        node |= {"retry": {"max_attempts": 2}, "on_error": "route"}
        found = await studio.run(graph(f"t>a{place}", f"a{place}.error>c", **{f"a{place}": node}), "input")
        (failed,) = of(found, EventType.NODE_FAILED, f"a{place}")
        assert failed.payload["error"]["code"] == row["Code"], told(found)
        made = 2 if row["Can heal"] == "yes" else 1
        assert len(of(found, EventType.NODE_STARTED, f"a{place}")) == made, told(found)
        retrying = of(found, EventType.NODE_RETRYING, f"a{place}")
        assert [event.payload["error"]["code"] for event in retrying] == [row["Code"]] * (made - 1)
        said = json.dumps([event.model_dump() for event in found])
        assert KEY not in said
        assert SECRET not in said

    await asyncio.gather(*(attempted(*one) for one in enumerate(causes(web)[row["What goes wrong"]])))


@dataclass(frozen=True)
class Cell:
    """One cell of the second table, with one error and one place among the attempts.

    Attributes:
        ends: how the attempt ends, in the table's words; so are `cancel` and `expected`.
        code: of the error.
        attempt: the one that ends like this; those before it fail with what can heal.
        most: `max_attempts`.
    """

    ends: str
    cancel: str
    policy: str
    expected: str
    code: ErrorCode
    attempt: int
    most: int

    @property
    def heals(self) -> bool:
        return self.ends == "with an error that can heal"

    @property
    def error(self) -> NodeError:
        retry_after = 3_000 if self.cancel == "before the next" else None
        return NodeError(self.code, "It failed.", retryable=self.heals, retry_after=retry_after)


def cells(row: dict[str, str]) -> list[Cell]:
    """What a row says, for every policy, and for places among the attempts and (without a cancel) codes."""
    ends, cancel = row["The attempt ends"], row["Cancel"]
    places = {
        "any": [(1, 1), (1, 2), (2, 2)],
        "the last": [(1, 1), (2, 2)],
        "not the last": [(1, 2), (2, 3)],
    }[row["Attempt"]]
    heals = "yes" if ends == "with an error that can heal" else "no"
    codes = sorted({kind["Code"] for kind in KINDS_OF_ERROR if kind["Can heal"] == heals})
    if "error" not in ends or cancel != "none":
        codes = codes[:1]
    # Every code in the first place, and the other places with one of them.
    drawn = [(code, *places[0]) for code in codes] + [(codes[0], *place) for place in places[1:]]
    return [
        Cell(ends, cancel, policy, row[policy], ErrorCode(code), attempt, most)
        for policy in POLICIES
        for code, attempt, most in drawn
    ]


@in_module
@pytest.mark.parametrize(
    "row",
    OUTCOMES,
    ids=lambda row: ", ".join(row[name] for name in ("The attempt ends", "Attempt", "Cancel")),
)
async def test_what_becomes_of_an_attempt(studio: Studio, row: dict[str, str]) -> None:
    studio.acts.forget()
    slots = asyncio.Semaphore(AT_ONCE)

    async def tried(place: int, cell: Cell) -> None:
        async with slots:
            async with asyncio.timeout(60):
                await Trial(studio, f"a{place}", cell).hold()

    async with asyncio.TaskGroup() as group:
        for place, cell in enumerate(cells(row)):
            group.create_task(tried(place, cell))


class Trial:
    """One run that makes a cell happen."""

    def __init__(self, studio: Studio, name: str, cell: Cell) -> None:
        self._studio = studio
        self._name = name
        self._cell = cell
        self._execution_id = ""

    async def hold(self) -> None:
        """See that what the cell says is what happens."""
        cell, studio, name = self._cell, self._studio, self._name
        node = {"on_error": cell.policy, "retry": {"max_attempts": cell.most}}
        passing = NodeError(ErrorCode.TIMEOUT, "Not yet.", retryable=True)
        studio.acts[name] = [*[passing] * (cell.attempt - 1), self._end, {"text": "at last"}]
        self._execution_id = await studio.write(
            graph(f"t>{name}", f"{name}>b", f"{name}.error>c", **{name: node})
        )
        if "lost" in cell.ends:
            await self._lose_workers()
        await studio.submit(self._execution_id)
        if cell.heals and cell.cancel == "before the next":
            await self._until_it_waits()
        if cell.cancel == "before the next":
            await studio.cancel(self._execution_id)
        found = await studio.end(self._execution_id)
        expected = self._expected()
        assert self._seen(found) == expected, f"{cell}: {told(found)}"
        await self._kept(found)

    async def _end(self, context: NodeContext) -> dict[str, str]:
        """The attempt that the cell is about."""
        cell = self._cell
        if cell.cancel == "while it runs":
            # Not by itself: it would cut off its own cancelling.
            self._telling = asyncio.ensure_future(self._studio.cancel(self._execution_id))
            await asyncio.Event().wait()
        if cell.cancel == "written before":
            # And nobody has heard of it yet.
            cancelling = NewEvent(type=EventType.EXECUTION_CANCELLING, payload={"by": "user"})
            await events.append(self._studio.database, self._execution_id, [cancelling])
            asyncio.get_running_loop().call_later(0.5, self._tell_temporal)
        if "error" in cell.ends:
            raise cell.error
        return {"text": "output"}

    def _tell_temporal(self) -> None:
        self._telling = asyncio.ensure_future(self._studio.engine.cancel(self._execution_id))

    async def _lose_workers(self) -> None:
        lost = [
            NewEvent(type=EventType.NODE_STARTED, node_id=self._name, attempt=attempt)
            for attempt in range(1, self._cell.attempt + 1)
        ]
        await events.append(self._studio.database, self._execution_id, lost)
        self._studio.acts[self._name] = [{"text": "at last"}]
        if self._cell.cancel == "before the next":
            await executions.request_cancel(self._studio.database, OWNER, self._execution_id)

    async def _until_it_waits(self) -> None:
        while True:
            found = await self._studio.events(self._execution_id)
            if len(of(found, EventType.NODE_RETRYING, self._name)) == self._cell.attempt:
                return
            await asyncio.sleep(0.05)

    def _expected(self) -> list[str]:
        """The words of the cell as what follows the attempt's start."""
        name, cell = self._name, self._cell
        after = {"out": ("b", "c"), "error": ("c", "b")}
        cancelled = "execution_cancelled"
        match cell.expected.split(", "):
            case ["tried again"]:
                return [f"retrying {name}", f"started {name}", f"completed {name}", *_goes_on("b", "c")]
            case ["tried again", "not counted"]:
                return [f"started {name}", f"completed {name}", *_goes_on("b", "c")]
            case [node, "run cancelled"]:
                settled = f"{node.removeprefix('node ')} {name}"
                retrying = [f"retrying {name}"] if cell.heals and cell.cancel == "before the next" else []
                return [*retrying, "execution_cancelling", settled, cancelled]
            case [node, "run failed"]:
                return [f"{node.removeprefix('node ')} {name}", "execution_failed"]
            case [node, way]:
                taken, left = after[way.removeprefix("goes on by ")]
                return [f"{node.removeprefix('node ')} {name}", *_goes_on(taken, left)]
        raise AssertionError(f"The table says {cell.expected!r}, which no test understands.")

    def _seen(self, found: list[Event]) -> list[str]:
        """What followed the start of the cell's attempt."""
        (started,) = [
            event
            for event in of(found, EventType.NODE_STARTED, self._name)
            if event.attempt == self._cell.attempt
        ]
        # The trigger comes later when the attempt was put there beforehand.
        seen = [word for word in told(found[started.sequence :]) if not word.endswith(" t")]
        if seen[-1] == "execution_cancelled":
            # Whether the other way was decided before that is chance.
            return [word for word in seen if not word.startswith("skipped")]
        return seen

    async def _kept(self, found: list[Event]) -> None:
        """What PostgreSQL holds of node and run agrees with what was told."""
        database, cell = self._studio.database, self._cell
        run = await executions.load_snapshot(database, self._execution_id)
        assert run is not None
        (terminal,) = [event for event in found if event.type in TERMINAL_EVENTS]
        assert run.status == terminal.type.removeprefix("execution_")
        error = {"code": str(cell.code), "message": "It failed."}
        assert run.error == (error if run.status == "failed" else None)
        kept = await results.get(database, self._execution_id, self._name)
        for failed in of(found, EventType.NODE_FAILED, self._name):
            assert failed.payload == {"error": error, "absorbed": cell.policy != "fail"}
            assert failed.attempt == cell.attempt
        if of(found, EventType.NODE_COMPLETED, self._name):
            assert kept is not None
        elif of(found, EventType.NODE_FAILED, self._name) and cell.policy != "fail":
            assert kept is not None
            assert kept.output == {"error": error}
        else:
            assert kept is None
        for retrying in of(found, EventType.NODE_RETRYING, self._name):
            assert (retrying.payload["attempt"], retrying.payload["max_attempts"]) == (
                retrying.attempt,
                cell.most,
            )


def _goes_on(taken: str, left: str) -> list[str]:
    return [f"skipped {left}", f"started {taken}", f"completed {taken}", "execution_completed"]
