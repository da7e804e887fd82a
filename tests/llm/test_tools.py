"""Tool calls and response formats, over the wire of a real endpoint."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from aistudio.llm import messages
from aistudio.llm.client import ModelClient
from aistudio.llm.messages import ToolCall
from tests.llm.test_model_client import ask, failure, stream
from tests.support.model_server import Behaviour, ModelServer

TOOL = messages.tool(
    "web_search", "Searches.", {"type": "object", "properties": {"query": {"type": "string"}}}
)
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}}


class TestToolCalls:
    async def test_calls_are_put_together_from_their_pieces(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        first, second = '{"query": "soft cheese"}', '{"query": "hard cheese – \U0001f9c0"}'
        server.script(
            Behaviour(text="One moment.", tool_calls=(("web_search", first), ("web_search", second)))
        )
        completion, pieces = await ask(client, tools=[TOOL])
        assert "".join(pieces) == completion.text == "One moment."
        assert completion.tool_calls == (
            ToolCall(id="call-1-0", name="web_search", arguments=first),
            ToolCall(id="call-1-1", name="web_search", arguments=second),
        )
        body = server.calls[0].body
        assert body["tools"] == [TOOL]
        assert "tool_choice" not in body

    @pytest.mark.parametrize("index", [{"index": 0}, {}])
    async def test_calls_with_one_index_or_none_are_told_apart_by_their_ids(
        self, client: ModelClient, server: ModelServer, index: dict[str, int]
    ) -> None:
        def piece(**call: Any) -> dict[str, Any]:
            delta = {"tool_calls": [index | call]}
            return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}

        server.script(Behaviour(raw=stream(
            piece(id="a", function={"name": "web_search", "arguments": '{"query":'}),
            piece(function={"arguments": '"x"}'}),
            piece(id="b", function={"name": "web_search", "arguments": "{}"}),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        )))  # fmt: skip
        completion, _ = await ask(client, tools=[TOOL])
        assert completion.tool_calls == (
            ToolCall(id="a", name="web_search", arguments='{"query":"x"}'),
            ToolCall(id="b", name="web_search", arguments="{}"),
        )

    @pytest.mark.parametrize("calls", ["text", [3], [{"index": 0, "function": {"arguments": {"a": 1}}}]])
    async def test_calls_of_a_strange_shape_are_an_answer_that_cannot_be_read(
        self, client: ModelClient, server: ModelServer, calls: object
    ) -> None:
        delta = {"choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "stop"}]}
        server.script(Behaviour(raw=stream(delta)))
        assert (await failure(client)).code == "model_unavailable"

    async def test_the_conversation_goes_on_with_what_the_tools_gave_back(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        calls = [
            ToolCall(id="a", name="web_search", arguments='{"query": "x"}'),
            ToolCall(id="b", name="web_search", arguments="{broken"),
        ]
        more = [
            messages.answered("", calls), messages.result("a", "found \ud83d"), messages.result("b", "no"),
            messages.answered(""), messages.asked("Go on."),
        ]  # fmt: skip
        await ask(client, more=more, tools=[TOOL], tools_spent=True)
        body = server.calls[0].body
        assert [message["role"] for message in body["messages"]] == [
            "system", "user", "assistant", "tool", "tool", "assistant", "user"
        ]  # fmt: skip
        used = body["messages"][2]["tool_calls"]
        # What is no JSON some endpoints would refuse to read back.
        assert [call["function"]["arguments"] for call in used] == ['{"query": "x"}', "{}"]
        assert body["messages"][3] == {"role": "tool", "tool_call_id": "a", "content": "found \ufffd"}
        assert body["messages"][5]["content"]
        assert (body["tools"], body["tool_choice"]) == ([TOOL], "none")


class TestResponseFormat:
    async def test_the_schema_is_sent(self, client: ModelClient, server: ModelServer) -> None:
        await ask(client, schema=SCHEMA)
        assert server.calls[0].body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA},
        }

    @pytest.mark.parametrize("status", [400, 422])
    async def test_an_endpoint_that_does_not_take_it_is_asked_without(
        self, client: ModelClient, server: ModelServer, status: int
    ) -> None:
        server.script(Behaviour(status=status), Behaviour(text='{"label": "x"}'))
        completion, _ = await ask(client, schema=SCHEMA)
        assert completion.text == '{"label": "x"}'
        first, second = (call.body for call in server.calls)
        assert first.pop("response_format")
        assert first == second

    async def test_a_request_that_is_refused_either_way_is_an_error(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        server.script(Behaviour(status=400, message="no format"), Behaviour(status=400, message="no model"))
        with pytest.raises(Exception, match="no model") as caught:
            await ask(client, schema=SCHEMA)
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize("status", [401, 404, 429, 500])
    async def test_other_refusals_are_not_about_the_format(
        self, client: ModelClient, server: ModelServer, status: int
    ) -> None:
        server.script(Behaviour(status=status))
        with pytest.raises(Exception, match=f"The model answered {status}"):
            await ask(client, schema=SCHEMA)
        assert len(server.calls) == 1

    async def test_the_offline_model_answers_with_json(self, client_of: Callable[..., ModelClient]) -> None:
        completion, _ = await ask(client_of(openai_api_key=None), schema=SCHEMA, tools=[TOOL])
        assert json.loads(completion.text).keys() == {"label"}
        assert completion.simulated
        assert completion.tool_calls == ()
