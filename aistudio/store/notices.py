"""What travels by NOTIFY: small events and deltas whole, larger events as "read up to this sequence".

A notice is the execution's id, a blank, and either a JSON object or a number. The channel needs no name per
database: PostgreSQL delivers a notice only to listeners of the database it was sent in.
"""

import json
from dataclasses import dataclass

from aistudio.graph.events import Delta, Event
from aistudio.store.encoding import compact, unescape, utf8_length

CHANNEL = "aistudio"
# Runs that are to be stopped, for whoever works on them: a notice says no more than that.
CANCELS = "aistudio_cancels"

# PostgreSQL refuses 8,000 bytes and more.
MAX_BYTES = 7_999


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something was not delivered and has to be read from PostgreSQL.

    Attributes:
        sequence: when only events up to this one are to be read (one was too large for a notice);
            null when anything may be missing, deltas included.
    """

    sequence: int | None = None


Notice = Event | Delta | Gap


def address(payload: str) -> str:
    """The id of the execution that a payload is about."""
    return payload.partition(" ")[0]


def parse(payload: str) -> Notice:
    """What a payload says."""
    body = payload.partition(" ")[2]
    if not body.startswith("{"):
        return Gap(sequence=int(body))
    fields = json.loads(body)
    if "sequence" not in fields:
        return Delta.model_validate(fields)
    if fields["node_id"] is not None:
        fields["node_id"] = unescape(fields["node_id"])
    return Event.model_validate(fields)


def deltas(execution_id: str, node_id: str, attempt: int, offset: int, text: str) -> list[tuple[Delta, str]]:
    """The text as as many deltas as it takes for each payload to fit, beside those payloads."""
    delta = Delta(execution_id=execution_id, node_id=node_id, attempt=attempt, offset=offset, text=text)
    body = compact(delta.model_dump())
    payload = f"{execution_id} {_storable(body)}"
    if len(text) <= 1 or utf8_length(payload) <= MAX_BYTES:
        return [(delta, payload)]
    middle = len(text) // 2
    return [
        *deltas(execution_id, node_id, attempt, offset, text[:middle]),
        *deltas(execution_id, node_id, attempt, offset + middle, text[middle:]),
    ]


def _storable(body: str) -> str:
    """JSON without lone surrogates, which have no UTF-8; JSON has its own way to write them."""
    return body.encode("utf-8", "backslashreplace").decode()
