"""Ways of batching: how much a replica gets at once.

A way speaks of cost: the number of inputs, or what the model's size function makes of them. Each replica
has an object of its own, because replicas differ in speed.
"""

from __future__ import annotations

from typing import Protocol

from ..snapshot import BatchingSpec
from .latency import LatencyTable

MAX_BATCH = 1024  # inputs, whatever they cost: to send and to settle more would hold others up
MAX_BATCH_BYTES = 64 << 20
_SAFE = 0.9  # of the time that is left
_HARDLY = 1.25  # times what one input takes is hardly longer, ...
_WORTH_IT = 2.0  # ... and so many times is worth it where many wait


class Way(Protocol):
    """Decides the largest batch, and learns from what each batch took."""

    def limit(self, table: LatencyTable, slack_s: float) -> tuple[float, str]:
        """The largest cost (at least 1) of a batch whose most urgent input has `slack_s` seconds left.

        With it the reason of a dispatch that reaches it: "full", or "deadline" where the slack limits it.
        """

    def steady(self, table: LatencyTable, objective_s: float) -> float:
        """The cost of its batches when there is always enough to do."""

    def observe(self, table: LatencyTable, cost: float, compute_s: float, objective_s: float) -> None:
        """A batch of this cost took the model `compute_s` seconds, which the table knows by now.

        `objective_s` is that of its most urgent input.
        """


class Learned:
    """The largest batch whose predicted p99 fits into the time that is left.

    Where little time is left, a batch that takes hardly longer than a single input is good too: less would
    not be answered sooner. What is not known is explored by doubling, with inputs that clients sent and while
    there is time for twice what is predicted.
    """

    def limit(self, table: LatencyTable, slack_s: float) -> tuple[float, str]:
        fits = table.largest(max(_SAFE * slack_s, _HARDLY * table.tail * (table.alone_s or 0.0)))
        seen = table.largest_seen()
        if fits > seen:
            explored = min(table.largest(slack_s / 2), 2 * seen)
            return max(1.0, seen, explored), "full"
        return max(1.0, fits), "deadline" if seen else "full"

    def steady(self, table: LatencyTable, objective_s: float) -> float:
        # A query may have to wait for one batch before it goes in the next. The mean and not the p99: where
        # there is more than enough to do, what counts is how many are answered in time.
        fits = table.largest_on_average(max(objective_s / 2, _WORTH_IT * (table.alone_s or 0.0)))
        return max(1.0, min(fits, 2 * table.largest_seen()))

    def observe(self, table: LatencyTable, cost: float, compute_s: float, objective_s: float) -> None:
        pass


class AIMD:
    """The paper's: two more after a batch that was quick enough, a tenth less after one that was not.

    A batch is quick enough within half of the objective, for a query may have to wait for one batch before
    it goes in the next; or where it takes hardly longer than a single input, for less would not be quicker.
    """

    def __init__(self) -> None:
        self._size = 1.0

    def limit(self, table: LatencyTable, slack_s: float) -> tuple[float, str]:
        return max(1.0, self._size), "full"

    def steady(self, table: LatencyTable, objective_s: float) -> float:
        return max(1.0, self._size)

    def observe(self, table: LatencyTable, cost: float, compute_s: float, objective_s: float) -> None:
        hardly_longer = compute_s <= _HARDLY * (table.alone_s or 0.0)
        if compute_s > objective_s / 2 and not hardly_longer:
            self._size = max(1.0, 0.9 * self._size)
        elif (compute_s < _SAFE * objective_s / 2 or hardly_longer) and cost > 0.9 * self._size:
            self._size = min(self._size + 2, MAX_BATCH)


class Fixed:
    """At most so much, whatever it takes. A size of 1 is batching switched off."""

    def __init__(self, size: float) -> None:
        self._size = size

    def limit(self, table: LatencyTable, slack_s: float) -> tuple[float, str]:
        return self._size, "full"

    def steady(self, table: LatencyTable, objective_s: float) -> float:
        return self._size

    def observe(self, table: LatencyTable, cost: float, compute_s: float, objective_s: float) -> None:
        pass


def way_of(spec: BatchingSpec) -> Way:
    match spec.way:
        case "learned":
            return Learned()
        case "aimd":
            return AIMD()
        case "fixed":
            return Fixed(spec.size)
        case "off":
            return Fixed(1)
