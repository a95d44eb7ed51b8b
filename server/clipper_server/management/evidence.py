"""Whether one arm does worse than another, by tests that may be looked at as often as one likes.

A fixed-size test that is looked at again and again raises false alarms. These do so with a probability of at
most `alpha`, over all looks together: Ville's inequality for e-processes (Ramdas et al., "Game-theoretic
statistics and safe anytime-valid inference"), Waudby-Smith et al. for the asymptotic confidence sequence, and
Lindon and Malek for the sample ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

TIMES = (1.5, 2.0, 4.0, 8.0)
"""How many times worse an arm may be: the test is the mean of one for each."""
BETS = (0.03, 0.1, 0.3, 0.9)
"""Of what may be lost with one value: likewise."""
RECENT = 200
"""Values, of which the mean is compared with."""
UNLIKE = math.log(1000)
"""The evidence of a sample ratio that is an alarm: then nothing is compared."""


class _Evidence:
    """Bets of several sizes against a claim of the canary; each has the logarithm of what it has won."""

    def __init__(self, bets: int) -> None:
        self._logs = [0.0] * bets

    @property
    def log_evidence(self) -> float:
        """The logarithm of the evidence that it is worse: 1 / alpha is enough."""
        return _log_mean_exp(self._logs)

    def worse(self, alpha: float) -> bool:
        return self.log_evidence >= -math.log(alpha)

    def until_enough(self, alpha: float) -> float:
        """How far the evidence has come on its way to that, from 0 to 1."""
        return min(1.0, max(0.0, self.log_evidence / -math.log(alpha)))


class BadEvents(_Evidence):
    """Of the bad events, such as errors, which came from the canary?

    While it is no worse than `tolerance` times the control, each is the canary's with the probability that
    its share of the queries is: whatever happens to both at once, and however the share changes meanwhile.
    """

    def __init__(self, tolerance: float = 1.0) -> None:
        self._tolerance = tolerance
        super().__init__(len(TIMES))
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


class Value(NamedTuple):
    """One from 0 to 1 that came `times` times, of the canary or of the control, while the canary's share of
    the queries was `share`, which is between 0 and 1.
    """

    is_canary: bool
    share: float
    value: float
    times: int = 1


class LowerMean(_Evidence):
    """Is the canary's mean of some values lower than the control's by more than `by`?

    Whatever happens to both at once, a value less the mean of those before it, divided by the probability of
    its side, and with the control's sign turned, is on average the difference of both sides at that moment.
    Each is a bet against the claim that this is not below -`by`. So no value is compared with one of another
    time, or of another share. Where there is enough, the interval of the difference that holds at all times
    lies wholly below -`by`.
    """

    def __init__(self, by: float) -> None:
        self._by = by
        super().__init__(len(BETS))
        self._count, self._mean = 1, 0.5

    def add(self, values: Sequence[Value]) -> None:
        """Those that came since the last time, in any order."""
        mean = self._mean
        for is_canary, share, value, times in values:
            difference = (value - mean) / (share if is_canary else share - 1)
            largest = max((1 - mean) / share, mean / (1 - share))
            for i, bet in enumerate(BETS):
                stake = bet / (self._by + largest)
                self._logs[i] += times * math.log1p(-stake * (self._by + difference))
        count = sum(each.times for each in values)
        total = sum(each.times * each.value for each in values)
        self._mean = (self._count * mean + total) / (self._count + count)
        self._count = min(self._count + count, RECENT)


def sample_ratio(counts: Sequence[int], shares: Sequence[float], prior: float = 100.0) -> float:
    """The logarithm of the evidence that queries were not dealt by `shares`; UNLIKE is an alarm."""
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
