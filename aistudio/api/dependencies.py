"""What operations are given: the studio, who asks, and parameters that several of them take."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from aistudio.studio.actor import Actor, local
from aistudio.studio.studio import Studio


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.get_studio()
    return studio


def _actor(request: Request) -> Actor:
    assert request.client is not None, "ClientAddress gives every request its client"
    return local(request.client.host)


# An id is read as text, so that one that is no UUID is not found rather than invalid.
_UUID = {"format": "uuid"}

CurrentStudio = Annotated[Studio, Depends(_studio)]
CurrentActor = Annotated[Actor, Depends(_actor)]
WorkflowId = Annotated[str, Path(json_schema_extra=_UUID)]
ExecutionId = Annotated[str, Path(json_schema_extra=_UUID)]
NodeId = Annotated[str, Path(description="The node's id in the workflow.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
Sequence = Annotated[int, Query(ge=0, le=2**31 - 1, description="The last event already known.")]
