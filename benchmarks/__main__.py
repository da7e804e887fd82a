"""`make bench`: measures the product from outside, prints a table and writes benchmarks/results/*.json.

`make bench ARGS=--long` also watches the memory over 2,000 runs, which takes minutes.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime

from benchmarks import product
from benchmarks.measures import Result, everything
from tests.support.supervised import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def main() -> None:
    """Measure everything, telling each result as it comes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast AI Studio is.")
    parser.add_argument("--long", action="store_true", help="also watch the memory over 2,000 runs")
    long = parser.parse_args().long
    begun, load = datetime.now(UTC), os.getloadavg()[0]
    results = asyncio.run(_measure(long))
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{begun:%Y%m%dT%H%M%SZ}.json"
    report = {
        "at": begun.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        # How busy the machine was with other things before, and with everything after.
        "load": [load, os.getloadavg()[0]],
        "results": [asdict(result) | {"ratio": result.ratio, "met": result.met} for result in results],
    }
    file.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{file.relative_to(ROOT)}")


async def _measure(long: bool) -> list[Result]:
    _tell("", "", "", "target", "", "runs", "baseline", "ratio")
    results = []
    with product.checkout() as root:
        async for result in everything(root, long=long):
            results.append(result)
            _tell(
                result.name,
                _number(result.value),
                result.unit,
                _number(result.target),
                {True: "met", False: "missed", None: ""}[result.met],
                str(result.runs),
                _number(result.baseline),
                "" if result.ratio is None else f"{result.ratio:.2f}",
            )
    return results


def _tell(
    name: str, value: str, unit: str, target: str, met: str, runs: str, baseline: str, ratio: str
) -> None:
    print(f"{name:<46}{value:>8} {unit:<7}{target:>7} {met:<7}{runs:>5}{baseline:>10}{ratio:>7}", flush=True)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip()


if __name__ == "__main__":
    main()
