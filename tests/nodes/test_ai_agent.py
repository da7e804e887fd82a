import json
from dataclasses import replace
from typing import Any

import pytest
from fake_context import ANSWER, FakeContext, upstream
from pydantic import JsonValue, ValidationError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.validation import validate
from aistudio.nodes import registry, search
from aistudio.nodes.ai_agent import KIND, AgentConfig
from aistudio.nodes.context import ModelAnswer, ModelRequest, SearchFailed, ToolCall, WebPage
from aistudio.nodes.conversation import SMALL_TALK

PAGES = [
    WebPage(title="Brie", url="https://example.com/brie", text="A soft cheese."),
    WebPage(title="Edam", url="https://example.com/edam", text="A hard one."),
]
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"label": {"enum": ["sales", "support"]}, "score": {"type": "integer", "maximum": 10}},
    "required": ["label"],
}


def says(text: str, *queries: str) -> ModelAnswer:
    """An answer that also searches."""
    calls = [
        ToolCall(id=f"c{number}", name="web_search", arguments=json.dumps({"query": query}))
        for number, query in enumerate(queries)
    ]
    return replace(ANSWER, text=text, tool_calls=calls)


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
        ({"system_prompt": "x", "output_schema": {"type": "objekt"}}, "output_schema"),
        ({"system_prompt": "x", "output_schema": {"type": "array"}}, "output_schema"),
        ({"system_prompt": "x", "prompt": "y"}, "prompt"),
    ],
)
def test_bad_configurations_name_the_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AgentConfig.model_validate(config)
    assert [error["loc"][0] for error in caught.value.errors()] == [field]


class TestWebSearch:
    CONFIG = AgentConfig(system_prompt="Cheese?", web_search=True)

    async def test_what_was_found_goes_back_to_the_model_as_data(self) -> None:
        context = FakeContext(says=[says("", "brie"), says("Brie is soft.")], finds=PAGES)
        result = await KIND.run(self.CONFIG, context)
        first, second = context.asked
        assert first.system == f"resolved(Cheese?)\n\n{search.INSTRUCTION}"
        assert [tool.name for tool in first.tools] == ["web_search"]
        assert (first.turns, first.tools_spent) == ((), False)
        ((call, told),) = second.turns[0].results
        assert call.id == "c0"
        assert told == search.fenced(PAGES)
        assert context.searched == ["brie"]
        assert result.output == {"response": "Brie is soft."}
        assert result.details is not None
        assert result.details["searches"] == [{"query": "brie", "results": 2}]

    async def test_usage_and_cost_are_of_all_calls(self) -> None:
        context = FakeContext(says=[says("", "a"), says("", "b"), says("Done.")], finds=PAGES)
        details = (await KIND.run(self.CONFIG, context)).details
        assert details is not None
        assert details["usage"] == {"input_tokens": 9, "output_tokens": 3}
        assert details["cost_usd"] == 1.5
        context.asked.clear()
        context.says = [replace(says("", "a"), cost_usd=None), says("Done.")]
        details = (await KIND.run(self.CONFIG, context)).details
        assert details is not None
        assert details["cost_usd"] is None

    async def test_without_a_service_there_is_no_tool_and_no_word_of_it(self) -> None:
        context = FakeContext()
        result = await KIND.run(self.CONFIG, context)
        assert context.asked == [ModelRequest(system="resolved(Cheese?)", user="")]
        assert result.output == {"response": "42"}

    async def test_the_searches_of_an_attempt_are_counted(self) -> None:
        greedy = [says("", "a", "b"), says("", "c", "d"), says("", "e", "f"), says("Enough.", "g")]
        context = FakeContext(says=greedy, finds=PAGES)
        result = await KIND.run(self.CONFIG, context)
        assert context.searched == ["a", "b", "c", "d", "e"]
        assert [request.tools_spent for request in context.asked] == [False, False, False, True]
        # Every call has its result, or endpoints refuse the conversation.
        assert [len(turn.results) for turn in context.asked[-1].turns] == [2, 2, 2]
        assert context.asked[-1].turns[-1].results[1][1] == search.SPENT
        assert result.output == {"response": "Enough."}

    async def test_a_failing_search_is_told_to_the_model(self) -> None:
        context = FakeContext(says=[says("", "a"), says("No idea.")], finds=SearchFailed("it took too long"))
        result = await KIND.run(self.CONFIG, context)
        assert context.asked[1].turns[0].results[0][1] == "The search failed: it took too long."
        assert result.output == {"response": "No idea."}
        assert result.details is not None
        assert result.details["searches"] == [{"query": "a", "error": "it took too long"}]

    @pytest.mark.parametrize(
        ("name", "arguments"),
        [
            ("web_search", "{"),
            ("web_search", '{"query": ["x"]}'),
            ("web_search", '{"query": "  "}'),
            ("web_search", ""),
            ("shell", '{"query": "ls"}'),
        ],
    )
    async def test_a_call_that_makes_no_sense_is_explained_and_counts(
        self, name: str, arguments: str
    ) -> None:
        odd = replace(ANSWER, text="", tool_calls=[ToolCall(id="x", name=name, arguments=arguments)])
        context = FakeContext(says=[odd] * 5 + [says("Well.")], finds=PAGES)
        result = await KIND.run(self.CONFIG, context)
        assert context.searched == []
        assert len(context.asked) == 6
        assert result.output == {"response": "Well."}

    async def test_words_that_lead_to_a_search_are_no_part_of_the_response(self) -> None:
        context = FakeContext(says=[says("Let me see.", "a"), says("Brie it is.")], finds=PAGES)
        result = await KIND.run(self.CONFIG, context)
        assert result.output == {"response": "Brie it is."}
        assert "".join(context.shown) == "Brie it is."
        assert context.asked[1].turns[0].text == "Let me see."

    async def test_what_has_been_shown_stays(self) -> None:
        long = "word " * SMALL_TALK
        context = FakeContext(says=[says(long, "a"), says("", "b"), says("And more.")], finds=PAGES)
        result = await KIND.run(self.CONFIG, context)
        assert result.output == {"response": f"{long}\n\nAnd more."}
        assert "".join(context.shown) == f"{long}\n\nAnd more."

    async def test_a_long_answer_is_shown_while_it_comes(self) -> None:
        context = FakeContext(says=says("word " * SMALL_TALK), finds=PAGES)
        await KIND.run(self.CONFIG, context)
        assert len([text for text in context.shown if text]) > 100


