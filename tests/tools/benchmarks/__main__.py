"""`make benchmarks`: the workloads, each against what it should be measured by, in one run, on this machine.

Prints tables, and writes everything that was measured to benchmarks.json. Nothing fails for being slow.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.support.home import own_home

from . import echo, report
from .bench import Bench
from .results import write
from .workloads import WORKLOADS

FILE = Path("benchmarks.json")
WIDTH = 120


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="for each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs")
    parser.add_argument("workload", nargs="*", help=f"by default all of: {', '.join(WORKLOADS)}")
    options = parser.parse_args()
    if unknown := set(options.workload) - set(WORKLOADS):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}, only {', '.join(WORKLOADS)}")
    # What is not a terminal has no width, and would get 80 columns: too few for our tables.
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    results: dict[str, Any] = {"machine": report.machine(), "workloads": {}}
    console.print(results["machine"])
    with own_home() as home, echo.serving() as echo_url:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        seconds, rounds = (1, 1) if options.smoke else (options.seconds, options.rounds)
        bench = Bench(echo_url, seconds, rounds, options.smoke)
        for name in options.workload or WORKLOADS:
            outcome = WORKLOADS[name](bench)
            report.show(console, name, outcome)
            targets = [vars(target) for target in outcome.targets]
            results["workloads"][name] = {"targets": targets, **outcome.measured}
            write(FILE, results)  # after each: a long run that breaks off has not been in vain


if __name__ == "__main__":
    main()
