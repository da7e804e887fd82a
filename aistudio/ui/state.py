"""The page's events: each asks the studio and answers over the page's one channel.

The tab keeps nothing here but whether the model is simulated and the workflow missing: the draft lives in the
browser, the run in PostgreSQL, and the ids of both in the page's address.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from aistudio.graph.events import Event
from aistudio.studio.actor import Actor, local
from aistudio.studio.errors import StudioError
from aistudio.studio.studio import Studio
from aistudio.studio.watch import Snapshot, Told
from aistudio.ui.live import Watches, batches

Message = dict[str, Any]

RETRY_SECONDS = 1.0

_studio: Studio | None = None
_watches = Watches()


def use(app: rx.App, studio: Studio) -> None:
    """Make this the process's studio, and its tabs those of the app."""
    global _studio
    _studio = studio
    _watches.is_connected = lambda token: bool(
        app.event_namespace and token in app.event_namespace.token_to_sid
    )


def current() -> Studio:
    """The process's studio; there is one from the first request on."""
    assert _studio is not None, "the lifespan opens the studio before anything is served"
    return _studio


def push(message: Message) -> EventSpec:
    """Hand a message to the ref in `assets/client/channel.js`: an event payload, so no state and no eval."""
    return rx.set_value("studio", message)


def notice(error: StudioError, title: str, *, ends_start: bool = False) -> EventSpec:
    """A toast with cause and next step; `ends_start` when it is the answer to Run."""
    message: Message = {"type": "notice", "level": "error", "title": title, "detail": error.message}
    message["ends_start"] = ends_start
    if error.code == "invalid_graph":
        message["problems"] = error.details["problems"]
    return push(message)


def wire(execution_id: str, batch: list[Told]) -> Iterator[Message]:
    """A batch as the page's messages: snapshots alone, what comes between them together."""
    items: list[Message] = []
    for message in batch:
        if isinstance(message, Snapshot):
            if items:
                yield {"type": "live", "execution_id": execution_id, "items": items}
                items = []
            yield {"type": "snapshot", "execution": message.execution}
        else:
            kind = "event" if isinstance(message, Event) else "delta"
            items.append({kind: message.model_dump(mode="json")})
    if items:
        yield {"type": "live", "execution_id": execution_id, "items": items}


