"""One of several arms, by chance or by unit: a canary, or an A/B test."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ...policies import SplitSpec
from ..task import Outcome
from . import Able, Arm, Combined, Decision, sticky
from .deal import Deal


class Split:
    """`chance` draws a number from [0, 1)."""

    name = "Split"
    choice, early, steps = True, False, False

    def __init__(self, spec: SplitSpec, chance: Callable[[], float] = random.random) -> None:
        self._weights = [(Arm.of(name), weight) for name, weight in spec.weights.items()]
        self.arms = [arm for arm, _ in self._weights]
        self.sticky = spec.sticky is not None
        self._salt = spec.salt
        self._chance = chance
        self._of_all = Deal(self._weights)

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        """One arm. The share of those that have no replica goes to the others at once."""
        deal = self._of_all.of_those(able)
        if self.sticky and unit is not None:
            return deal.of(sticky.choose(self._salt, unit, deal.weights))
        return deal.by_chance(self._chance())

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        return Combined(outcomes[0], None, 1, 0)

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False
