"""What an attempt's model calls cost, written down as they are made."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType

from aistudio.engine.patience import last_words, patiently, to_the_end
from aistudio.llm.client import Completion, ModelClient
from aistudio.nodes.context import ModelRequest
from aistudio.store import model_calls
from aistudio.store.database import Database
from aistudio.store.encoding import utf8_length
from aistudio.store.model_calls import ModelCall, Outcome

# Of the languages people write in, a token is about this many bytes.
BYTES_PER_TOKEN = 4


class Call:
    """A call that is being made."""

    def __init__(self, row: ModelCall, question: str) -> None:
        self.row = row
        self._asked = utf8_length(question)
        self._heard = 0

    def hear(self, text: str) -> None:
        """Note a piece of the answer: it is paid for, even if the rest never comes."""
        self._heard += utf8_length(text)

    def answered(self, completion: Completion) -> None:
        """Note what the whole answer cost."""
        self.row = replace(
            self.row,
            model=completion.model,
            simulated=completion.simulated,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            cost_usd=completion.cost_usd,
        )

    def broke_off(self, model: ModelClient) -> None:
        """Estimate what an unfinished answer cost: its provider does not say. Without any text: nothing."""
        if not self._heard:
            return
        tokens = _tokens(self._asked), _tokens(self._heard)
        self.row = replace(
            self.row,
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            cost_usd=model.price(self.row.model, *tokens),
            estimated=True,
        )


class Ledger:
    """The calls of one attempt at one node.

    Each is written when it begins, so that even a killed worker leaves a trace, and when it ended. Nobody
    waits for that before the attempt's end: PostgreSQL's absence uses up nothing of the node's time.
    """

    def __init__(
        self, database: Database, model: ModelClient, execution_id: str, node_id: str, attempt: int
    ) -> None:
        self._database = database
        self._model = model
        self._execution_id = execution_id
        self._node_id = node_id
        self._attempt = attempt
        self._number = 0
        self._writes: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Ledger":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            await last_words(asyncio.gather(*self._writes))
        else:
            await to_the_end(self._written())

    @asynccontextmanager
    async def call(self, request: ModelRequest) -> AsyncIterator[Call]:
        """Around a call to the model: what it raises is passed on."""
        self._number += 1
        row = ModelCall(
            id=str(uuid.uuid4()),
            execution_id=self._execution_id,
            node_id=self._node_id,
            attempt=self._attempt,
            number=self._number,
            model=request.model or self._model.default_model,
            simulated=self._model.simulated,
            started_at=datetime.now(UTC),
        )
        call = Call(row, request.system + request.user)
        outcome: Outcome = "failed"
        self._write(model_calls.begin, row)
        try:
            yield call
            outcome = "ok"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            if outcome != "ok":
                call.broke_off(self._model)
            self._write(model_calls.end, replace(call.row, finished_at=datetime.now(UTC), outcome=outcome))

    def _write(self, how: Callable[[Database, ModelCall], Awaitable[None]], row: ModelCall) -> None:
        self._writes.append(asyncio.create_task(patiently(lambda: how(self._database, row))))

    async def _written(self) -> None:
        await asyncio.gather(*self._writes)


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
