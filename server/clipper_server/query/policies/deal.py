"""One of several arms, each with its share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from . import Able, Arm, Decision


class Deal:
    """The decisions that there are among arms, and which of them it is."""

    def __init__(
        self, weights: Sequence[tuple[Arm, float]], skipped: Sequence[Arm] = (), epoch: int = 0
    ) -> None:
        self.weights = weights
        whole = sum(weight for _, weight in weights)
        self.epoch = epoch
        self._decisions = [Decision([arm], weight / whole, skipped, epoch=epoch) for arm, weight in weights]
        self._up_to = list(accumulate(decision.propensity for decision in self._decisions))
        self._up_to[-1] = 1.0  # of a sum that was rounded

    def by_chance(self, number: float) -> Decision:
        """`number` is from [0, 1)."""
        return self._decisions[bisect_right(self._up_to, number)]

    def of(self, arm: Arm) -> Decision:
        return next(decision for decision in self._decisions if decision.arms[0] is arm)


def of_those_able(deal: Deal, able: Able) -> Deal:
    """The share of those that are not able goes to the others. Where none is, it stays as it was."""
    for arm, _ in deal.weights:
        if not able(arm):
            there = [each for each in deal.weights if able(each[0])]
            if there:
                return Deal(there, [arm for arm, _ in deal.weights if not able(arm)], deal.epoch)
            break
    return deal
