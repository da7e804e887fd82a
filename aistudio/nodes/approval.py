"""Approval: stops until a human has looked at it, and goes on as they decide."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.kinds import KindSpec
from aistudio.nodes.context import Answer, NodeContext, NodeKind, NodeResult, Question

# Seconds in a year.
LONGEST_WAIT = 31_536_000
# Characters; who wants to read on finds the rest where it comes from.
LONGEST_MESSAGE = 20_000

DECISIONS = {"approve": "approved", "reject": "rejected"}


class ApprovalConfig(BaseModel):
    """What an approval can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Approval")

    message: str = Field(
        default="",
        title="Message",
        description="What the person who decides should know.",
        json_schema_extra={"x-control": "template"},
    )
    wait_seconds: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST_WAIT,
        title="Wait",
        description="Seconds until it goes on without a decision, up to a year; empty: it waits for ever.",
    )
    on_timeout: Literal["approve", "reject", "fail"] = Field(
        default="fail",
        title="When nobody decides",
        description="What happens when the time is up.",
    )


async def ask(config: ApprovalConfig, context: NodeContext) -> Question:
    """The message, as the person who decides reads it."""
    message = context.resolve(config.message)
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    return Question(message=message, wait_seconds=config.wait_seconds)


async def run(config: ApprovalConfig, context: NodeContext) -> NodeResult:
    """Wait until somebody approves or rejects, for months if need be, and go on from the port of that name.

    Outputs `decision` (`approved` or `rejected`), `comment`, and `by` (who decided; `timeout` when the
    time was up). Under `on_timeout: fail` the node then fails with `approval_timeout` instead.
    """
    answer = context.answer
    if answer is None:
        if config.on_timeout == "fail":
            raise NodeError(
                ErrorCode.APPROVAL_TIMEOUT,
                f"Nobody decided within {config.wait_seconds:g} s. "
                "Run it again, or give people more time to decide.",
            )
        answer = Answer(decision=config.on_timeout, comment="", by="timeout")
    return NodeResult(
        output={"decision": DECISIONS[answer.decision], "comment": answer.comment, "by": answer.by}
    )


KIND = NodeKind(
    spec=KindSpec(
        name="approval",
        title="Approval",
        summary="Waits until somebody approves or rejects.",
        icon="user-check",
        group="Logic",
        config=ApprovalConfig,
        headline="message",
        starter={"message": "Shall this go out?"},
        ports=("approved", "rejected"),
        templates=("message",),
        passes_output=False,
        port_key="decision",
        waits=True,
    ),
    run=run,
    ask=ask,
)
