"""The one door to a language model: any endpoint that speaks OpenAI's protocol, or the offline model."""

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import httpx2
import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from aistudio.llm import pricing
from aistudio.llm.errors import Endpoint, ModelError, unavailable
from aistudio.llm.messages import Message, ToolCall, ToolCalls, asked, encodable, fitting
from aistudio.llm.offline import OFFLINE_MODEL, OfflineTransport
from aistudio.settings import Settings

__all__ = ["Completion", "ModelClient", "ModelError"]

OPENROUTER_URL = "https://openrouter.ai/api/v1"
OPENAI_URL = "https://api.openai.com/v1"
OPENROUTER_HOST = httpx2.URL(OPENROUTER_URL).host
OFFLINE_URL = "http://offline.invalid/v1"

# OpenRouter ranks and shows applications by these.
OPENROUTER_HEADERS = {"HTTP-Referer": "http://localhost:3000", "X-Title": "AI Studio"}

# A model that thinks may be silent for long; one that is not even reachable should say so soon.
TIMEOUT = httpx2.Timeout(connect=10.0, read=120.0, write=30.0, pool=30.0)

# What an endpoint counts beyond this is no count.
MOST_TOKENS = 2**40


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A finished answer.

    Attributes:
        text: the whole answer, exactly the streamed pieces joined; may be empty.
        model: who answered, in the provider's words.
        input_tokens: as the provider counted them; 0 when it did not say.
        output_tokens: as the provider counted them; 0 when it did not say.
        cost_usd: US dollars; null when neither the provider nor the price table knows.
        first_token_ms: from the request to the first text; null for an empty answer.
        simulated: whether the offline model made it up.
        tool_calls: the tools it wants used before it goes on.
    """

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    first_token_ms: int | None
    simulated: bool
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is asked, as `ModelClient.complete` takes it."""

    messages: Sequence[Message]
    model: str
    temperature: float | None
    max_tokens: int | None
    tools: Sequence[ChatCompletionToolParam]
    tools_spent: bool
    schema: Mapping[str, Any] | None


class _Part(NamedTuple):
    """What one chunk brought; `text` is null when it had none, not even an empty one."""

    text: str | None
    model: str
    usage: CompletionUsage | None
    finished: bool
    simulated: bool
    calls: Sequence[ChoiceDeltaToolCall]


