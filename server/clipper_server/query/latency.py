"""What batches take: an online table of cost against seconds, for one replica."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

_WEIGHT = 0.2  # of a new observation in the means
_FAR = 2.0  # an observation this many times off is an accident, or news
_FAR_S = 2e-4  # ... and at least by so much: below, it is the machine's noise
_SLACK = 2.0
_YOUNG = 64  # until so many observations the curve is drawn anew after each, ...
_REDRAW = 8  # ... later after so many, or after one that is off
_NEWS = 3  # ... which it is after so many in a row
_Z99 = 2.33
_FLOOR = 0.02  # no model is steadier than this, in parts of the mean
_PER_OCTAVE = 4
_STEADY = 10  # observations that are as good as any more


class _Point:
    """What was seen at about one cost."""

    __slots__ = ("cost", "count", "seconds", "sure")

    def __init__(self, cost: float, seconds: float) -> None:
        self.cost = cost
        self.seconds = seconds
        self.count = 1
        self.sure = 1  # how many of them speak of the present


class LatencyTable:
    """Predicts a batch's compute time by its cost.

    Between the costs that were seen it interpolates, never falling; beyond them it goes on in a straight
    line. One batch that took far longer or shorter than expected changes little; several in a row change
    the whole table by their ratio, so that a model that becomes slower is known after three batches.
    """

    def __init__(self) -> None:
        self.observed = 0
        self.alone_s: float | None = None  # the mean of a batch of one input
        self.overhead_s = 0.0  # of a batch, beside the compute time: the wire, and how busy this process is
        self._points: dict[int, _Point] = {}
        self._spread = 0.1  # standard deviation in parts of the mean, over all costs
        self._news: list[float] = []
        self._costs: list[float] = []  # the points as a curve, sorted, never falling
        self._means: list[float] = []
        self._slope = 0.0

    def observe(self, cost: float, seconds: float) -> None:
        """A batch of this cost took the model so long."""
        seconds = max(seconds, 1e-6)
        self.observed += 1
        point = self._points.get(bin_of(cost))
        if point is None:
            self._points[bin_of(cost)] = _Point(cost, seconds)
            self._draw()
            return
        point.count += 1
        ratio = seconds / point.seconds
        if not 1 / _FAR < ratio < _FAR and abs(seconds - point.seconds) > _FAR_S and point.sure > 1:
            if self._news and (ratio > 1) != (self._news[-1] > 1):
                self._news.clear()
            self._news.append(ratio)
            if len(self._news) >= _NEWS:
                factor = math.exp(sum(map(math.log, self._news)) / len(self._news))
                self._news.clear()
                for known in self._points.values():
                    known.seconds *= factor
                    known.sure = 0  # for it is but a guess: what comes next there counts in full
                point.sure = _NEWS
                self._settle(point)
            return
        self._news.clear()
        point.sure += 1
        # The first batches at a cost are averaged alike; a first of all may hold a compilation.
        weight = max(_WEIGHT, 1 / point.sure)
        point.seconds += weight * (seconds - point.seconds)
        point.cost += weight * (cost - point.cost)
        off = min(abs(ratio - 1), _FAR)
        self._spread = math.sqrt(self._spread**2 + 0.05 * (off**2 - self._spread**2))
        if self.observed < _YOUNG or self.observed % _REDRAW == 0 or abs(seconds - point.seconds) > _FAR_S:
            self._settle(point)

    def _settle(self, seen: _Point) -> None:
        """Bring what was seen before into line with what was seen now.

        A larger batch takes no less time, and not much more for each input; a smaller one the other way
        round. Without this, sizes that are seldom used would keep what they were multiplied by.
        """
        for point in self._points.values():
            proportional = seen.seconds * point.cost / seen.cost
            low, high = sorted((seen.seconds, proportional))
            point.seconds = min(max(point.seconds, low / _SLACK), high * _SLACK)
        self._draw()

    def observe_overhead(self, seconds: float) -> None:
        self.overhead_s += 0.1 * (seconds - self.overhead_s)

    def _draw(self) -> None:
        points = sorted(self._points.values(), key=lambda point: point.cost)
        self._costs = [point.cost for point in points]
        self._means = never_falling([(point.seconds, 1.0 + min(point.sure, _STEADY)) for point in points])
        if len(points) > 1:
            self._slope = (self._means[-1] - self._means[0]) / (self._costs[-1] - self._costs[0])
        elif points:
            self._slope = self._means[0] / self._costs[0]
        self.alone_s = self.mean(1.0)

    def mean(self, cost: float) -> float | None:
        """The expected seconds; None before anything was seen."""
        costs, means = self._costs, self._means
        if not costs:
            return None
        if cost <= costs[0]:
            return means[0]
        if cost >= costs[-1]:
            return means[-1] + (cost - costs[-1]) * self._slope
        i = bisect_left(costs, cost)
        share = (cost - costs[i - 1]) / (costs[i] - costs[i - 1])
        return means[i - 1] + share * (means[i] - means[i - 1])

    def p99(self, cost: float) -> float | None:
        mean = self.mean(cost)
        return None if mean is None else mean * self.tail

    @property
    def tail(self) -> float:
        """How many times the mean the p99 is."""
        return 1 + _Z99 * max(_FLOOR, self._spread)

    def largest(self, seconds: float) -> float:
        """The largest cost whose p99 is at most `seconds`; 0 where there is none, or nothing is known."""
        return self.largest_on_average(seconds / self.tail)

    def largest_on_average(self, budget: float) -> float:
        """The largest cost whose mean is at most `budget` seconds; 0 as above."""
        costs, means = self._costs, self._means
        if not costs or means[0] > budget:
            return 0.0
        if means[-1] <= budget:
            beyond = (budget - means[-1]) / self._slope if self._slope > 0 else math.inf
            return costs[-1] + beyond
        i = bisect_left(means, budget)
        if means[i] == budget:
            return costs[i]
        share = (budget - means[i - 1]) / (means[i] - means[i - 1])
        return costs[i - 1] + share * (costs[i] - costs[i - 1])

    def largest_seen(self) -> float:
        return self._costs[-1] if self._costs else 0.0

    def rows(self) -> list[tuple[float, float, float, int]]:
        """(cost, mean seconds, p99 seconds, batches seen) for each cost, in order."""
        tail = self.tail
        points = sorted(self._points.values(), key=lambda point: point.cost)
        return [(p.cost, p.seconds, p.seconds * tail, p.count) for p in points]


def never_falling(weighted: Sequence[tuple[float, float]]) -> list[float]:
    """The never falling values that are nearest to these (value, weight), by weighted least squares.

    Neighbours that fall are taken together, until none do (Ayer et al., 1955). The highest so far would do
    too, but goes by the worst luck that any size ever had.
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in weighted:
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            together = before[1] + pool[1]
            mean = (before[0] * before[1] + pool[0] * pool[1]) / together
            pool = (mean, together, before[2] + pool[2])
        pools.append(pool)
    return [value for value, _, size in pools for _ in range(size)]


def bin_of(cost: float) -> int:
    """Costs up to 8 are told apart; above, four of them to an octave."""
    return round(cost) if cost <= 8 else 8 + round(_PER_OCTAVE * math.log2(cost / 8))
