import pytest
from fake_context import FakeContext
from pydantic import ValidationError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.nodes.approval import KIND, LONGEST_MESSAGE, ApprovalConfig, ask, run
from aistudio.nodes.context import Answer


def config(**given: object) -> ApprovalConfig:
    return ApprovalConfig.model_validate(given)


async def test_it_asks_with_the_resolved_message_and_the_time_there_is() -> None:
    question = await ask(config(message="Send {{trigger.input}}?", wait_seconds=60), FakeContext())
    assert (question.message, question.wait_seconds) == ("resolved(Send {{trigger.input}}?)", 60)
    assert await ask(config(), FakeContext()) == await ask(config(wait_seconds=None), FakeContext())


async def test_a_message_longer_than_anybody_reads_is_cut() -> None:
    question = await ask(config(message="x" * 30_000), FakeContext())
    assert len(question.message) == LONGEST_MESSAGE
    assert question.message.endswith("x…")


@pytest.mark.parametrize(("decision", "output"), [("approve", "approved"), ("reject", "rejected")])
async def test_the_answer_is_the_output_and_names_the_live_port(decision: str, output: str) -> None:
    answer = Answer(decision=decision, comment="Yes\nand no", by="ada")  # type: ignore[arg-type]
    result = await run(config(on_timeout="fail"), FakeContext(answer=answer))
    assert result.output == {"decision": output, "comment": "Yes\nand no", "by": "ada"}
    assert KIND.spec.live_ports({}, result.output) == (output,)


@pytest.mark.parametrize(("policy", "output"), [("approve", "approved"), ("reject", "rejected")])
async def test_without_an_answer_it_decides_as_told(policy: str, output: str) -> None:
    result = await run(config(wait_seconds=5, on_timeout=policy), FakeContext())
    assert result.output == {"decision": output, "comment": "", "by": "timeout"}


async def test_without_an_answer_it_may_fail_and_is_not_tried_again() -> None:
    with pytest.raises(NodeError, match="90 s") as caught:
        await run(config(wait_seconds=90), FakeContext())
    assert caught.value.code is ErrorCode.APPROVAL_TIMEOUT
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "wrong",
    [
        {"wait_seconds": 0},
        {"wait_seconds": -1},
        {"wait_seconds": 400 * 86_400},
        {"wait_seconds": "60"},
        {"on_timeout": "wait"},
        {"message": None},
        {"approvers": []},
    ],
)
def test_bad_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(**wrong)
