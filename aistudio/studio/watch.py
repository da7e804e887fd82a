"""Following a run live: what has happened, then what happens, without a gap and without a repetition."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from aistudio.graph.events import SETTLING_EVENTS, TERMINAL_EVENTS, Delta, Event
from aistudio.graph.kinds import Kinds
from aistudio.store import deltas, events
from aistudio.store.database import Database
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.hub import Hub
from aistudio.store.notices import Gap, Notice
from aistudio.studio.errors import not_found
from aistudio.studio.runs import Run, event_view, read_run
from aistudio.studio.servers import answering
from aistudio.studio.views import SnapshotView

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5

Result = TypeVar("Result")


@dataclass(frozen=True)
class Snapshot:
    """Where the run stood when the watch began."""

    execution: SnapshotView


Told: TypeAlias = Snapshot | Event | Delta


async def watch(
    database: Database, hub: Hub, kinds: Kinds, owner_id: str, execution_id: str, after: int | None
) -> AsyncGenerator[Told, None]:
    """A snapshot, then every event and delta that it does not contain; ends with the terminal event.

    With `after`, every event after that sequence follows the snapshot; without, the snapshot holds the events
    so far. Outlives a PostgreSQL that goes away and comes back.
    """
    # What happens while the snapshot is read waits in the subscription.
    async with hub.subscribe(execution_id) as subscription:
        with answering():
            run = await read_run(database, kinds, owner_id, execution_id)
        if run is None:
            raise not_found("execution")
        follower = _Follower(database, run)
        if after is None:
            yield Snapshot({**run.view, "events": [event_view(event) for event in run.events]})
        else:
            yield Snapshot(cast(SnapshotView, run.view))
            for event in run.events[after:]:
                yield event
        while not follower.ended:
            try:
                notice = await anext(subscription)
            except StopAsyncIteration:
                return
            for news in await follower.take(notice):
                yield news


class _Follower:
    """Knows what a reader has been told, and makes of each notice what is new to them."""

    def __init__(self, database: Database, run: Run) -> None:
        self._database = database
        self._execution_id = run.view["id"]
        self._last_sequence = 0
        # Per streaming node: its attempt, and how many code points of its text were told.
        self._streams: dict[str, tuple[int, int]] = {}
        self._settled: set[str] = set()
        self.ended = False
        for event in run.events:
            self._note(event)
        for node_id, node in run.view["nodes"].items():
            if node["offset"]:
                self._streams[node_id] = (node["attempt"], node["offset"])

    async def take(self, notice: Notice) -> list[Event | Delta]:
        """What the notice adds to what was told."""
        match notice:
            case Event() if notice.sequence == self._last_sequence + 1:
                return [self._note(notice)]
            case Event(sequence=sequence) | Gap(sequence=int(sequence)):
                return [*await self._missed_events()] if sequence > self._last_sequence else []
            case Delta():
                news = self._piece(notice)
                return news if news is not None else [*await self._missed_text()]
            case Gap():
                # The text of a node that settled meanwhile is no news, so events come first.
                return [*await self._missed_events(), *await self._missed_text()]

    def _note(self, event: Event) -> Event:
        self._last_sequence = event.sequence
        self.ended = event.type in TERMINAL_EVENTS
        if event.node_id is not None:
            if event.type in SETTLING_EVENTS:
                self._settled.add(event.node_id)
            elif event.attempt > self._streams.get(event.node_id, (0, 0))[0]:
                self._streams[event.node_id] = (event.attempt, 0)
        return event

    def _piece(self, delta: Delta) -> list[Event | Delta] | None:
        """The part of the delta that is new; null when text before it is missing."""
        attempt, told = self._streams.get(delta.node_id, (0, 0))
        if delta.node_id in self._settled or delta.attempt < attempt:
            return []
        if delta.attempt > attempt:
            told = 0
        if delta.offset > told:
            return None
        text = delta.text[told - delta.offset :]
        if not text and (delta.text or delta.offset < told):
            return []
        self._streams[delta.node_id] = (delta.attempt, told + len(text))
        return [delta.model_copy(update={"offset": told, "text": text})]

    async def _missed_events(self) -> Iterable[Event]:
        read = await _persistently(
            lambda: events.read(self._database, self._execution_id, self._last_sequence, limit=None)
        )
        return [self._note(event) for event in read]

    async def _missed_text(self) -> Iterable[Event | Delta]:
        news: list[Event | Delta] = []
        texts = await _persistently(lambda: deltas.texts(self._database, self._execution_id))
        for node_id, (attempt, text) in texts.items():
            whole = Delta(
                execution_id=self._execution_id, node_id=node_id, attempt=attempt, offset=0, text=text
            )
            news += (self._piece(whole) or []) if text else []
        return news


async def _persistently(read: Callable[[], Awaitable[Result]]) -> Result:
    """The result of reading, as soon as PostgreSQL gives it."""
    while True:
        try:
            return await read()
        except DatabaseUnavailable as error:
            logger.info("A watched run waits for PostgreSQL: %s", error)
        await asyncio.sleep(RETRY_SECONDS)
