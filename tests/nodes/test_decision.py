from typing import Any

import pytest
from fake_context import FakeContext
from pydantic import ValidationError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.nodes.decision import KIND, DecisionConfig

URGENT = {
    "id": "urgent",
    "label": "Urgent",
    "conditions": [
        {"left": "{{nodes.classify.response}}", "operator": "contains", "right": "URGENT"},
        {
            "left": "{{trigger.priority}}",
            "operator": "greater_than",
            "right": "{{variables.limit}}",
            "join": "or",
        },
    ],
}
SCOPE: dict[str, Any] = {
    "nodes": {"classify": {"response": "Calm."}},
    "trigger": {"priority": 3},
    "variables": {"limit": 5},
    "global": {},
}


def config(*branches: dict[str, Any]) -> DecisionConfig:
    return DecisionConfig.model_validate({"branches": list(branches)})


@pytest.mark.parametrize(
    ("priority", "answer", "branch"),
    [(3, "Calm.", "later"), (6, "Calm.", "urgent"), (3, "This is urgent!", "urgent")],
)
async def test_the_first_branch_that_matches_is_the_output_and_the_live_port(
    priority: int, answer: str, branch: str
) -> None:
    scope = {**SCOPE, "trigger": {"priority": priority}, "nodes": {"classify": {"response": answer}}}
    chosen = config(URGENT, {"id": "later", "conditions": []}, {"id": "never"})
    result = await KIND.run(chosen, FakeContext(scope=scope))
    assert result.output == {"branch": branch}
    assert result.details == {"branch": branch}
    assert KIND.spec.live_ports(chosen.model_dump(mode="json"), result.output) == (branch,)


async def test_no_match_and_wrong_types_fail_the_node() -> None:
    with pytest.raises(NodeError) as caught:
        await KIND.run(config(URGENT), FakeContext(scope=SCOPE))
    assert caught.value.code is ErrorCode.NO_BRANCH_MATCHED
    with pytest.raises(NodeError) as caught:
        await KIND.run(config(URGENT), FakeContext(scope={**SCOPE, "trigger": {"priority": "high"}}))
    assert caught.value.code is ErrorCode.CONDITION_TYPE


def test_one_port_per_branch_in_order() -> None:
    document = {"branches": [URGENT, {"id": "later"}]}
    assert KIND.spec.out_ports(document) == ("urgent", "later")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"branches": "x"},
        {"branches": [{"label": "no id"}]},
        {"branches": [{"id": ""}]},
        {"branches": [{"id": "a", "colour": "red"}]},
        {"branches": [{"id": "a", "conditions": [{"left": "x", "operator": "resembles", "right": "y"}]}]},
        {"branches": [{"id": "a", "conditions": [{"operator": "equals", "right": "y"}]}]},
        {"branches": [{"id": "a", "conditions": [{"left": 1, "operator": "is_empty"}]}]},
        {"branches": [{"id": "a"}], "otherwise": "b"},
    ],
)
def test_bad_configurations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DecisionConfig.model_validate(wrong)
