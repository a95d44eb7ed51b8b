"""`python -m tests.tools.fuzz http 1000000 --seed 1`. Exits with 1 where something came of it."""

from __future__ import annotations

import argparse
import os
import sys

from clipperlab import ClipperConnection, ProcessContainerManager
from tests.support.home import own_home

from .http import fuzz

CLUSTER = "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.fuzz", description=__doc__)
    parser.add_argument("what", choices=["http"])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with own_home() as home:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        conn = ClipperConnection(
            ProcessContainerManager(CLUSTER, clipper_query_port=0, clipper_management_port=0)
        )
        try:
            conn.start_clipper(fresh=True)
            seen = fuzz(conn, arguments.count, arguments.seed, lambda text: print(text, flush=True))  # noqa: T201
        finally:
            conn.stop_all(purge=True)
    print(seen, *seen.faults[:20], sep="\n")  # noqa: T201
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
