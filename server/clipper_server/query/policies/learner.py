"""One of several arms, by the probabilities that management has learned: a bandit."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ...policies import LearnerSpec
from ..learned import Known, Rows
from ..task import Outcome
from . import Able, Arm, Combined, Decision
from .deal import Deal


class Learner:
    """Draws by the row of the request's context; for one of which nothing is known all arms are alike.

    An arm that has no part in a row yet has what the others have in the mean.
    """

    choice, sticky, early, steps = True, False, False, False

    def __init__(self, spec: LearnerSpec, rows: Rows, chance: Callable[[], float] = random.random) -> None:
        self.name = type(spec).__name__.removesuffix("Spec")
        self.arms = [Arm.of(name) for name in spec.arms]
        self._rows = rows
        self._chance = chance
        self._of_none = Deal([(arm, 1.0) for arm in self.arms])
        self._deals: dict[str, tuple[Known, Deal]] = {}

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        """One arm, with the probability that it had."""
        return self._deal(context).of_those(able).by_chance(self._chance())

    def _deal(self, context: str) -> Deal:
        row = self._rows.get(context)
        if row is None:
            return self._of_none
        kept = self._deals.get(context)
        if kept is not None and kept[0] is row:
            return kept[1]
        mean = sum(row.weights.values()) / len(row.weights)
        weights = [(arm, row.weights.get(arm.name, mean)) for arm in self.arms]
        deal = Deal(weights, context=context, epoch=row.epoch)
        if len(self._deals) > len(self._rows):  # some are of contexts that were forgotten
            self._deals.clear()
        self._deals[context] = row, deal
        return deal

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        return Combined(outcomes[0], None, 1, 0)

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False
