from typing import Any

import pytest
from fake_context import FakeContext, upstream
from pydantic import ValidationError

from aistudio.nodes.ai_agent import KIND, AgentConfig
from aistudio.nodes.context import ModelAnswer, ModelRequest


async def test_the_answer_is_the_output_and_the_event_knows_what_it_cost() -> None:
    result = await KIND.run(AgentConfig(system_prompt="Count."), FakeContext())
    assert result.output == {"response": "42"}
    assert result.details == {
        "model": "m",
        "usage": {"input_tokens": 3, "output_tokens": 1},
        "cost_usd": 0.5,
        "first_token_ms": 7,
    }


async def test_a_simulated_answer_says_so_and_an_empty_one_is_valid() -> None:
    says = ModelAnswer(
        text="",
        model="m",
        input_tokens=1,
        output_tokens=0,
        cost_usd=None,
        first_token_ms=None,
        simulated=True,
    )
    result = await KIND.run(AgentConfig(system_prompt="Count."), FakeContext(says=says))
    assert result.output == {"response": ""}
    assert result.details is not None
    assert result.details["simulated"] is True
    assert result.details["cost_usd"] is None


async def test_the_prompt_is_resolved_and_the_settings_are_passed_on() -> None:
    context = FakeContext()
    config = AgentConfig(system_prompt="Hi {{trigger.input}}", model="other", temperature=0, max_tokens=9)
    await KIND.run(config, context)
    assert context.asked == [
        ModelRequest(
            system="resolved(Hi {{trigger.input}})", user="", model="other", temperature=0, max_tokens=9
        )
    ]


async def test_everything_above_becomes_the_question() -> None:
    context = FakeContext(
        above=[
            upstream({"input": "two\nlines"}, node_id="ticket", title="Ticket"),
            upstream({"response": ""}, node_id="quiet"),
            upstream({"status": 200, "body": {"ä": [1, None]}}, node_id="fetch", title="Fetch"),
            upstream({"text": "T", "content": "C", "input": 5}, node_id="both"),
            upstream({"format": "table", "content": [{"a": 1}]}, node_id="rows"),
            upstream({}, node_id="nothing"),
        ]
    )
    await KIND.run(AgentConfig(system_prompt="Answer."), context)
    assert context.asked[0].user == (
        "## Ticket\ntwo\nlines\n\n"
        "## quiet\n\n\n"
        '## Fetch\n{"status":200,"body":{"ä":[1,null]}}\n\n'
        "## both\nT\n\n"
        '## rows\n{"format":"table","content":[{"a":1}]}\n\n'
        "## nothing\n{}"
    )


@pytest.mark.parametrize(
    "config",
    [
        {"temperature": 0},
        {"temperature": 2},
        {"temperature": 0.5, "max_tokens": 1},
        {"output_schema": {"type": "object"}, "web_search": True},
        {"model": None, "temperature": None, "max_tokens": None, "output_schema": None},
    ],
)
def test_good_configurations(config: dict[str, Any]) -> None:
    AgentConfig.model_validate({"system_prompt": "x", **config})


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "system_prompt"),
        ({"system_prompt": ""}, "system_prompt"),
        ({"system_prompt": " \n\t"}, "system_prompt"),
        ({"system_prompt": None}, "system_prompt"),
        ({"system_prompt": "x", "model": ""}, "model"),
        ({"system_prompt": "x", "web_search": "yes"}, "web_search"),
        ({"system_prompt": "x", "web_search": 1}, "web_search"),
        ({"system_prompt": "x", "temperature": -0.1}, "temperature"),
        ({"system_prompt": "x", "temperature": 2.1}, "temperature"),
        ({"system_prompt": "x", "temperature": "1"}, "temperature"),
        ({"system_prompt": "x", "temperature": True}, "temperature"),
        ({"system_prompt": "x", "temperature": float("nan")}, "temperature"),
        ({"system_prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"system_prompt": "x", "max_tokens": 1.5}, "max_tokens"),
        ({"system_prompt": "x", "max_tokens": True}, "max_tokens"),
        ({"system_prompt": "x", "output_schema": "{}"}, "output_schema"),
        ({"system_prompt": "x", "output_schema": []}, "output_schema"),
        ({"system_prompt": "x", "prompt": "y"}, "prompt"),
    ],
)
def test_bad_configurations_name_the_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AgentConfig.model_validate(config)
    assert [error["loc"][0] for error in caught.value.errors()] == [field]
