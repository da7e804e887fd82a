"""The ledger of model calls: one row for each call that was made, whatever became of it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text

from aistudio.store.database import Database
from aistudio.store.encoding import escape

Outcome = Literal["ok", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """A call to a model, as it begins or as it ended.

    Attributes:
        id: a UUID in lower case; makes writing it twice harmless.
        number: of the attempt's calls, from 1.
        model: who was asked, or, at the end, who answered.
        simulated: whether the offline model answers.
        finished_at: null while the call is made.
        outcome: null while the call is made, and for ever when its worker was killed; `cancelled` when we
            cut it off, because the run was stopped or the node's time was up.
        input_tokens: as the provider counted them, or estimated.
        output_tokens: as the provider counted them, or estimated.
        cost_usd: in US dollars; null when the price is unknown, which makes the run's cost unknown, too.
        estimated: whether tokens and cost are our guess, because the answer broke off.
    """

    id: str
    execution_id: str
    node_id: str
    attempt: int
    number: int
    model: str
    simulated: bool
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0
    estimated: bool = False


# The run's totals grow by a call exactly when its row gets an outcome, which is once. Nobody waits for the
# disk: what is committed after this, such as the node's result, brings it there first.
WRITE = text("""
WITH run AS (
    SELECT id, owner_id FROM executions WHERE id = :execution_id
),
written AS (
    INSERT INTO model_calls (
        id, execution_id, owner_id, node_id, attempt, number, model, simulated, started_at, finished_at,
        outcome, input_tokens, output_tokens, cost_usd, estimated
    )
    SELECT
        :id, run.id, run.owner_id, :node_id, :attempt, :number, :model, :simulated, :started_at,
        CAST(:finished_at AS timestamptz), CAST(:outcome AS text), :input_tokens, :output_tokens,
        CAST(:cost_usd AS numeric), :estimated
    FROM run
    ON CONFLICT (id) DO UPDATE SET
        model = excluded.model, simulated = excluded.simulated, finished_at = excluded.finished_at,
        outcome = excluded.outcome, input_tokens = excluded.input_tokens,
        output_tokens = excluded.output_tokens, cost_usd = excluded.cost_usd, estimated = excluded.estimated
    WHERE model_calls.outcome IS NULL
    RETURNING outcome, input_tokens, output_tokens, cost_usd
),
counted AS (
    UPDATE executions SET
        input_tokens = executions.input_tokens + written.input_tokens,
        output_tokens = executions.output_tokens + written.output_tokens,
        cost_usd = executions.cost_usd + written.cost_usd
    FROM written
    WHERE executions.id = :execution_id AND written.outcome IS NOT NULL
)
SELECT set_config('synchronous_commit', 'off', true)
""")


async def begin(database: Database, call: ModelCall) -> None:
    """Write that a call is being made, unless its end is written. For a run that is gone nothing is."""
    async with database.connect() as connection:
        await connection.execute(WRITE, _parameters(call))


async def end(database: Database, call: ModelCall) -> None:
    """Write how a call ended and add it to the run's usage and cost; safe to repeat."""
    async with database.turn(call.execution_id), database.connect() as connection:
        await connection.execute(WRITE, _parameters(call))


def _parameters(call: ModelCall) -> dict[str, object]:
    return {**asdict(call), "node_id": escape(call.node_id), "model": escape(call.model)}
