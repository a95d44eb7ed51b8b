"""A closed loop of HTTP clients: Debian's wrk, told what to send and asked for its numbers as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipperlab.load.latencies import Latencies

SCRIPT = Path(__file__).with_name("wrk.lua")
GRACE_S = 30  # wrk ends by itself; this is for the day when it does not


@dataclass(frozen=True)
class Measured:
    """What the clients of a closed loop saw.

    `others` counts answers that are not the model's, by reason, where they were looked at; `unanswered` are
    connections that failed and answers that took over two seconds.
    """

    seconds: float
    answers: int
    unanswered: int
    refused: int
    others: Counter[str]
    latencies: Latencies

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    def good(self, objective_ms: float) -> int:
        """How many answers were the model's, and within the objective.

        wrk does not tell how long a single answer took. But a default output because of the deadline is
        late for the client too, and so not counted twice; all others are taken to have been in time. It may
        be a few too low, and is never too high.
        """
        deadlines = self.others["deadline"]
        early = self.others.total() - deadlines
        return max(0, self.latencies.count - max(self.latencies.above(objective_ms), deadlines) - early)

    def good_share(self, objective_ms: float) -> float:
        return self.good(objective_ms) / max(1, self.answers + self.unanswered)

    def summary(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            **self.latencies.summary(),
            "unanswered": self.unanswered,
            "refused": self.refused,
            "others": dict(self.others),
        }


def measure(requests: Sequence[bytes], url: str, *, connections: int, seconds: int, look: bool) -> Measured:
    """Send the requests in turn, on so many connections, each waiting for its answer, for that long.

    `look` counts the answers that are not the model's.
    """
    if shutil.which("wrk") is None:
        sys.exit("The benchmarks need wrk. On Debian and Ubuntu: apt install wrk")
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        file.write(" ".join(str(len(request)) for request in requests).encode() + b"\n")
        file.writelines(requests)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url, "--", file.name]
        command += ["look"] if look else []
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + GRACE_S)
    found = json.loads(done.stderr)
    histogram = np.asarray(found["histogram"], dtype=np.int64).reshape(-1, 2)
    rounds = found["requests"] // connections
    interval = found["micros"] // rounds if rounds else 0
    return Measured(
        seconds=found["micros"] / 1e6,
        answers=found["requests"],
        unanswered=found["unanswered"],
        refused=found["refused"],
        others=Counter(dict(found["others"])),
        latencies=as_seen(histogram, interval),
    )


def as_seen(histogram: NDArray[np.int64], interval: int) -> Latencies:
    """The latencies that were measured, out of wrk's histogram [(microseconds, count), ...].

    wrk adds what clients with a timetable would have seen: for a latency of more than two usual intervals
    between the requests of a connection, one that is an interval shorter, and so on down to one interval.
    Our closed loop has no timetable (the open loop does): what was added is taken out again, from the
    longest down.
    """
    counts = {int(micros): int(count) for micros, count in histogram}
    if interval:
        for micros in sorted(counts, reverse=True):
            if micros < 2 * interval:
                break
            for shorter in range(micros - interval, interval, -interval):
                counts[shorter] -= counts[micros]
    seen = [(micros / 1e3, count) for micros, count in sorted(counts.items()) if count > 0]
    return Latencies(np.array([ms for ms, _ in seen]), np.array([n for _, n in seen], dtype=np.int64))
