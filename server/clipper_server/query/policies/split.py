"""One of several arms, by chance or by unit: a canary, or an A/B test."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from ...policies import SplitSpec
from ..task import Outcome
from . import Able, Arm, Combined, Decision, sticky


class Split:
    """`chance` draws a number from [0, 1)."""

    choice, early = True, False

    def __init__(self, spec: SplitSpec, chance: Callable[[], float] = random.random) -> None:
        self._weights = [(Arm.of(name), weight) for name, weight in spec.weights.items()]
        self.arms = [arm for arm, _ in self._weights]
        self.sticky = spec.sticky is not None
        self._salt = spec.salt
        self._chance = chance
        self._of_all = _Deal(self._weights)

    def decide(self, unit: str | None, able: Able) -> Decision:
        """One arm. The share of those that have no replica goes to the others at once."""
        deal = self._of_all
        for arm in self.arms:
            if not able(arm):
                there = [each for each in self._weights if able(each[0])]
                if there:
                    deal = _Deal(there, [arm for arm in self.arms if not able(arm)])
                break
        if self.sticky and unit is not None:
            return deal.of(sticky.choose(self._salt, unit, deal.weights))
        return deal.by_chance(self._chance())

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        return Combined(outcomes[0])

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False


class _Deal:
    """The decisions that there are among arms, and which of them it is."""

    def __init__(self, weights: Sequence[tuple[Arm, float]], skipped: Sequence[Arm] = ()) -> None:
        self.weights = weights
        whole = sum(weight for _, weight in weights)
        self._decisions = [Decision([arm], weight / whole, skipped) for arm, weight in weights]
        self._up_to = list(accumulate(decision.propensity for decision in self._decisions))
        self._up_to[-1] = 1.0  # of a sum that was rounded

    def by_chance(self, number: float) -> Decision:
        """`number` is from [0, 1)."""
        return self._decisions[bisect_right(self._up_to, number)]

    def of(self, arm: Arm) -> Decision:
        return next(decision for decision in self._decisions if decision.arms[0] is arm)
