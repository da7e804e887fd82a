"""Streaming text, kept in chunks until its node completes."""

from sqlalchemy import bindparam, select, text

from aistudio.store import notices
from aistudio.store.database import Database, Source, reading
from aistudio.store.encoding import escape, parse_id
from aistudio.store.tables import delta_chunks, node_results

# A crash of PostgreSQL may lose the newest chunks, which are then sent again; waiting for the disk would cost
# every reader every time.
APPEND = text("""
WITH run AS (
    SELECT id, owner_id FROM executions
    WHERE id = :execution_id AND status NOT IN ('completed', 'failed', 'cancelled') AND NOT EXISTS (
        SELECT FROM node_results WHERE execution_id = :execution_id AND node_id = :node_id
    )
),
kept AS (
    INSERT INTO delta_chunks (execution_id, node_id, attempt, "offset", owner_id, text)
    SELECT id, :node_id, :attempt, piece.place, owner_id, piece.text
    FROM run CROSS JOIN unnest(CAST(:offsets AS int[]), CAST(:texts AS text[])) AS piece(place, text)
    WHERE piece.text <> ''
    ON CONFLICT (execution_id, node_id, attempt, "offset") DO UPDATE SET text = excluded.text
)
SELECT
    set_config('synchronous_commit', 'off', true), pg_notify(:channel, notice),
    CAST(:follows AS int) IS NULL OR EXISTS (
        SELECT FROM delta_chunks
        WHERE execution_id = :execution_id AND node_id = :node_id AND attempt = :attempt
            AND "offset" = :follows
    ) AS whole
FROM run CROSS JOIN unnest(CAST(:notices AS text[])) WITH ORDINALITY AS told(notice, place)
ORDER BY place
""")

TEXTS = (
    select(delta_chunks.c.node_id, delta_chunks.c.attempt, delta_chunks.c.offset, delta_chunks.c.text)
    .outerjoin(
        node_results,
        (node_results.c.execution_id == delta_chunks.c.execution_id)
        & (node_results.c.node_id == delta_chunks.c.node_id),
    )
    .where(delta_chunks.c.execution_id == bindparam("this"), node_results.c.node_id.is_(None))
    .order_by(delta_chunks.c.node_id, delta_chunks.c.attempt, delta_chunks.c.offset)
)


async def append(
    database: Database,
    execution_id: str,
    node_id: str,
    attempt: int,
    offset: int,
    text: str,
    *,
    follows: int | None = None,
) -> bool:
    """Keep a piece of text and send it to who listens; `offset` in code points from the attempt's first.

    An empty piece is sent and not kept. Nothing happens once the node has an output or the run has ended.

    Args:
        follows: the offset of the piece sent before this one; null for the first.

    Returns:
        Whether that piece is still kept. If not, or after an error, send everything from offset 0 again:
        pieces may overlap.
    """
    this = parse_id(execution_id)
    if this is None:
        return True
    pieces = notices.deltas(this, node_id, attempt, offset, text)
    parameters = {
        "execution_id": this,
        "node_id": escape(node_id),
        "attempt": attempt,
        "follows": follows,
        "offsets": [delta.offset for delta, _ in pieces],
        "texts": [escape(delta.text) for delta, _ in pieces],
        "notices": [payload for _, payload in pieces],
        "channel": notices.CHANNEL,
    }
    async with database.connect() as connection:
        rows = (await connection.execute(APPEND, parameters)).all()
    return all(row.whole for row in rows)


async def texts(source: Source, execution_id: str) -> dict[str, tuple[int, str]]:
    """The text so far of each node that has begun one and has no output: (highest attempt, its text).

    A node that failed or was cancelled keeps the text it had got to.
    """
    this = parse_id(execution_id)
    if this is None:
        return {}
    async with reading(source) as connection:
        rows = (await connection.execute(TEXTS, {"this": this})).all()
    pieces: dict[str, tuple[int, list[str], int]] = {}
    for row in rows:
        attempt, parts, length = pieces.get(row.node_id, (0, [], 0))
        if row.attempt > attempt:
            attempt, parts, length = row.attempt, [], 0
        # Beyond a lost chunk the text would not be what the model said.
        if row.offset <= length < row.offset + len(row.text):
            parts.append(row.text[length - row.offset :])
            length = row.offset + len(row.text)
        pieces[row.node_id] = (attempt, parts, length)
    return {node_id: (attempt, "".join(parts)) for node_id, (attempt, parts, _) in pieces.items()}
