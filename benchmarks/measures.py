"""What is measured, against which target, in the order of the table."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import graphs, product
from benchmarks.baseline import Baseline, beside
from benchmarks.graphs import Graph
from tests.support.studio_client import Serving

Unit = Literal["ms", "s", "1/s", "MiB", "%", "events"]

WARM_STARTS = 3
# Agents behind a trigger: (how many, runs, at most milliseconds).
CHAINS = ((3, 15, 110), (10, 9, 300), (50, 5, 1400))
FAN_OUT = (50, 5, 900)
BRANCHES = 5
AT_ONCE = 50
RATE_RUNS = 200
STREAMS = 3
# Chains and agents in each: with the trigger 1,000 nodes.
LARGE = (27, 37)
IDLE_SECONDS = 10
LONG_RUNS = 1000


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the median, or the percentile that the name says.
        unit: of value, target and baseline.
        runs: how many measurements it is made of.
        target: what it may be at most; for a rate (1/s), at least. Null: there is none.
        baseline: the same of Temporal alone for as many empty activities in the same shape, measured in turn
            with ours on the same server; for the slow branch, of the same graph without one.
    """

    name: str
    value: float
    unit: Unit
    runs: int
    target: float | None = None
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """value / baseline: compare this across machines and hours, not the value."""
        return None if self.baseline is None else self.value / self.baseline

    @property
    def met(self) -> bool | None:
        """Whether the target is met; null without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.unit == "1/s" else self.value <= self.target


async def everything(root: Path, *, long: bool) -> AsyncIterator[Result]:
    """Every result, in a checkout without a build."""
    cold = product.starts(root, 1)
    yield Result(name="cold start (build, data)", value=cold[0], unit="ms", runs=1)
    warm = product.starts(root, WARM_STARTS)
    yield Result(name="warm start", value=statistics.median(warm), unit="ms", runs=len(warm))
    with product.endpoint() as env, product.serving(root, env) as (running, _):
        yield _idle(running)
        async with beside(product.temporal(running)) as baseline:
            for agents, runs, target in CHAINS:
                name, graph = f"execute to end, {agents} agents in a row", graphs.chain(agents)
                yield await _latency(running, baseline, name, graph, [1] * (agents + 1), runs, target)
            agents, runs, target = FAN_OUT
            name, graph = f"execute to end, {agents} agents at once and a join", graphs.fan_out(agents)
            yield await _latency(running, baseline, name, graph, [1, agents, 1], runs, target)
            yield await _rate(running, baseline)
            yield await _slow_branch(running)
            for result in _tokens(running):
                yield result
            async for result in _large(running, baseline):
                yield result
            if long:
                async for result in _growth(running):
                    yield result


async def _latency(
    running: Serving,
    baseline: Baseline,
    name: str,
    graph: Graph,
    layers: list[int],
    runs: int,
    target: float,
) -> Result:
    workflow = product.create(running, graph)

    async def ours() -> float:
        return (await asyncio.to_thread(product.run, running, workflow))[0]

    value, bare = await _in_turn(ours, lambda: baseline.run(layers), runs)
    return Result(name=name, value=value, unit="ms", runs=runs, target=target, baseline=bare)


async def _rate(running: Serving, baseline: Baseline) -> Result:
    workflow = product.create(running, graphs.small())

    async def ours() -> float:
        return await asyncio.to_thread(product.rate, running, workflow, RATE_RUNS, AT_ONCE)

    value, bare = await _in_turn(ours, lambda: baseline.rate([1, 1, 1], RATE_RUNS, AT_ONCE), 3)
    name = f"3-node runs a second, {AT_ONCE} at once"
    return Result(name=name, value=value, unit="1/s", runs=3 * RATE_RUNS, target=15, baseline=bare)


async def _slow_branch(running: Serving) -> Result:
    with_slow, without = (product.create(running, graphs.branches(slow=slow)) for slow in (True, False))

    async def taken(workflow: str) -> float:
        return await asyncio.to_thread(product.branch, running, workflow, "fast2")

    value, alone = await _in_turn(lambda: taken(with_slow), lambda: taken(without), BRANCHES)
    name = "3 fast agents beside a slow one"
    return Result(name=name, value=value, unit="ms", runs=BRANCHES, baseline=alone)


def _tokens(running: Serving) -> list[Result]:
    workflow = product.create(running, graphs.writer())
    taken = sorted(each for _ in range(STREAMS) for each in product.token_latencies(running, workflow))
    return [
        Result(
            name=f"token to SSE client, p{percent}",
            value=taken[len(taken) * percent // 100],
            unit="ms",
            runs=len(taken),
            target=target,
        )
        for percent, target in ((50, None), (95, 100))
    ]


async def _large(running: Serving, baseline: Baseline) -> AsyncIterator[Result]:
    workflow = product.create(running, graphs.large(*LARGE))
    milliseconds, execution = await asyncio.to_thread(product.run, running, workflow)
    bare = await baseline.run([1, *[LARGE[0]] * LARGE[1]])
    yield Result(name="1,000 nodes", value=milliseconds / 1000, unit="s", runs=1, baseline=bare / 1000)
    events = await baseline.history_length(execution)
    yield Result(name="1,000 nodes, Temporal history", value=events, unit="events", runs=1, target=51_200)


def _idle(running: Serving) -> Result:
    time.sleep(IDLE_SECONDS)
    held = sum(product.memory(running).values())
    return Result(name="memory at rest, all processes", value=held, unit="MiB", runs=1, target=500)


async def _growth(running: Serving) -> AsyncIterator[Result]:
    workflow = product.create(running, graphs.small())
    held = []
    for each in (1, 2):
        await asyncio.to_thread(product.rate, running, workflow, LONG_RUNS, AT_ONCE)
        await asyncio.sleep(IDLE_SECONDS)
        held.append(sum(product.memory(running).values()))
        yield Result(name=f"memory after {each * LONG_RUNS:,} runs", value=held[-1], unit="MiB", runs=1)
    growth = (held[1] / held[0] - 1) * 100
    yield Result(name="growth between them", value=growth, unit="%", runs=1, target=5)


async def _in_turn(
    ours: Callable[[], Awaitable[float]], bare: Callable[[], Awaitable[float]], runs: int
) -> tuple[float, float]:
    """The medians of both, measured one after the other so that both meet the same noise.

    One of each before them does not count.
    """
    await ours()
    await bare()
    taken = [(await ours(), await bare()) for _ in range(runs)]
    return statistics.median(one for one, _ in taken), statistics.median(other for _, other in taken)
