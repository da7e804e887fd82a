"""The model client against a real endpoint that misbehaves on request."""

import asyncio
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httpx2
import openai
import pytest

from aistudio.llm.client import Completion, ModelClient, ModelError
from tests.llm.conftest import KEY
from tests.support.model_server import Behaviour, ModelServer


async def ask(client: ModelClient, system: str = "Answer.", **options: Any) -> tuple[Completion, list[str]]:
    """The completion and the pieces of text as they came."""
    pieces: list[str] = []

    async def on_text(text: str) -> None:
        pieces.append(text)

    defaults: dict[str, Any] = {"user": "What is new?"}
    return await client.complete(system=system, on_text=on_text, **(defaults | options)), pieces


async def failure(client: ModelClient, system: str = "Answer.") -> ModelError:
    """The error a call ends with."""
    with pytest.raises(ModelError) as caught:
        await ask(client, system)
    return caught.value


class TestAnswers:
    async def test_text_streams_in_pieces_that_make_up_the_answer(self, client: ModelClient) -> None:
        completion, pieces = await ask(client, "[[text:One two three four]]")
        assert pieces == ["One", " two", " three", " four"]
        assert completion.text == "One two three four"
        assert completion.first_token_ms is not None
        assert not completion.simulated
        assert not client.simulated

    async def test_request_carries_the_prompts_and_options(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        await ask(client, "Be brief.", user="Hi", model="some/model", temperature=0.0, max_tokens=7)
        body = server.calls[0].body
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ]
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("some/model", 0.0, 7)
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}

    async def test_options_left_out_are_not_sent(self, client: ModelClient, server: ModelServer) -> None:
        await ask(client)
        assert server.calls[0].model == client.default_model
        assert server.calls[0].body.keys() == {"model", "messages", "stream", "stream_options"}

    async def test_empty_answer_is_an_answer(self, client: ModelClient) -> None:
        completion, pieces = await ask(client, "[[empty]]")
        assert completion.text == ""
        assert pieces == []
        assert completion.first_token_ms is None

    async def test_text_is_kept_to_the_last_blank(self, client: ModelClient, server: ModelServer) -> None:
        server.script(Behaviour(text="\n  Zeile 1\u2028Zeile 2 – ünï \U0001f680 "))
        completion, pieces = await ask(client)
        assert completion.text == "\n  Zeile 1\u2028Zeile 2 – ünï \U0001f680 "
        assert "".join(pieces) == completion.text

    async def test_half_characters_become_signs_of_replacement(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        completion, _ = await ask(client, "[[echo]]", user="half \ud83d and whole \U0001f680")
        assert completion.text == "half \ufffd and whole \U0001f680"
        server.script(Behaviour(raw=stream(
            {"choices": [{"index": 0, "delta": {"content": "\ud83d"}, "finish_reason": "stop"}]}
        )))  # fmt: skip
        assert (await ask(client))[0].text == "\ufffd"

    async def test_reasoning_and_odd_chunks_are_no_text(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        server.script(Behaviour(raw=stream(
            ": OPENROUTER PROCESSING",
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None, "reasoning": "Hm"}}]},
            {"choices": [{"index": 0, "delta": {"content": "", "reasoning": "so"}}]},
            {"choices": []},
            {"choices": [{"index": 0, "delta": {"content": "Yes"}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            "data: [DONE]",
        )))  # fmt: skip
        completion, pieces = await ask(client)
        assert completion.text == "Yes"
        assert pieces == ["Yes"]

    async def test_length_limit_ends_an_answer_in_order(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        server.script(Behaviour(raw=stream(
            {"choices": [{"index": 0, "delta": {"content": "Half a"}, "finish_reason": "length"}]},
            "data: [DONE]",
        )))  # fmt: skip
        assert (await ask(client))[0].text == "Half a"

    async def test_error_of_the_listener_comes_through_and_ends_the_call(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        async def on_text(text: str) -> None:
            raise LookupError(text)

        with pytest.raises(LookupError):
            await client.complete(system="[[endless]]", user="", on_text=on_text)
        assert await asyncio.to_thread(server.wait_for, lambda calls: calls[0].disconnected, 5.0)

    async def test_many_calls_at_once_stay_apart(self, client: ModelClient) -> None:
        answers = await asyncio.gather(*(ask(client, "[[echo]]", user=f"Message {n}") for n in range(40)))
        assert [completion.text for completion, _ in answers] == [f"Message {n}" for n in range(40)]


class TestUsageAndCost:
    async def test_tokens_are_the_providers_and_cost_from_the_table(self, client: ModelClient) -> None:
        completion, _ = await ask(client, "[[text:one two three]]", user="four words are here")
        assert (completion.input_tokens, completion.output_tokens) == (3 + 4, 3)
        assert completion.model == "mistralai/mistral-small-3.2-24b-instruct"
        assert completion.cost_usd == pytest.approx((7 * 0.06 + 3 * 0.18) / 1_000_000)

    async def test_own_cost_of_the_provider_wins(self, client: ModelClient) -> None:
        assert (await ask(client, "[[cost:0.0021]]"))[0].cost_usd == 0.0021
        assert (await ask(client, "[[cost:0]]"))[0].cost_usd == 0.0

    async def test_configured_price_wins_over_the_table(self, client_of: Callable[..., ModelClient]) -> None:
        client = client_of(ai_prices={"house/model": [1.0, 2.0]}, ai_model="house/model")
        completion, _ = await ask(client, "[[text:a b]]", user="c d e")
        assert completion.cost_usd == pytest.approx((5 * 1.0 + 2 * 2.0) / 1_000_000)

    async def test_unknown_price_is_no_price(self, client: ModelClient) -> None:
        assert (await ask(client, model="nobody/knows"))[0].cost_usd is None

    async def test_provider_without_usage_leaves_cost_open(self, client: ModelClient) -> None:
        completion, _ = await ask(client, "[[nousage]]")
        assert (completion.input_tokens, completion.output_tokens) == (0, 0)
        assert completion.cost_usd is None
        assert completion.text


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "retryable"),
        [
            (400, "model_rejected", False),
            (401, "model_auth", False),
            (402, "model_rejected", False),
            (403, "model_auth", False),
            (404, "model_rejected", False),
            (408, "model_rejected", True),
            (413, "model_rejected", False),
            (422, "model_rejected", False),
            (429, "model_rate_limited", True),
            (500, "model_unavailable", True),
            (502, "model_unavailable", True),
            (503, "model_unavailable", True),
            (529, "model_unavailable", True),
        ],
    )
    @pytest.mark.parametrize("within_stream", [False, True])
    async def test_status_decides(
        self,
        client: ModelClient,
        server: ModelServer,
        status: int,
        code: str,
        retryable: bool,
        within_stream: bool,
    ) -> None:
        reason = "the widget is not aligned"
        server.script(
            Behaviour(failure="error", error_code=status, message=reason)
            if within_stream
            else Behaviour(status=status, message=reason)
        )
        error = await failure(client)
        assert (error.code, error.retryable) == (code, retryable)
        assert error.message.startswith(f"The model answered {status}: ")
        assert reason in error.message
        assert len(server.calls) == 1

    async def test_wrong_key_says_which_variable_holds_it(
        self, client_of: Callable[..., ModelClient]
    ) -> None:
        own = await failure(client_of(), "[[status:401]]")
        assert own.message.startswith("The model answered 401: the key in OPENAI_API_KEY is not accepted.")
        router = await failure(client_of(openai_api_key=None, openrouter_api_key=KEY), "[[status:401]]")
        assert router.message.startswith(
            "The model answered 401: the key in OPENROUTER_API_KEY is not accepted."
        )

    @pytest.mark.parametrize(
        ("header", "low", "high"),
        [
            ("7", 7, 7),
            ("0.5", 0.5, 0.5),
            ("0", 0, 0),
            ("-3", 0, 0),
        ],
    )
    async def test_retry_after_is_seconds_to_wait(
        self, client: ModelClient, server: ModelServer, header: str, low: float, high: float
    ) -> None:
        server.script(Behaviour(status=429, retry_after=header))
        error = await failure(client)
        assert error.retry_after is not None
        assert low <= error.retry_after <= high

    @pytest.mark.parametrize(("ahead", "low", "high"), [(3600, 3500, 3601), (-3600, 0, 0)])
    async def test_retry_after_may_be_a_date(
        self, client: ModelClient, server: ModelServer, ahead: int, low: float, high: float
    ) -> None:
        server.script(Behaviour(status=429, retry_after=formatdate(time.time() + ahead, usegmt=True)))
        error = await failure(client)
        assert error.retry_after is not None
        assert low <= error.retry_after <= high

    @pytest.mark.parametrize("header", [None, "soon", "nan", "inf", ""])
    async def test_retry_after_that_makes_no_sense_is_none(
        self, client: ModelClient, server: ModelServer, header: str | None
    ) -> None:
        server.script(Behaviour(status=503, retry_after=header))
        assert (await failure(client)).retry_after is None

    @pytest.mark.parametrize(
        "marker", ["[[drop]]", "[[drop:0]]", "[[cut]]", "[[cut:0]]", "[[error:server_error]]"]
    )
    async def test_broken_stream_is_worth_another_try(
        self, client: ModelClient, server: ModelServer, marker: str
    ) -> None:
        error = await failure(client, marker)
        assert (error.code, error.retryable) == ("model_unavailable", True)
        assert len(server.calls) == 1

    @pytest.mark.parametrize(
        "raw",
        [
            "<html><body>It works!</body></html>",
            "data: {not json\n\n",
            'data: "text"\n\n',
            "data: [1, 2]\n\n",
            'data: {"choices": 3}\n\n',
            'data: {"choices": [{"delta": "text"}]}\n\n',
            "data: [DONE]\n\n",
            "",
        ],
    )
    async def test_what_is_no_completion_is_said_so(
        self, client: ModelClient, server: ModelServer, raw: str
    ) -> None:
        server.script(Behaviour(raw=raw))
        assert (await failure(client)).code == "model_unavailable"

    async def test_nobody_listening(self, client_of: Callable[..., ModelClient]) -> None:
        error = await failure(client_of(openai_base_url="http://user:secret@127.0.0.1:9/v1"))
        assert (error.code, error.retryable) == ("model_unavailable", True)
        assert "127.0.0.1:9" in error.message
        assert "secret" not in error.message

    async def test_key_that_no_header_can_carry(self, client_of: Callable[..., ModelClient]) -> None:
        error = await failure(client_of(openai_api_key="schlüssel-mit-umlaut"))
        assert (error.code, error.retryable) == ("model_auth", False)
        assert "umlaut" not in error.message

    @pytest.mark.parametrize(
        ("cause", "says"),
        [
            (httpx2.ReadTimeout("read"), "sent nothing for 120 s"),
            (httpx2.ConnectTimeout(""), "ConnectTimeout"),
        ],
    )
    async def test_timeouts_say_what_took_too_long(
        self, client: ModelClient, cause: Exception, says: str
    ) -> None:
        timeout = openai.APITimeoutError(httpx2.Request("POST", "http://model.invalid"))
        timeout.__cause__ = cause
        error = client._endpoint.explain(timeout, "some/model")
        assert (error.code, error.retryable) == ("model_unavailable", True)
        assert says in error.message

    async def test_reason_is_bounded_and_no_page(self, client: ModelClient, server: ModelServer) -> None:
        server.script(Behaviour(status=400, message="long " * 1000), Behaviour(status=502, message="<html>…"))
        assert len((await failure(client)).message) < 500
        assert "<html>" not in (await failure(client)).message

    async def test_cause_inside_the_routers_metadata_is_told(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        error = {"code": 400, "message": "Provider returned error", "metadata": {"raw": "too many images"}}
        server.script(Behaviour(raw=stream({"choices": [], "error": error})))
        told = await failure(client)
        assert told.code == "model_rejected"
        assert "Provider returned error too many images" in told.message


class TestSecrets:
    @pytest.mark.parametrize(
        "echo",
        [
            f"Incorrect API key provided: {KEY}.",
            "Incorrect API key provided: sk-or-v1-abcdef0123456789. You can find it in your account.",
            "Incorrect API key provided: a-key-th**************see.",
            f"Header 'Authorization: Bearer {KEY}' was refused",
            "x" * 290 + KEY,
        ],
    )
    @pytest.mark.parametrize("within_stream", [False, True])
    async def test_key_that_a_provider_echoes_is_removed(
        self, client: ModelClient, server: ModelServer, echo: str, within_stream: bool
    ) -> None:
        server.script(
            Behaviour(failure="error", error_code=401, message=echo)
            if within_stream
            else Behaviour(status=401, message=echo)
        )
        error = await failure(client)
        for part in (KEY, KEY[:8], "abcdef0123456789", "th****"):
            assert part not in error.message
        assert error.__cause__ is None
        assert error.__suppress_context__

    async def test_key_reaches_the_endpoint_and_nothing_else(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        completion, _ = await ask(client)
        assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in repr(completion)
        assert KEY not in json.dumps(server.calls[0].body)


class TestCancelling:
    @pytest.mark.parametrize("marker", ["[[endless]]", "[[hang]]"])
    async def test_cancelling_closes_the_connection_at_once(
        self, client: ModelClient, server: ModelServer, marker: str
    ) -> None:
        speaking = asyncio.Event()

        async def on_text(text: str) -> None:
            speaking.set()

        task = asyncio.create_task(client.complete(system=marker, user="", on_text=on_text))
        await speaking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.wait_for, lambda calls: calls[0].disconnected, 5.0)

    async def test_cancelling_before_the_first_byte(self, client: ModelClient, server: ModelServer) -> None:
        task = asyncio.create_task(ask(client, "[[delay:60]]"))
        assert await asyncio.to_thread(server.wait_for, lambda calls: len(calls) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.wait_for, lambda calls: calls[0].disconnected, 5.0)

    async def test_client_goes_on_after_a_cancelled_call(
        self, client: ModelClient, server: ModelServer
    ) -> None:
        await self.test_cancelling_before_the_first_byte(client, server)
        assert (await ask(client, "[[text:fine]]"))[0].text == "fine"


class TestEndpoints:
    async def test_router_hears_who_calls(
        self, client_of: Callable[..., ModelClient], server: ModelServer
    ) -> None:
        await ask(client_of(openai_api_key=None, openrouter_api_key=KEY))
        await ask(client_of())
        router, other = (call.headers for call in server.calls)
        assert router["x-title"] == "AI Studio"
        assert router["http-referer"]
        assert router["authorization"] == f"Bearer {KEY}"
        assert "x-title" not in other

    @pytest.mark.parametrize(
        ("settings", "host"),
        [
            ({"openrouter_api_key": KEY}, "openrouter.ai"),
            ({"openai_api_key": KEY}, "api.openai.com"),
            ({"openai_api_key": KEY, "openrouter_api_key": "another"}, "openrouter.ai"),
        ],
    )
    async def test_default_addresses(
        self, client_of: Callable[..., ModelClient], settings: dict[str, str], host: str
    ) -> None:
        client = client_of(**({"openai_api_key": None, "openai_base_url": None} | settings))
        assert client._client.base_url.host == host
        assert client._client.max_retries == 0

    async def test_ambient_configuration_of_the_library_is_not_used(
        self,
        client_of: Callable[..., ModelClient],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        client = client_of(openai_api_key=None, openai_base_url=None, openrouter_api_key=KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
        assert client._client.base_url.host == "openrouter.ai"

    async def test_own_endpoint_gets_its_own_key(
        self, client_of: Callable[..., ModelClient], server: ModelServer
    ) -> None:
        await ask(client_of(openrouter_api_key="another-key"))
        assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"

    async def test_without_a_key_the_offline_model_answers(
        self, client_of: Callable[..., ModelClient], server: ModelServer
    ) -> None:
        client = client_of(openai_api_key=None)
        assert client.simulated
        assert client.default_model == "offline/simulated"
        assert server.calls == []


class TestKey:
    async def test_the_endpoint_is_asked_about_the_key_at_no_cost(
        self, client_of: Callable[..., ModelClient], server: ModelServer
    ) -> None:
        server.accepted_key = KEY
        assert await client_of().key_accepted() is True
        assert await client_of(openai_api_key="another-key").key_accepted() is False
        assert server.asked == ["/v1/models", "/v1/models"]
        assert server.calls == []

    async def test_openrouter_is_asked_about_the_key_itself_since_everybody_may_see_its_models(
        self, client_of: Callable[..., ModelClient], server: ModelServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("aistudio.llm.client.OPENROUTER_HOST", "127.0.0.1")
        assert await client_of().key_accepted() is True
        assert server.asked == ["/v1/key"]

    async def test_an_endpoint_that_has_no_such_call_does_not_say(
        self, client_of: Callable[..., ModelClient], server: ModelServer
    ) -> None:
        assert await client_of(openai_base_url=f"{server.base_url}/deeper").key_accepted() is None

    async def test_an_endpoint_that_is_away_is_told(self, client_of: Callable[..., ModelClient]) -> None:
        with pytest.raises(ModelError, match=r"127\.0\.0\.1:1"):
            await client_of(openai_base_url="http://127.0.0.1:1/v1").key_accepted()


def stream(*events: dict[str, Any] | str) -> str:
    """A response body: chunks are completed and framed, texts stand as they are."""
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    lines = (e if isinstance(e, str) else f"data: {json.dumps(frame | e)}" for e in events)
    return "".join(f"{line}\n\n" for line in lines)
