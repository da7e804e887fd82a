from typing import Any

import pytest
from fake_context import FakeContext
from pydantic import ValidationError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.nodes.transform import KIND, TransformConfig

SCOPE: dict[str, Any] = {"trigger": {"n": 1, "list": [1, {"a": None}], "text": "t"}, "nodes": {}}


async def test_a_template_becomes_a_text() -> None:
    result = await KIND.run(TransformConfig(template="Hi {{trigger.n}}"), FakeContext())
    assert result.output == {"text": "resolved(Hi {{trigger.n}})"}
    assert (await KIND.run(TransformConfig(template=""), FakeContext())).output == {"text": "resolved()"}


async def test_a_field_that_is_one_reference_keeps_its_type() -> None:
    fields = {
        "number": "{{trigger.n}}",
        "list": "{{ trigger.list }}",
        "text": "{{trigger.text}}",
        "mixed": "{{trigger.n}} and {{trigger.list}}",
        "spaced": " {{trigger.n}}",
        "fallback": "{{trigger.none | default:'x'}}",
        "plain": "as it is",
        "": "",
    }
    result = await KIND.run(TransformConfig(fields=fields), FakeContext(scope=SCOPE))
    assert result.output == {
        "number": 1,
        "list": [1, {"a": None}],
        "text": "t",
        "mixed": '1 and [1,{"a":null}]',
        "spaced": " 1",
        "fallback": "x",
        "plain": "as it is",
        "": "",
    }


async def test_a_missing_value_fails_the_node() -> None:
    with pytest.raises(NodeError) as caught:
        await KIND.run(TransformConfig(fields={"a": "{{trigger.none}}"}), FakeContext(scope=SCOPE))
    assert caught.value.code is ErrorCode.UNRESOLVED_REFERENCE


async def test_many_fields_cannot_hold_one_long_value_again_and_again() -> None:
    fields = {f"f{number}": "{{trigger.long}}" for number in range(1_000)}
    scope = {"trigger": {"long": "x" * 500_000}}
    with pytest.raises(NodeError) as caught:
        await KIND.run(TransformConfig(fields=fields), FakeContext(scope=scope))
    assert caught.value.code is ErrorCode.OUTPUT_TOO_LARGE


@pytest.mark.parametrize("good", [{"template": "x"}, {"fields": {}}, {"template": "x", "fields": None}])
def test_good_configurations(good: dict[str, Any]) -> None:
    TransformConfig.model_validate(good)


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, ("fields",)),
        ({"template": None, "fields": None}, ("fields",)),
        ({"template": "x", "fields": {"a": "b"}}, ("fields",)),
        ({"template": 1}, ("template",)),
        ({"template": 1, "fields": {"a": "b"}}, ("template",)),
        ({"fields": {"a": 1}}, ("fields", "a")),
        ({"fields": ["a"]}, ("fields",)),
        ({"template": "x", "text": "y"}, ("text",)),
    ],
)
def test_bad_configurations_name_the_place_once(config: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        TransformConfig.model_validate(config)
    assert [error["loc"] for error in caught.value.errors()] == [place]