class StudioState(rx.State):
    """One tab of the studio."""

    simulated: bool = False
    missing: bool = False

    @rx.event
    async def open_home(self) -> EventSpec | None:
        """`/` leads to the newest workflow, or to a first one from a template."""
        try:
            workflow_id = await current().workflows.open_home(self._actor())
        except StudioError as error:
            return notice(error, "The studio cannot open")
        return rx.redirect(f"/w/{workflow_id}", replace=True)

    @rx.event
    def greet(self) -> EventSpec:
        """On every load and reconnect: the page answers by asking for what it shows."""
        self.simulated = current().catalog.model()["simulated"]
        return push({"type": "hello"})

    @rx.event(background=True)
    async def open_workflow(self, payload: Message) -> AsyncIterator[Any]:
        """Send the draft and its problems, then the run in the address, or the newest one, live."""
        studio = current()
        workflow_id = str(payload["workflow_id"])
        try:
            workflow = await studio.workflows.get(self._actor(), workflow_id)
            problems = await studio.workflows.problems(workflow["graph"])
            execution_id = await self._execution_to_show(workflow_id, payload.get("execution_id"))
        except StudioError as error:
            if error.status == 404:
                async with self:
                    self.missing = True
                yield push({"type": "missing"})
            else:
                yield push({"type": "unavailable", "message": error.message})
            return
        async with self:
            self.missing = False
        yield push({"type": "workflow", "workflow": workflow, "problems": problems})
        if execution_id:
            async for event in self._watch(execution_id):
                yield event

    @rx.event(background=True)
    async def commit(self, payload: Message) -> AsyncIterator[Any]:
        """Save one finished gesture; the answer names the commit it is for."""
        studio, commit = current(), str(payload["commit"])
        workflow_id, base = str(payload["workflow_id"]), int(payload["base_revision"])
        try:
            if "patch" in payload:
                saved = await studio.workflows.edit(self._actor(), workflow_id, base, payload["patch"])
                revision, problems = saved["revision"], saved["problems"]
            else:
                graph = payload["graph"]
                whole = await studio.workflows.replace(self._actor(), workflow_id, graph, revisions=[base])
                revision, problems = whole["revision"], await studio.workflows.problems(whole["graph"])
        except StudioError as error:
            async for answer in self._refused(error, workflow_id, commit):
                yield answer
            return
        yield push({"type": "saved", "commit": commit, "revision": revision, "problems": problems})

    @rx.event(background=True)
    async def run(self, payload: Message) -> AsyncIterator[Any]:
        """Start a run of the saved draft and watch it."""
        try:
            execution_id = await current().starts.execute(
                self._actor(), str(payload["workflow_id"]), idempotency_key=str(payload["key"])
            )
        except StudioError as error:
            title = "Solve the problems first" if error.code == "invalid_graph" else "The run could not start"
            yield notice(error, title, ends_start=True)
            return
        yield push({"type": "run_started", "execution_id": execution_id})
        async for event in self._watch(execution_id):
            yield event

    @rx.event(background=True)
    async def stop(self, payload: Message) -> AsyncIterator[Any]:
        """Cancel the run; its events tell the rest."""
        try:
            await current().executions.cancel(self._actor(), str(payload["execution_id"]))
        except StudioError as error:
            if error.code != "execution_not_cancellable":
                yield notice(error, "The run could not be stopped")

    @rx.event(background=True)
    async def decide(self, payload: Message) -> AsyncIterator[Any]:
        """Approve or reject what a node waits for; the run's events tell the rest."""
        try:
            await current().executions.decide(
                self._actor(),
                str(payload["execution_id"]),
                str(payload["node_id"]),
                payload["decision"],
                str(payload["comment"]),
            )
        except StudioError as error:
            yield notice(error, "The decision was not taken")

    @rx.event(background=True)
    async def watch(self, payload: Message) -> AsyncIterator[Any]:
        """Watch a run from a fresh snapshot, as after a gap."""
        async for event in self._watch(str(payload["execution_id"])):
            yield event

    def _actor(self) -> Actor:
        # Of the connection itself, as ClientAddress settled it: no event can say another.
        return local(self.router.session.client_ip)

    async def _execution_to_show(self, workflow_id: str, wanted: str | None) -> str | None:
        if wanted:
            try:
                summary = await current().executions.summary(self._actor(), str(wanted))
            except StudioError as error:
                if error.status != 404:
                    raise
            else:
                if summary["workflow_id"] == workflow_id:
                    return summary["id"]
        newest = await current().executions.list(self._actor(), workflow_id=workflow_id, limit=1)
        return newest["items"][0]["id"] if newest["items"] else None

    async def _refused(self, error: StudioError, workflow_id: str, commit: str) -> AsyncIterator[EventSpec]:
        studio = current()
        try:
            if error.code != "revision_conflict":
                raise error
            theirs = await studio.workflows.get(self._actor(), workflow_id)
        except StudioError as failure:
            refusal = {"commit": commit, "message": failure.message, "retry": failure.status == 503}
            yield push({"type": "save_failed", **refusal})
            return
        problems = await studio.workflows.problems(theirs["graph"])
        yield push(
            {
                "type": "conflict",
                "commit": commit,
                "revision": theirs["revision"],
                "graph": theirs["graph"],
                "problems": problems,
            }
        )

    async def _watch(self, execution_id: str) -> AsyncIterator[EventSpec]:
        token = self.router.session.client_token
        watch = _watches.begin(token)
        try:
            while _watches.is_current(token, watch):
                try:
                    async with aclosing(
                        batches(current().executions.watch(self._actor(), execution_id))
                    ) as feed:
                        async for batch in feed:
                            if not _watches.is_current(token, watch):
                                return
                            for message in wire(execution_id, batch):
                                yield push(message)
                    return
                except StudioError as error:
                    if error.status != 503:
                        yield notice(error, "The run cannot be shown")
                        return
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            _watches.end(token, watch)
