"""Fire drills: what clients see in a bad hour, and beside bad neighbours. `python -m tests.tools.drill`.

Without `--hostile`: all that operators and bad luck do. With it: all that liars, strangers and full disks do.
Prints what the clients saw, and exits with 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import sys

from rich.console import Console

from tests.support.home import own_home

from . import bad_hour, hostile


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.drill", description=__doc__)
    parser.add_argument("--settle-s", type=float, default=20.0, help="load after each step")
    parser.add_argument("--hostile", action="store_true", help="bad neighbours, instead of a bad hour")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each bad neighbour")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if arguments.hostile:
        found, broken = hostile.run(arguments.seconds)
    else:
        with own_home() as home:
            os.environ["CLIPPERLAB_HOME"] = str(home)
            load, drill = bad_hour.run(arguments.settle_s)
        found, broken = bad_hour.table(load, drill), drill.broken
    console.print(found)
    for promise in broken:
        console.print(f"[red]broken[/] {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
