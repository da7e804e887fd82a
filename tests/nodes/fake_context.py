"""A `NodeContext` that lives in memory."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from aistudio.nodes.context import (
    Answer,
    HttpAnswer,
    HttpRequest,
    ModelAnswer,
    ModelRequest,
    SearchFailed,
    Upstream,
    WebPage,
)

ANSWER = ModelAnswer(text="42", model="m", input_tokens=3, output_tokens=1, cost_usd=0.5, first_token_ms=7)

HTTP_ANSWER = HttpAnswer(host="web.example", status=200, headers={}, content=b"")


@dataclass
class FakeContext:
    """References are marked instead of resolved; model and web say what they are told to and remember.

    `says` may be several answers, one after the other. `finds` is what a search brings, null without a search
    service; an exception is raised. `shown` is what was emitted.
    """

    node_id: str = "node"
    attempt: int = 1
    answer: Answer | None = None
    run_input: dict[str, JsonValue] | None = None
    scope: Mapping[str, JsonValue] = field(default_factory=dict)
    above: Sequence[Upstream] = ()
    before: Sequence[Upstream] = ()
    says: ModelAnswer | Sequence[ModelAnswer] = ANSWER
    finds: Sequence[WebPage] | SearchFailed | None = None
    asked: list[ModelRequest] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    answers: HttpAnswer = HTTP_ANSWER
    sent: list[HttpRequest] = field(default_factory=list)

    def resolve(self, template: str) -> str:
        return f"resolved({template})"

    def ancestors(self) -> Sequence[Upstream]:
        return self.above

    def predecessors(self) -> Sequence[Upstream]:
        return self.before

    async def call_model(
        self, request: ModelRequest, on_text: Callable[[str], Awaitable[None]]
    ) -> ModelAnswer:
        self.asked.append(request)
        says = self.says if isinstance(self.says, ModelAnswer) else self.says[len(self.asked) - 1]
        for word in re.findall(r"\s*\S+|\s+", says.text):
            await on_text(word)
        return says

    async def emit(self, text: str) -> None:
        self.shown.append(text)

    @property
    def can_search(self) -> bool:
        return self.finds is not None

    async def search(self, query: str) -> Sequence[WebPage]:
        self.searched.append(query)
        assert self.finds is not None
        if isinstance(self.finds, SearchFailed):
            raise self.finds
        return self.finds

    async def send_http(self, request: HttpRequest) -> HttpAnswer:
        self.sent.append(request)
        return self.answers


def upstream(output: JsonValue, *, node_id: str = "n", title: str = "", kind: str = "ai_agent") -> Upstream:
    """A completed node above."""
    return Upstream(node_id=node_id, title=title, kind=kind, output=output)
