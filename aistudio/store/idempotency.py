"""Requests that may be sent twice and count once: a key is remembered for 24 hours."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Interval, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from aistudio.store.database import Source, reading
from aistudio.store.errors import IdempotencyMismatch
from aistudio.store.tables import NOW, idempotency_keys

KEPT = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a client sent with an idempotency key.

    Attributes:
        route: the operation and what it is about, as in `execute:{workflow_id}`.
        key: the client's key, of any length.
        body: what must be the same the second time, in a canonical form.
    """

    route: str
    key: str
    body: bytes


_key = idempotency_keys.c
_EXPIRED = _key.created_at < func.clock_timestamp() - literal(KEPT, Interval)

# A second claim waits here until the first one's transaction has ended, then finds its row.
_FIRST = insert(idempotency_keys).values(
    owner_id=bindparam("owner"),
    route=bindparam("path"),
    key_hash=bindparam("key"),
    body_hash=bindparam("body"),
    execution_id=bindparam("execution"),
)
CLAIM = _FIRST.on_conflict_do_update(
    index_elements=[_key.owner_id, _key.route, _key.key_hash],
    set_={
        "body_hash": _FIRST.excluded.body_hash,
        "execution_id": _FIRST.excluded.execution_id,
        "created_at": NOW,
    },
    where=_EXPIRED,
).returning(_key.execution_id)
FIND = select(_key.execution_id, _key.body_hash).where(
    _key.owner_id == bindparam("owner"),
    _key.route == bindparam("path"),
    _key.key_hash == bindparam("key"),
    ~_EXPIRED,
)


async def find(source: Source, owner_id: str, claim: Claim) -> str | None:
    """The execution that this request started before, or null. Raises IdempotencyMismatch."""
    async with reading(source) as connection:
        row = (await connection.execute(FIND, _names(owner_id, claim))).one_or_none()
    if row is None:
        return None
    if row.body_hash != hashlib.sha256(claim.body).digest():
        raise IdempotencyMismatch
    return str(row.execution_id)


async def take(connection: AsyncConnection, owner_id: str, claim: Claim, execution_id: str) -> str | None:
    """Note the execution under the claim; null, or the execution that had it before.

    Belongs into the transaction that creates the execution, before its row. A concurrent claim of the same
    key waits for that transaction. Raises IdempotencyMismatch.
    """
    values = {
        **_names(owner_id, claim),
        "body": hashlib.sha256(claim.body).digest(),
        "execution": execution_id,
    }
    if (await connection.execute(CLAIM, values)).one_or_none() is not None:
        return None
    return await find(connection, owner_id, claim)


def _names(owner_id: str, claim: Claim) -> dict[str, str | bytes]:
    key_hash = hashlib.sha256(claim.key.encode("utf-8", "surrogatepass")).digest()
    return {"owner": owner_id, "path": claim.route, "key": key_hash}
