"""Whether one arm does worse than another, by tests that may be looked at as often as one likes.

A fixed-size test that is looked at again and again raises false alarms. These do so with a probability of at
most `alpha`, over all looks together: Ville's inequality for e-processes (Ramdas et al., "Game-theoretic
statistics and safe anytime-valid inference"), Waudby-Smith et al. for the asymptotic confidence sequence, and
Lindon and Malek for the sample ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

TIMES = (1.5, 2.0, 4.0, 8.0)
"""How many times worse an arm may be: the test is the mean of one for each."""


class BadEvents:
    """Of the bad events, such as errors, which came from the canary?

    While it is no worse than `tolerance` times the control, each is the canary's with the probability that
    its share of the queries is: whatever happens to both at once, and however the share changes meanwhile.
    """

    def __init__(self, tolerance: float = 1.0) -> None:
        self._tolerance = tolerance
        self._logs = [0.0] * len(TIMES)
        self.canary = self.control = 0

    def add(self, canary: int, control: int, share: float) -> None:
        """So many of each, while the canary had `share` of the queries, which is between 0 and 1."""
        self.canary += canary
        self.control += control
        null = self._tolerance * share / (self._tolerance * share + 1 - share)
        for i, times in enumerate(TIMES):
            other = times * null / (times * null + 1 - null)
            self._logs[i] += canary * math.log(other / null)
            self._logs[i] += control * math.log((1 - other) / (1 - null))

    @property
    def log_evidence(self) -> float:
        """The logarithm of the evidence that it is worse: 1 / alpha is enough."""
        return _log_mean_exp(self._logs)

    def worse(self, alpha: float) -> bool:
        return self.log_evidence >= -math.log(alpha)

    def until_enough(self, alpha: float) -> float:
        """How far the evidence has come on its way to that, from 0 to 1."""
        return min(1.0, max(0.0, self.log_evidence / -math.log(alpha)))


def sample_ratio(counts: Sequence[int], shares: Sequence[float], prior: float = 100.0) -> float:
    """The logarithm of the evidence that queries were not dealt by `shares`; log(1,000) is an alarm."""
    before = [prior * share for share in shares]
    found = math.lgamma(sum(before)) - math.lgamma(sum(before) + sum(counts))
    for count, share, mass in zip(counts, shares, before, strict=True):
        found += math.lgamma(mass + count) - math.lgamma(mass) - count * math.log(share)
    return found


def half_width(deviation: float, count: int, alpha: float = 0.05, tuned_for: int = 5000) -> float:
    """Of the interval around a mean of `count` values that holds it at all times with 1 - `alpha`."""
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuned_for
    grown = count * rho2 + 1
    return deviation * math.sqrt(2 * grown / (count**2 * rho2) * math.log(math.sqrt(grown) / alpha))


def _log_mean_exp(logs: Sequence[float]) -> float:
    largest = max(logs)
    return largest + math.log(sum(math.exp(each - largest) for each in logs) / len(logs))
