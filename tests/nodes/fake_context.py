"""A `NodeContext` that lives in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from aistudio.nodes.context import HttpAnswer, HttpRequest, ModelAnswer, ModelRequest, Upstream

ANSWER = ModelAnswer(text="42", model="m", input_tokens=3, output_tokens=1, cost_usd=0.5, first_token_ms=7)

HTTP_ANSWER = HttpAnswer(host="web.example", status=200, headers={}, content=b"")


@dataclass
class FakeContext:
    """References are marked instead of resolved; model and web say what they are told to and remember."""

    node_id: str = "node"
    attempt: int = 1
    run_input: dict[str, JsonValue] | None = None
    scope: Mapping[str, JsonValue] = field(default_factory=dict)
    above: Sequence[Upstream] = ()
    before: Sequence[Upstream] = ()
    says: ModelAnswer = ANSWER
    asked: list[ModelRequest] = field(default_factory=list)
    answers: HttpAnswer = HTTP_ANSWER
    sent: list[HttpRequest] = field(default_factory=list)

    def resolve(self, template: str) -> str:
        return f"resolved({template})"

    def ancestors(self) -> Sequence[Upstream]:
        return self.above

    def predecessors(self) -> Sequence[Upstream]:
        return self.before

    async def call_model(self, request: ModelRequest) -> ModelAnswer:
        self.asked.append(request)
        return self.says

    async def send_http(self, request: HttpRequest) -> HttpAnswer:
        self.sent.append(request)
        return self.answers


def upstream(output: JsonValue, *, node_id: str = "n", title: str = "", kind: str = "ai_agent") -> Upstream:
    """A completed node above."""
    return Upstream(node_id=node_id, title=title, kind=kind, output=output)
