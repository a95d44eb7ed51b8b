"""One of several arms, by chance or by unit: a canary, or an A/B test."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

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

    def decide(self, unit: str | None, able: Able) -> Decision:
        """One arm. The share of those that have no replica goes to the others at once."""
        weights = self._weights
        skipped: Sequence[Arm] = ()
        there = [each for each in weights if able(each[0])]
        if there and len(there) < len(weights):
            skipped = [each[0] for each in weights if each not in there]
            weights = there
        whole = sum([weight for _, weight in weights])
        if self.sticky and unit is not None:
            arm = sticky.choose(self._salt, unit, weights)
        else:
            arm = self._by_chance(weights, whole)
        return Decision([arm], dict(weights)[arm] / whole, skipped)

    def _by_chance(self, weights: Sequence[tuple[Arm, float]], whole: float) -> Arm:
        left = self._chance() * whole
        for arm, weight in weights:
            left -= weight
            if left < 0:
                return arm
        return weights[-1][0]  # of a sum that was rounded

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        return Combined(outcomes[0])

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False
