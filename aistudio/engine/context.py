"""A running node's view of its run: what nodes/ asks for, answered from PostgreSQL, the model and the web."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cached_property

from pydantic import JsonValue

from aistudio.engine.deltas import DeltaWriter
from aistudio.engine.http.client import HttpClient
from aistudio.engine.inputs import Inputs
from aistudio.engine.ledger import Ledger
from aistudio.engine.snapshots import Snapshot
from aistudio.graph import references
from aistudio.graph.definition import Node
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.kinds import Kinds, Reads
from aistudio.llm import messages
from aistudio.llm.client import ModelClient, ModelError
from aistudio.llm.search import SearchError, WebSearch
from aistudio.nodes.context import (
    Answer,
    HttpAnswer,
    HttpRequest,
    ModelAnswer,
    ModelRequest,
    SearchFailed,
    ToolCall,
    Turn,
    Upstream,
    WebPage,
)

# To do these twice is to do them once; nobody knows that of a POST or PATCH.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class RunContext:
    """One attempt's `NodeContext`.

    Args:
        inputs: what it reads of the nodes upstream.
        search: the web search; null when there is none.
        ledger: where its model calls are written down.
        deltas: where the attempt's text goes while it comes.
        lost: whether an earlier attempt ended with its worker, so that nobody knows what it did.
        answer: what a human decided, for a node that waited.

    Attributes:
        repeatable: whether another attempt may follow this one: false once a POST or PATCH has left.
    """

    def __init__(
        self,
        *,
        node: Node,
        attempt: int,
        snapshot: Snapshot,
        kinds: Kinds,
        inputs: Inputs,
        global_variables: Mapping[str, JsonValue],
        model: ModelClient,
        search: WebSearch | None,
        http: HttpClient,
        ledger: Ledger,
        deltas: DeltaWriter,
        lost: bool,
        answer: Answer | None = None,
    ) -> None:
        self.repeatable = True
        self._room = references.Room()
        self._node = node
        self._attempt = attempt
        self._snapshot = snapshot
        self._kinds = kinds
        self._inputs = inputs
        self._global_variables = global_variables
        self._model = model
        self._search = search
        self._http = http
        self._ledger = ledger
        self._deltas = deltas
        self._lost = lost
        self._answer = answer

    @property
    def node_id(self) -> str:
        return self._node.id

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def answer(self) -> Answer | None:
        return self._answer

    @property
    def run_input(self) -> dict[str, JsonValue] | None:
        return self._snapshot.run_input

    def resolve(self, template: str) -> str:
        return references.resolve(template, self.scope, self._room)

    def ancestors(self) -> Sequence[Upstream]:
        return self._upstream("ancestors")

    def predecessors(self) -> Sequence[Upstream]:
        return self._upstream("predecessors")

    async def call_model(
        self, request: ModelRequest, on_text: Callable[[str], Awaitable[None]]
    ) -> ModelAnswer:
        try:
            async with self._ledger.call(request) as call:

                async def hear(text: str) -> None:
                    call.hear(text)
                    await on_text(text)

                completion = await self._model.complete(
                    system=request.system,
                    user=request.user,
                    model=request.model,
                    temperature=request.temperature,
                    max_tokens=request.max_tokens,
                    more=[message for turn in request.turns for message in _messages(turn)],
                    tools=[
                        messages.tool(tool.name, tool.description, tool.parameters) for tool in request.tools
                    ],
                    tools_spent=request.tools_spent,
                    schema=request.schema,
                    on_text=hear,
                )
                call.answered(completion)
        except ModelError as error:
            raise NodeError(
                ErrorCode(error.code),
                error.message,
                retryable=error.retryable,
                retry_after=error.retry_after,
            ) from None
        return ModelAnswer(
            text=completion.text,
            model=completion.model,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            cost_usd=completion.cost_usd,
            first_token_ms=completion.first_token_ms,
            simulated=completion.simulated,
            tool_calls=[
                ToolCall(id=call.id, name=call.name, arguments=call.arguments)
                for call in completion.tool_calls
            ],
        )

    async def emit(self, text: str) -> None:
        await self._deltas.write(text)

    @property
    def can_search(self) -> bool:
        return self._search is not None

    async def search(self, query: str) -> Sequence[WebPage]:
        if self._search is None:
            raise SearchFailed("TAVILY_API_KEY is not set")
        try:
            pages = await self._search.search(query)
        except SearchError as error:
            raise SearchFailed(str(error)) from None
        return [WebPage(title=page.title, url=page.url, text=page.text) for page in pages]

    async def send_http(self, request: HttpRequest) -> HttpAnswer:
        idempotent = request.method in IDEMPOTENT
        if self._lost and not idempotent:
            raise NodeError(
                ErrorCode.HTTP_STATUS,
                "The worker was lost in the middle of this node, and nobody knows whether its "
                f"{request.method} arrived. Look there, and run this node again if it did not.",
            )

        def leaving() -> None:
            self.repeatable = self.repeatable and idempotent

        return await self._http.send(request, leaving)

    @cached_property
    def scope(self) -> Mapping[str, JsonValue]:
        return {
            "nodes": dict(self._inputs.outputs),
            "trigger": self._trigger(),
            "variables": self._snapshot.workflow.variables,
            "global": dict(self._global_variables),
        }

    def _trigger(self) -> JsonValue:
        if self.run_input is not None:
            return self.run_input
        # Known beforehand: the first trigger need not be upstream of this node, nor have run by now.
        for node in self._snapshot.workflow.nodes:
            spec = self._kinds.get(node.kind)
            if spec is not None and spec.trigger:
                sample: JsonValue = {"input": node.config.get("input", "")}
                return sample if node.pinned_output is None else node.pinned_output
        return {}

    def _upstream(self, reads: Reads) -> list[Upstream]:
        kind = self._kinds[self._node.kind]
        assert kind.reads == reads, f"{kind.name} declares that it reads {kind.reads}, not {reads}."
        return [
            Upstream(
                node_id=node_id,
                title=self._snapshot.nodes[node_id].title,
                kind=self._snapshot.nodes[node_id].kind,
                output=self._inputs.outputs[node_id],
            )
            for node_id in self._inputs.upstream
        ]


def _messages(turn: Turn) -> Iterator[messages.Message]:
    calls = [
        messages.ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call, _ in turn.results
    ]
    yield messages.answered(turn.text, calls)
    for call, result in turn.results:
        yield messages.result(call.id, result)
    if not calls:
        yield messages.asked(turn.reply)
