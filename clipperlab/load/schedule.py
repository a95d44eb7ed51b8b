"""When the requests of an open loop are to be sent, all of it known before the first one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Arrivals = Literal["poisson", "constant", "burst"]
ARRIVALS: tuple[Arrivals, ...] = get_args(Arrivals)
BURST_S = 0.1


@dataclass(frozen=True)
class Phase:
    """So many requests a second for so long. Written "3000:20"."""

    rate: float
    seconds: float

    @classmethod
    def read(cls, text: str) -> Phase:
        rate, _, seconds = text.partition(":")
        return cls(float(rate), float(seconds))

    def __str__(self) -> str:
        return f"{self.rate:g}:{self.seconds:g}"


def arrivals(
    phases: Sequence[Phase], *, seed: int, kind: Arrivals = "poisson"
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds after the beginning, in ascending order, and the phase of each.

    "poisson": as users come who know nothing of each other. "constant": at fixed intervals. "burst": all of
    a second within its first tenth.
    """
    random = np.random.default_rng(seed)
    times, numbers = [], []
    begins = 0.0
    for number, phase in enumerate(phases):
        count = round(phase.rate * phase.seconds)
        if kind == "constant":
            within = np.arange(count) / phase.rate
        else:
            # Given how many there are, those of a Poisson process lie anywhere, one as likely as the other.
            within = np.sort(random.random(count)) * phase.seconds
        if kind == "burst":
            second = np.floor(within)
            within = second + BURST_S * (within - second)
        times.append(begins + within)
        numbers.append(np.full(count, number))
        begins += phase.seconds
    return np.concatenate(times), np.concatenate(numbers)
