"""`make compare`: the same models served by ours and by other systems, and the page of what was found.

Takes eight minutes with all systems and three rounds; `--smoke` only sees that they run. `make peers` makes
the systems; one that is not made, or does not start, is left out and says why.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import sys
from pathlib import Path

from tests.support.home import own_home
from tests.tools.benchmarks import report
from tests.tools.benchmarks.results import write

from .page import page
from .peer import ROOT
from .peers import PEERS
from .rounds import Rounds, compare

RESULTS = ROOT / "build" / "compare" / "results.json"
PAGE = ROOT / "docs" / "explanation" / "compared.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.compare", description=__doc__)
    parser.add_argument("peer", nargs="*", help=f"by default all of: {', '.join(PEERS)}")
    parser.add_argument("--seconds", type=int, default=2, help="for each load of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="of the order in each round")
    parser.add_argument("--smoke", action="store_true", help="one round, one second a load, no warm-up")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go, as JSON")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the page goes")
    options = parser.parse_args()
    if unknown := set(options.peer) - set(PEERS):
        parser.error(f"there is no {', '.join(sorted(unknown))}, only {', '.join(PEERS)}")
    rounds, seconds, start_warm_s, warm_s = (
        (1, 1, 0, 0) if options.smoke else (options.rounds, options.seconds, 2, 1)
    )
    much = Rounds(rounds, seconds, start_warm_s, warm_s, options.seed)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs is ended then, too
    machine = report.machine()
    with own_home() as home:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        found = compare({name: PEERS[name] for name in options.peer or PEERS}, much, _say)
    command = shlex.join(["python", "-m", "tests.tools.compare", *sys.argv[1:]])
    results = {"machine": machine, "command": command, **vars(much), "peers": found}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    write(options.results, results)
    options.page.write_text(page(results))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
