"""`make bench`: measures the product from outside, prints a table and writes benchmarks/results/*.json."""

import asyncio
import json
import os
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from benchmarks import baseline, product
from tests.support.studio_client import Serving
from tests.support.supervised import ROOT

RESULTS = ROOT / "benchmarks" / "results"
CHAINS = {3: 15, 10: 10, 50: 5}
WARM_STARTS = 3


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table; milliseconds.

    Attributes:
        name: what was measured.
        milliseconds: the median, or the percentile that the name says.
        runs: how many measurements it is made of.
        baseline: Temporal alone for as many empty activities, in the same minute on the same server.
        ratio: milliseconds / baseline: compare this across machines, not the milliseconds.
    """

    name: str
    milliseconds: float
    runs: int
    baseline: float | None = None
    ratio: float | None = None


def main() -> None:
    """Measure everything."""
    results = measure()
    for line in [("", "ms", "runs", "baseline", "ratio"), *map(_row, results)]:
        print(f"{line[0]:<34}{line[1]:>10}{line[2]:>6}{line[3]:>10}{line[4]:>8}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    file = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    report = {
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "load": os.getloadavg()[0],
        "results": [asdict(result) for result in results],
    }
    file.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{file.relative_to(ROOT)}")


def measure() -> list[Result]:
    """Every result, in the order of the table."""
    with product.checkout() as root, product.endpoint() as env:
        cold = product.starts(root, 1)
        warm = product.starts(root, WARM_STARTS)
        results = [
            Result(name="cold start (build, data)", milliseconds=cold[0], runs=1),
            Result(name="warm start", milliseconds=statistics.median(warm), runs=len(warm)),
        ]
        with product.serving(root, env) as (running, _):
            address = _temporal(running)
            for length, runs in CHAINS.items():
                ours = statistics.median(product.chains(running, length, runs))
                bare = statistics.median(asyncio.run(baseline.chains(address, length, runs)))
                name = f"execute to end, {length} agents"
                results.append(
                    Result(name=name, milliseconds=ours, runs=runs, baseline=bare, ratio=ours / bare)
                )
            latencies = sorted(product.token_latencies(running))
    for percent in (50, 95):
        milliseconds = latencies[len(latencies) * percent // 100]
        name = f"token to SSE client, p{percent}"
        results.append(Result(name=name, milliseconds=milliseconds, runs=len(latencies)))
    return results


def _row(result: Result) -> tuple[str, str, str, str, str]:
    return (
        result.name,
        f"{result.milliseconds:.0f}",
        str(result.runs),
        "" if result.baseline is None else f"{result.baseline:.0f}",
        "" if result.ratio is None else f"{result.ratio:.2f}",
    )


def _temporal(running: Serving) -> str:
    command = running.find("temporal").cmdline()
    return f"127.0.0.1:{command[command.index('--port') + 1]}"


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip()


if __name__ == "__main__":
    main()
