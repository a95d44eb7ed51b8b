"""How soon learners leave an arm that fails, and come back to it: `python -m tests.tools.learners`.

On a virtual clock: the best of the arms (.9, the others .7) fails for a minute (.3), at several rates of
queries, each with a reward at once.
"""

from __future__ import annotations

import math
import sys

from clipper_server.policies import Exp3Spec, GreedySpec, ThompsonSpec, UCBSpec
from tests.support.learners import NAMES, PAIR, by_the_clock

RATES = 5, 15, 30, 60
TRACES = 40


def main() -> None:
    sys.stdout.write(
        f"{TRACES} traces each: seconds of the median, of 95 in 100, and how many in time (5 s and 10 s);\n"
        "then the failed arm's part of the queries, but for the first ten seconds.\n"
    )
    for kind in (ThompsonSpec, GreedySpec, UCBSpec, Exp3Spec):
        for names in (PAIR, NAMES):
            for rate in RATES:
                traces = [by_the_clock(kind(names), seed, rate) for seed in range(TRACES)]
                left, back, probed = zip(*traces, strict=True)
                what = f"{kind.__name__.removesuffix('Spec')}, {len(names)} arms, {rate}/s:"
                times = f"left {told(left, 5)}, back {told(back, 10)}, {sum(probed) / TRACES:5.1%}"
                sys.stdout.write(f"{what:25} {times}\n")
                sys.stdout.flush()


def told(seconds: tuple[float, ...], limit: float) -> str:
    median, most = (sorted(seconds)[math.ceil(part * len(seconds)) - 1] for part in (0.5, 0.95))
    return f"{median:4.1f} {most:5.1f} {sum(each <= limit for each in seconds) / len(seconds):5.0%}"


if __name__ == "__main__":
    main()
