"""What may come from outside, made up by the million: `python -m tests.tools.fuzz http 1000000`."""

from __future__ import annotations

import argparse
import sys
import time

from . import http, rpc, tensorflow_serving, wire

FUZZERS = {"http": http.run, "grpc": rpc.run, "tensorflow-serving": tensorflow_serving.run, "wire": wire.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.fuzz", description=__doc__)
    parser.add_argument("what", choices=sorted(FUZZERS))
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    found = FUZZERS[arguments.what](arguments.count, arguments.seed)
    sys.stdout.write(f"{found}. It took {time.monotonic() - began:.0f} s.\n")


if __name__ == "__main__":
    main()
