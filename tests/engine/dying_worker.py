"""A worker that is killed when it has stored the result of node `a` and not yet told anybody."""

import asyncio
import os
import signal
from collections.abc import Sequence

from aistudio.engine.messages import NodeOutcome
from aistudio.engine.record import NodeRecord
from aistudio.engine.worker import work
from aistudio.graph.events import Event
from aistudio.settings import Settings

report = NodeRecord._after


async def die_first(self: NodeRecord, written: Sequence[Event]) -> NodeOutcome:
    if self._node.id == "a":
        os.kill(os.getpid(), signal.SIGKILL)
    return await report(self, written)


NodeRecord._after = die_first  # type: ignore[method-assign]
asyncio.run(work(Settings(_env_file=None)))
