"""One of several arms, each with its share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from . import Able, Arm, Decision


class Deal:
    """The decisions that there are among arms, and which of them it is."""

    def __init__(
        self,
        weights: Sequence[tuple[Arm, float]],
        skipped: Sequence[Arm] = (),
        context: str = "",
        epoch: int = 0,
    ) -> None:
        self.weights = weights
        whole = sum(weight for _, weight in weights)
        self.context = context
        self.epoch = epoch
        self._decisions = [
            Decision([arm], weight / whole, skipped, context=context, epoch=epoch) for arm, weight in weights
        ]
        self._up_to = list(accumulate(decision.propensity for decision in self._decisions))
        self._up_to[-1] = 1.0  # of a sum that was rounded
        self._fewer: Deal | None = None  # of those that were able at that turn, where some were not
        self._turn = -1

    def by_chance(self, number: float) -> Decision:
        """`number` is from [0, 1)."""
        return self._decisions[bisect_right(self._up_to, number)]

    def of(self, arm: Arm) -> Decision:
        return next(decision for decision in self._decisions if decision.arms[0] is arm)

    def of_those(self, able: Able) -> Deal:
        """The share of those that are not able goes to the others. Where none is, it stays as it was."""
        if able.turn != self._turn:
            self._turn = able.turn
            there = [each for each in self.weights if able(each[0])]
            self._fewer = None
            if 0 < len(there) < len(self.weights):
                skipped = [arm for arm, _ in self.weights if not able(arm)]
                self._fewer = Deal(there, skipped, self.context, self.epoch)
        return self if self._fewer is None else self._fewer
