"""A worker that is killed when it has stored the result of node `a` and not yet told anybody."""

import asyncio
import os
import signal
from collections.abc import Sequence

from aistudio.engine.attempt import NodeRun
from aistudio.engine.messages import NodeOutcome
from aistudio.engine.worker import work
from aistudio.graph.events import Event
from aistudio.settings import Settings

report = NodeRun._after


async def die_first(self: NodeRun, written: Sequence[Event]) -> NodeOutcome:
    if self._node.id == "a":
        os.kill(os.getpid(), signal.SIGKILL)
    return await report(self, written)


NodeRun._after = die_first  # type: ignore[method-assign]
asyncio.run(work(Settings(_env_file=None)))
