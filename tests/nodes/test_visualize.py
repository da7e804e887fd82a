import pytest
from fake_context import FakeContext, upstream
from pydantic import JsonValue, ValidationError

from aistudio.nodes.visualize import KIND, VisualizeConfig


async def shown(*outputs: JsonValue, mode: str = "auto") -> JsonValue:
    before = [upstream(output, node_id=f"n{index}") for index, output in enumerate(outputs)]
    config = VisualizeConfig.model_validate({"mode": mode})
    return (await KIND.run(config, FakeContext(before=before))).output


async def test_an_agents_answer_is_read_as_text() -> None:
    assert await shown({"response": "# Hello"}) == {"format": "markdown", "content": "# Hello"}
    assert await shown({"response": '{"a": 1}'}) == {"format": "stat_cards", "content": {"a": 1}}
    assert await shown({"input": "a,b\n1,2"}) == {"format": "table", "content": [{"a": "1", "b": "2"}]}
    assert await shown({"response": ""}) == {"format": "markdown", "content": ""}


async def test_other_output_is_shown_as_the_json_it_is() -> None:
    assert await shown({"branch": "later"}) == {"format": "stat_cards", "content": {"branch": "later"}}
    error: JsonValue = {"error": {"code": "timeout", "message": "Too slow."}}
    assert await shown(error) == {"format": "json", "content": error}
    assert await shown([1, [2]]) == {"format": "json", "content": [1, [2]]}


async def test_another_visualisation_is_shown_again() -> None:
    table: JsonValue = {"format": "table", "content": [{"label": "a", "value": 1}]}
    assert await shown(table, mode="stat_cards") == {"format": "stat_cards", "content": {"a": 1}}


async def test_several_are_joined_by_blank_lines() -> None:
    joined = await shown({"response": "One, two."}, {"text": "Three."}, {"a": {"b": 1}})
    assert joined == {"format": "markdown", "content": 'One, two.\n\nThree.\n\n{"a":{"b":1}}'}


async def test_a_mode_is_obeyed() -> None:
    assert await shown({"response": "graph TD\nA-->B"}, mode="text") == {
        "format": "text",
        "content": "graph TD\nA-->B",
    }


def test_the_mode_may_be_left_out_but_not_made_up() -> None:
    assert VisualizeConfig.model_validate({}).mode == "auto"
    for wrong in ({"mode": "hologram"}, {"mode": None}, {"format": "auto"}):
        with pytest.raises(ValidationError):
            VisualizeConfig.model_validate(wrong)
