"""What a node kind may do while it runs: the one door between kinds and the engine."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import JsonValue

from aistudio.graph.kinds import KindSpec


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A completed node on a live path above this one."""

    node_id: str
    title: str
    kind: str
    output: JsonValue


@dataclass(frozen=True, kw_only=True)
class Tool:
    """What a model may call instead of answering; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A tool the model wants used; `arguments` is what it wrote as JSON, which need not be any."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the model said earlier in the same conversation, and what it was told then.

    Attributes:
        text: what it said; may be empty when it called tools.
        results: the tools it called, each with what that gave back.
        reply: what it was told, when it called none.
    """

    text: str
    results: Sequence[tuple[ToolCall, str]] = ()
    reply: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One chat completion.

    Attributes:
        system: the system prompt.
        user: the first message.
        turns: what followed it, oldest first.
        model: null means the configured default.
        temperature: null means the model's own.
        max_tokens: upper bound of the answer; null means the model's own.
        tools: what the model may call.
        tools_spent: it may call none of them any more.
        schema: JSON Schema the answer should fit; a wish, for not every model keeps to it.
    """

    system: str
    user: str
    turns: Sequence[Turn] = ()
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    tools: Sequence[Tool] = ()
    tools_spent: bool = False
    schema: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """A finished completion; tokens as the provider counted them, cost in US dollars or null when unknown."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    first_token_ms: int | None
    simulated: bool = False
    tool_calls: Sequence[ToolCall] = ()


@dataclass(frozen=True, kw_only=True)
class WebPage:
    """A search result, written by a stranger; `title` and `url` are single lines."""

    title: str
    url: str
    text: str


class SearchFailed(Exception):
    """A web search brought nothing; its text is the cause."""


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """One HTTP request.

    Attributes:
        url: as a person wrote it; not yet judged.
        query: added to the URL's own.
        headers: besides those that HTTP itself needs; texts of Latin-1 without control characters.
        content: the body's bytes; null for none.
    """

    method: Method
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """What a server answered in the end, of whatever status.

    Attributes:
        host: who answered, after all redirects.
        headers: names in lower case; those that came several times are joined by ", ".
        content: the body's bytes, unpacked; under a status from 400 on no more than their beginning.
        retry_after: seconds the server asked to wait, if it did.
    """

    host: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class NodeResult:
    """What a node made.

    Attributes:
        output: its output, as JSON.
        details: what `node_completed` carries besides output and duration
            (agents: model, usage, cost_usd, first_token_ms, searches; decisions: branch).
    """

    output: JsonValue
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a node that waits wants to know of a human.

    Attributes:
        message: what they should know.
        wait_seconds: when it goes on without an answer; null: never.
    """

    message: str
    wait_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a human decided, with their words and their name."""

    decision: Literal["approve", "reject"]
    comment: str
    by: str


class NodeContext(Protocol):
    """A node's view of its run. Every method may raise `NodeError`."""

    @property
    def node_id(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def answer(self) -> Answer | None:
        """What a human decided, for a kind that waits; null when nobody did in time."""

    @property
    def run_input(self) -> dict[str, JsonValue] | None:
        """The run's input as an object, or null when it was started without one."""

    @property
    def scope(self) -> Mapping[str, JsonValue]:
        """What references reach: `nodes` (outputs by id), `trigger`, `variables` and `global`."""

    def resolve(self, template: str) -> str:
        """The text with every reference replaced by its value."""

    def ancestors(self) -> Sequence[Upstream]:
        """Completed nodes above this one on live paths, in topological order, without the kinds that
        do not pass their output on (contract, 3.5)."""

    def predecessors(self) -> Sequence[Upstream]:
        """Direct predecessors over live edges, in `nodes` order."""

    async def call_model(
        self, request: ModelRequest, on_text: Callable[[str], Awaitable[None]]
    ) -> ModelAnswer:
        """Ask the model once; `on_text` gets its text piece by piece while it comes, empty pieces too."""

    async def emit(self, text: str) -> None:
        """Show the attempt's next piece of text to whoever watches; '' tells that there is more to come."""

    @property
    def can_search(self) -> bool:
        """Whether `search` has a service to ask."""

    async def search(self, query: str) -> Sequence[WebPage]:
        """Search the web.

        Raises:
            SearchFailed: nothing could be had.
        """

    async def send_http(self, request: HttpRequest) -> HttpAnswer:
        """Send a request to a public host (or one that was opened on purpose) and follow its redirects.

        Once a POST or PATCH has left, no error of this attempt is retried.
        """


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """A kind: what it is, and what it does. Each module in `nodes/` exports one as `KIND`.

    Attributes:
        run: what a node does.
        ask: what a node of a kind that waits wants to know, before it runs with the answer.
    """

    spec: KindSpec
    run: Callable[[Any, NodeContext], Awaitable[NodeResult]]
    ask: Callable[[Any, NodeContext], Awaitable[Question]] | None = None
