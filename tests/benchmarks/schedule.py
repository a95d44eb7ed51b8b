"""When the requests of an open loop are to be sent, all of it known before the first one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    phases: Sequence[Phase], *, seed: int, fixed: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds after the beginning, in ascending order, and the phase of each.

    As users come who know nothing of each other (a Poisson process), or at `fixed` intervals.
    """
    random = np.random.default_rng(seed)
    times, numbers = [], []
    begins = 0.0
    for number, phase in enumerate(phases):
        count = round(phase.rate * phase.seconds)
        # Given how many there are, those of a Poisson process lie anywhere, one as likely as the other.
        within = np.arange(count) / phase.rate if fixed else np.sort(random.random(count)) * phase.seconds
        times.append(begins + within)
        numbers.append(np.full(count, number))
        begins += phase.seconds
    return np.concatenate(times), np.concatenate(numbers)
