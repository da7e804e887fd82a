"""An agent's conversation with its model: the calls of one attempt, its searches, and what is shown of it."""

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from aistudio.nodes import search
from aistudio.nodes.context import ModelAnswer, ModelRequest, NodeContext, Turn

# So much may be the words around a search ("Let me look that up"); more of it is an answer.
SMALL_TALK = 300
# Characters of an answer that go back to the model which is to correct it.
QUOTED = 20_000


class Conversation:
    """Asks a model until it has answered.

    Args:
        context: of the attempt.
        request: the first call. When it names tools, `web_search` is one of them.

    Attributes:
        draft: what the model has said, as far as it is shown.
        searches: what was looked up, as `Found.record`.
    """

    def __init__(self, context: NodeContext, request: ModelRequest) -> None:
        self._context = context
        self._request = request
        self._answers: list[ModelAnswer] = []
        self._used = 0
        self._began = time.monotonic()
        self._waited = 0.0
        self.draft = Draft(context.emit)
        self.searches: list[dict[str, JsonValue]] = []

    async def answer(self) -> str:
        """What the model says when it has looked up all it wants, or all it may."""
        while True:
            answer = await self._call()
            if not answer.tool_calls or not self._may_search:
                return answer.text
            results = []
            for call in answer.tool_calls:
                if self._used == search.MAX_SEARCHES:
                    results.append((call, search.SPENT))
                    continue
                self._used += 1
                found = await search.use(call, self._context)
                results.append((call, found.text))
                if found.record is not None:
                    self.searches.append(found.record)
            self._goes_on(Turn(text=answer.text, results=results))

    async def correct(self, complaint: str) -> str:
        """What the model says to a complaint about its last answer; it can look up nothing more."""
        self._used = search.MAX_SEARCHES
        self._goes_on(Turn(text=self._answers[-1].text[:QUOTED], reply=complaint))
        return (await self._call()).text

    def details(self) -> Mapping[str, Any]:
        """What `node_completed` tells: usage and cost are of all calls, null cost when one is unknown."""
        last = self._answers[-1]
        costs = [answer.cost_usd for answer in self._answers]
        told: dict[str, Any] = {
            "model": last.model,
            "usage": {
                "input_tokens": sum(answer.input_tokens for answer in self._answers),
                "output_tokens": sum(answer.output_tokens for answer in self._answers),
            },
            "cost_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
            "first_token_ms": (
                None if last.first_token_ms is None else last.first_token_ms + round(self._waited * 1000)
            ),
        }
        if self.searches:
            told["searches"] = self.searches
        if last.simulated:
            told["simulated"] = True
        return told

    @property
    def _may_search(self) -> bool:
        return bool(self._request.tools) and self._used < search.MAX_SEARCHES

    async def _call(self) -> ModelAnswer:
        self._waited = time.monotonic() - self._began
        if self._request.schema is not None:
            patience = math.inf
        else:
            patience = SMALL_TALK if self._may_search else 0
        self.draft.begin(patience)
        spent = bool(self._request.tools) and not self._may_search
        request = replace(self._request, tools_spent=spent)
        answer = await self._context.call_model(request, self.draft.write)
        self._answers.append(answer)
        return answer

    def _goes_on(self, turn: Turn) -> None:
        self._request = replace(self._request, turns=(*self._request.turns, turn))


class Draft:
    """An attempt's text on its way to who watches. What has been shown is never taken back.

    A model's text may turn out not to be the response: it was small talk before a search, or JSON that does
    not fit. So it is held until there is more of it than `patience` characters, or until it is released.
    """

    def __init__(self, emit: Callable[[str], Awaitable[None]]) -> None:
        self._emit = emit
        self._shown: list[str] = []
        self._held = ""
        self._patience = 0.0
        self._between = ""

    def begin(self, patience: float) -> None:
        """Forget what is held; a new answer begins."""
        self._held = ""
        self._patience = patience
        # What is shown already stands apart from what follows.
        self._between = "\n\n" if self._shown else ""

    async def write(self, text: str) -> None:
        """Take the next piece of the answer."""
        self._held += text
        if len(self._held) > self._patience:
            self._patience = 0.0
            await self._show()
        else:
            # Who watches is told that there is something.
            await self._emit("")

    async def release(self) -> str:
        """Show what is held; everything that was shown."""
        if self._held:
            await self._show()
        return "".join(self._shown)

    async def _show(self) -> None:
        text, self._held, self._between = self._between + self._held, "", ""
        self._shown.append(text)
        await self._emit(text)
