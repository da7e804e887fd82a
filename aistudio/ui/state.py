"""The page's events: each asks the studio and answers over the page's one channel.

The tab keeps nothing here but whether the model is simulated: the draft lives in the browser, the run in
PostgreSQL, and the ids of both in the page's address.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from aistudio.graph.events import Event
from aistudio.studio.actor import LOCAL
from aistudio.studio.errors import StudioError
from aistudio.studio.studio import Studio
from aistudio.studio.watch import Snapshot, Told
from aistudio.ui.live import Watches, batches

Message = dict[str, Any]

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


def notice(error: StudioError, title: str) -> EventSpec:
    """A toast with cause and next step."""
    message: Message = {"type": "notice", "level": "error", "title": title, "detail": error.message}
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
    model: str = ""
    missing: bool = False

    @rx.event
    async def open_home(self) -> EventSpec | None:
        """`/` leads to the newest workflow, or to a first one from a template."""
        try:
            workflow_id = await current().workflows.open_home(LOCAL)
        except StudioError as error:
            return notice(error, "The studio cannot open")
        return rx.redirect(f"/w/{workflow_id}", replace=True)

    @rx.event
    def greet(self) -> EventSpec:
        """On every load and reconnect: the page answers by asking for what it shows."""
        model = current().catalog.model()
        self.simulated = model["simulated"]
        self.model = model["model"]
        return push({"type": "hello"})

    @rx.event(background=True)
    async def open_workflow(self, payload: Message) -> AsyncIterator[Any]:
        """Send the draft and its problems, then the run in the address, or the newest one, live."""
        studio = current()
        workflow_id = str(payload["workflow_id"])
        try:
            workflow = await studio.workflows.get(LOCAL, workflow_id)
            problems = studio.workflows.problems(workflow["graph"])
            execution_id = payload.get("execution_id") or await self._newest_execution(workflow_id)
        except StudioError as error:
            if error.status == 404:
                async with self:
                    self.missing = True
            else:
                yield push({"type": "unavailable", "message": error.message})
            return
        async with self:
            self.missing = False
        yield push({"type": "workflow", "workflow": workflow, "problems": problems})
        if execution_id:
            async for event in self._watch(str(execution_id)):
                yield event

    @rx.event(background=True)
    async def commit(self, payload: Message) -> AsyncIterator[Any]:
        """Save one finished gesture; the answer names the commit it is for."""
        studio, commit = current(), payload["commit"]
        workflow_id, base = str(payload["workflow_id"]), int(payload["base_revision"])
        try:
            if "patch" in payload:
                saved = await studio.workflows.edit(LOCAL, workflow_id, base, payload["patch"])
                revision, problems = saved["revision"], saved["problems"]
            else:
                graph = payload["graph"]
                whole = await studio.workflows.replace(LOCAL, workflow_id, graph, revisions=[base])
                revision, problems = whole["revision"], studio.workflows.problems(whole["graph"])
        except StudioError as error:
            async for answer in self._refused(error, workflow_id, commit):
                yield answer
            return
        yield push({"type": "saved", "commit": commit, "revision": revision, "problems": problems})

    @rx.event(background=True)
    async def run(self, payload: Message) -> AsyncIterator[Any]:
        """Start a run of the saved draft and watch it."""
        try:
            execution_id = await current().executions.start(
                LOCAL, str(payload["workflow_id"]), idempotency_key=str(payload["key"])
            )
        except StudioError as error:
            title = "Solve the problems first" if error.code == "invalid_graph" else "The run could not start"
            yield notice(error, title)
            return
        yield push({"type": "run_started", "execution_id": execution_id})
        async for event in self._watch(execution_id):
            yield event

    @rx.event(background=True)
    async def stop(self, payload: Message) -> AsyncIterator[Any]:
        """Cancel the run; its events tell the rest."""
        try:
            await current().executions.cancel(LOCAL, str(payload["execution_id"]))
        except StudioError as error:
            if error.code != "execution_not_cancellable":
                yield notice(error, "The run could not be stopped")

    @rx.event(background=True)
    async def watch(self, payload: Message) -> AsyncIterator[Any]:
        """Watch a run from a fresh snapshot, as after a gap."""
        async for event in self._watch(str(payload["execution_id"])):
            yield event

    async def _newest_execution(self, workflow_id: str) -> str | None:
        newest = await current().executions.list(LOCAL, workflow_id=workflow_id, limit=1)
        return newest["items"][0]["id"] if newest["items"] else None

    async def _refused(self, error: StudioError, workflow_id: str, commit: int) -> AsyncIterator[EventSpec]:
        if error.code != "revision_conflict":
            yield push({"type": "save_failed", "commit": commit, "message": error.message})
            return
        studio = current()
        theirs = await studio.workflows.get(LOCAL, workflow_id)
        problems = studio.workflows.problems(theirs["graph"])
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
            async for batch in batches(current().executions.watch(LOCAL, execution_id)):
                if not _watches.is_current(token, watch):
                    return
                for message in wire(execution_id, batch):
                    yield push(message)
        except StudioError as error:
            yield notice(error, "The run cannot be shown")
        finally:
            _watches.end(token, watch)