class TestStructuredOutput:
    CONFIG = AgentConfig(system_prompt="Sort.", output_schema=SCHEMA)

    async def test_the_data_stand_beside_the_text(self) -> None:
        text = '```json\n{"label": "sales"}\n```'
        context = FakeContext(says=says(text))
        result = await KIND.run(self.CONFIG, context)
        assert result.output == {"response": text, "data": {"label": "sales"}}
        assert "".join(context.shown) == text
        assert context.asked[0].schema == SCHEMA
        assert json.dumps(SCHEMA, separators=(",", ":")) in context.asked[0].system

    async def test_an_answer_that_does_not_fit_is_repaired_once(self) -> None:
        wrong, right = '{"label": "other", "score": 11}', '{"label": "support", "score": 1}'
        context = FakeContext(says=[says(wrong), says(right)])
        result = await KIND.run(self.CONFIG, context)
        (turn,) = context.asked[1].turns
        assert turn.text == wrong
        assert "$.label: " in turn.reply
        assert "$.score: 11 is greater than the maximum of 10." in turn.reply
        assert result.output == {"response": right, "data": {"label": "support", "score": 1}}
        assert "".join(context.shown) == right
        assert result.details is not None
        assert result.details["usage"] == {"input_tokens": 6, "output_tokens": 2}

    async def test_then_it_fails_for_good_and_names_the_place(self) -> None:
        context = FakeContext(says=[says("Sales, I think."), says('{"label": "sales", "score": "high"}')])
        with pytest.raises(NodeError, match=r'\$\.score: "high" is not of type "integer"') as caught:
            await KIND.run(self.CONFIG, context)
        assert caught.value.code is ErrorCode.SCHEMA_MISMATCH
        assert not caught.value.retryable
        assert len(context.asked) == 2
        assert "".join(context.shown) == ""

    async def test_searches_come_before_the_structure(self) -> None:
        config = AgentConfig(system_prompt="Sort.", output_schema=SCHEMA, web_search=True)
        answers = [says("Let me see.", "a"), says("Sales!"), says('{"label": "sales"}')]
        context = FakeContext(says=answers, finds=PAGES)
        result = await KIND.run(config, context)
        assert result.output == {"response": '{"label": "sales"}', "data": {"label": "sales"}}
        assert "".join(context.shown) == '{"label": "sales"}'
        # The correction is no time to look things up.
        assert [request.tools_spent for request in context.asked] == [False, False, True]

    def test_a_bad_schema_is_a_problem_of_the_workflow_and_fields_of_data_are_references(self) -> None:
        def problems(schema: JsonValue) -> list[dict[str, Any]]:
            prompt: JsonValue = {"system_prompt": "{{nodes.a.data.label}}"}
            graph: JsonValue = {
                "nodes": [
                    {"id": "t", "kind": "trigger"},
                    {
                        "id": "a",
                        "kind": "ai_agent",
                        "config": {"system_prompt": "x", "output_schema": schema},
                    },
                    {"id": "b", "kind": "ai_agent", "config": prompt},
                ],
                "edges": [{"source": "t", "target": "a"}, {"source": "a", "target": "b"}],
            }
            return [problem.model_dump() for problem in validate(graph, registry.specs()).problems]

        assert problems(SCHEMA) == []
        (problem,) = problems({"properties": {"x": {"$ref": "http://example.com/schema"}}})
        assert problem["code"] == "invalid_config"
        assert (problem["node_id"], problem["path"]) == ("a", "config.output_schema")
        assert "may only lead to a part of this schema" in problem["message"]
