import pytest
from fake_context import FakeContext
from pydantic import ValidationError

from aistudio.nodes.trigger import KIND, TriggerConfig


async def test_the_runs_input_is_the_output() -> None:
    result = await KIND.run(TriggerConfig(input="sample"), FakeContext(run_input={"customer": {"id": 7}}))
    assert result.output == {"customer": {"id": 7}}


async def test_an_empty_input_is_an_input() -> None:
    result = await KIND.run(TriggerConfig(input="sample"), FakeContext(run_input={"input": ""}))
    assert result.output == {"input": ""}


async def test_an_empty_object_is_an_input() -> None:
    assert (await KIND.run(TriggerConfig(input="sample"), FakeContext(run_input={}))).output == {}


async def test_without_an_input_the_sample_starts_the_run_with_its_references_untouched() -> None:
    result = await KIND.run(TriggerConfig(input="say {{trigger.input}}"), FakeContext())
    assert result.output == {"input": "say {{trigger.input}}"}


def test_the_sample_may_be_left_out_but_not_mistyped() -> None:
    assert TriggerConfig.model_validate({}).input == ""
    for wrong in ({"input": 5}, {"input": None}, {"Input": "x"}):
        with pytest.raises(ValidationError):
            TriggerConfig.model_validate(wrong)