class ModelClient:
    """Streams chat completions. Never retries: whoever calls owns retries.

    Args:
        settings: names the endpoint, its key, the default model and prices.
        offline_pace: how slowly the offline model types; 1 is lifelike, 0 is at once.

    Attributes:
        simulated: whether no key is set, so that the offline model answers.
        default_model: the model of calls that name none.
    """

    def __init__(self, settings: Settings, *, offline_pace: float = 1.0) -> None:
        base_url, key, variable = _endpoint(settings)
        self.default_model, self.simulated = default_model(settings)
        self._prices = settings.ai_prices
        self._endpoint = Endpoint(
            host=httpx2.URL(base_url).netloc.decode("ascii"),
            key=key or "",
            key_variable=variable,
            read_timeout=TIMEOUT.read or 0.0,
        )
        self._client = openai.AsyncOpenAI(
            api_key=key or "offline",
            base_url=base_url,
            max_retries=0,
            timeout=TIMEOUT,
            default_headers=OPENROUTER_HEADERS if variable == "OPENROUTER_API_KEY" else None,
            http_client=(
                httpx2.AsyncClient(transport=OfflineTransport(pace=offline_pace)) if self.simulated else None
            ),
        )
        # The library loads its resources on first use, which would hold up the event loop in the first call.
        self._completions = self._client.chat.completions

    async def complete(
        self,
        *,
        system: str,
        user: str,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        more: Sequence[Message] = (),
        tools: Sequence[ChatCompletionToolParam] = (),
        tools_spent: bool = False,
        schema: Mapping[str, Any] | None = None,
        on_text: Callable[[str], Awaitable[None]],
    ) -> Completion:
        """Ask a model and hear its answer while it comes.

        Cancelling the task closes the HTTP connection at once. What `on_text` raises comes through
        unchanged, and closes it as well.

        Args:
            system: the system prompt.
            user: the user message.
            model: null means `default_model`.
            temperature: null leaves it to the provider.
            max_tokens: upper bound of the answer; null leaves it to the provider.
            more: what was said after that message, oldest first; see `aistudio.llm.messages`.
            tools: what the model may call instead of answering.
            tools_spent: it may call none of them any more; endpoints want to hear of them all the same
                when they have been called before.
            schema: JSON Schema of the answer. An endpoint that does not take one is asked without it,
                so the prompt has to say it, too; whether the answer fits is for the caller to see.
            on_text: awaited with every piece of text from the first that is not empty, in order. Empty
                ones after it say that the answer goes on.

        Raises:
            ModelError: no complete answer came.
        """
        request = _Request(
            messages=[{"role": "system", "content": encodable(system)}, asked(user), *more],
            model=model or self.default_model,
            temperature=temperature,
            max_tokens=max_tokens,
            tools=tools,
            tools_spent=tools_spent,
            schema=schema,
        )
        started = time.monotonic()
        pieces: list[str] = []
        calls = ToolCalls()
        answered_by = request.model
        usage: CompletionUsage | None = None
        first_token_ms: int | None = None
        finished = simulated = False
        async with aclosing(self._parts(request)) as parts:
            async for part in parts:
                answered_by = part.model or answered_by
                usage = part.usage or usage
                finished = finished or part.finished
                simulated = simulated or part.simulated
                for piece in part.calls:
                    calls.add(piece)
                if part.text and first_token_ms is None:
                    first_token_ms = round((time.monotonic() - started) * 1000)
                if part.text is not None and first_token_ms is not None:
                    pieces.append(part.text)
                    await on_text(part.text)
        if not finished and usage is None:
            raise unavailable(
                f"The answer of {request.model} broke off before its end. Try again, or choose another model."
            )
        input_tokens, output_tokens = _tokens(usage)
        return Completion(
            text="".join(pieces),
            model=answered_by,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=self._cost(usage, request.model, answered_by),
            first_token_ms=first_token_ms,
            simulated=simulated,
            tool_calls=calls.whole(),
        )

    @property
    def host(self) -> str:
        """Host (and port) of the endpoint."""
        return self._endpoint.host

    @property
    def key_variable(self) -> str:
        """The environment variable the key came from; '' for the offline model."""
        return self._endpoint.key_variable

    async def key_accepted(self) -> bool | None:
        """Whether the endpoint accepts the key, by a call that costs nothing; null when it does not say.

        Raises:
            ModelError: the endpoint cannot be reached, or is not one.
        """
        # OpenRouter shows its models to everybody, and a key to its owner.
        path = "/key" if self._client.base_url.host == OPENROUTER_HOST else "/models"
        try:
            answer = await self._client.get(path, cast_to=object)
        except openai.APIStatusError as error:
            if error.status_code == 401:
                return False
            # A key may be allowed to chat and not to list; an endpoint may chat and have no list.
            if error.status_code in (403, 404, 405):
                return None
            raise self._endpoint.explain(error, self.default_model) from None
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError) as error:
            raise self._endpoint.explain(error, self.default_model) from None
        if not isinstance(answer, dict):
            raise self._endpoint.explain(ValueError("not an object"), self.default_model)
        return True

    def price(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars for so many tokens, by the price table; null when the model's price is not known."""
        return 0.0 if self.simulated else pricing.cost(model, input_tokens, output_tokens, self._prices)

    async def aclose(self) -> None:
        """Close every connection. The client cannot be used after this."""
        await self._client.close()

    async def _parts(self, request: _Request) -> AsyncGenerator[_Part, None]:
        try:
            async with await self._open(request) as stream:
                async for chunk in stream:
                    yield _read(chunk)
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
            # The cause holds the request, and with it the key: it may not travel on.
            raise self._endpoint.explain(error, request.model) from None

    async def _open(self, request: _Request) -> openai.AsyncStream[ChatCompletionChunk]:
        try:
            return await self._completions.create(
                model=request.model,
                messages=request.messages,
                temperature=openai.omit if request.temperature is None else request.temperature,
                max_tokens=openai.omit if request.max_tokens is None else request.max_tokens,
                tools=request.tools or openai.omit,
                tool_choice="none" if request.tools and request.tools_spent else openai.omit,
                response_format=openai.omit if request.schema is None else fitting(request.schema),
                stream=True,
                stream_options={"include_usage": True},
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if request.schema is None:
                raise
            # It may be the format that is refused; nothing was answered, so nothing is paid twice.
            return await self._open(replace(request, schema=None))

    def _cost(self, usage: CompletionUsage | None, wanted: str, answered_by: str) -> float | None:
        if usage is None:
            return None
        own = (usage.model_extra or {}).get("cost")
        if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own < math.inf:
            return float(own)
        for name in (wanted, answered_by):
            cost = pricing.cost(name, *_tokens(usage), self._prices)
            if cost is not None:
                return cost
        return None


def default_model(settings: Settings) -> tuple[str, bool]:
    """The model of agents that name none, and whether it is the offline model."""
    simulated = _endpoint(settings)[1] is None
    return (OFFLINE_MODEL if simulated else settings.ai_model), simulated


def _endpoint(settings: Settings) -> tuple[str, str | None, str]:
    """Base URL, key and the key's variable; no key means the offline model."""
    own = settings.openai_api_key and settings.openai_api_key.get_secret_value().strip()
    router = settings.openrouter_api_key and settings.openrouter_api_key.get_secret_value().strip()
    url = settings.openai_base_url
    if own and (url or not router):
        return url or OPENAI_URL, own, "OPENAI_API_KEY"
    if router:
        return url or OPENROUTER_URL, router, "OPENROUTER_API_KEY"
    return OFFLINE_URL, None, ""


def _read(chunk: ChatCompletionChunk) -> _Part:
    """The chunk's news. The client does not check what it decodes: strange shapes raise here."""
    if not isinstance(chunk, ChatCompletionChunk):
        raise ValueError("not a chunk")
    # A usage chunk has no choices, and only one choice is ever asked for.
    choice = chunk.choices[0] if chunk.choices else None
    text = choice.delta.content if choice and choice.delta else None
    return _Part(
        text=None if text is None else encodable(text),
        model=chunk.model or "",
        usage=chunk.usage,
        finished=choice is not None and choice.finish_reason is not None,
        simulated=(chunk.model_extra or {}).get("simulated") is True,
        calls=_checked((choice.delta.tool_calls or ()) if choice and choice.delta else ()),
    )


def _checked(pieces: Sequence[ChoiceDeltaToolCall]) -> Sequence[ChoiceDeltaToolCall]:
    for piece in pieces:
        texts = (piece.id, *((piece.function.name, piece.function.arguments) if piece.function else ()))
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("not a tool call")
    return pieces


def _tokens(usage: CompletionUsage | None) -> tuple[int, int]:
    if usage is None:
        return 0, 0
    return _count(usage.prompt_tokens), _count(usage.completion_tokens)


def _count(tokens: object) -> int:
    # The client does not check what it decodes.
    return tokens if isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS else 0
