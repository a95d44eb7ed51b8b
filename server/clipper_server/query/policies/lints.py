"""One of several arms, as often as it is likely to be the best for the numbers that a query says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from ...features import DRAWS, with_constant
from ...policies import LinTSSpec
from ..learned import Known, Rows
from ..task import Outcome
from . import Able, Arm, Combined, Decision
from .deal import Deal


class LinTS:
    """By draws that management makes: an arm's share is the part of them in which it is worth most.

    Arms of which there are none yet are chosen alike, and the others have the rest.
    """

    name = "LinTS"
    choice, sticky, early, steps = True, False, False, False

    def __init__(self, spec: LinTSSpec, rows: Rows, chance: Callable[[], float] = random.random) -> None:
        self.arms = [Arm.of(name) for name in spec.arms]
        self._size = spec.features + 1
        self._explore = spec.explore
        self._rows = rows
        self._chance = chance
        self._of: Known | None = None
        self._drawn: list[Arm] = []
        self._draws = np.empty((0, self._size), "<f4")  # DRAWS rows an arm

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        """One arm, with the probability that it had."""
        row = self._rows.get("")
        if row is not self._of:
            self._take(row)
        deal = Deal(self._weights(features), epoch=0 if row is None else row.epoch)
        return deal.of_those(able).by_chance(self._chance())

    def _weights(self, features: bytes) -> list[tuple[Arm, float]]:
        alike = 1 / len(self.arms)
        if not self._drawn:
            return [(arm, alike) for arm in self.arms]
        worth = (self._draws @ with_constant(features).astype("<f4")).reshape(-1, DRAWS)
        won = np.bincount(worth.argmax(axis=0), minlength=len(self._drawn)).tolist()
        floor = self._explore * alike
        part = (1 - self._explore) * len(self._drawn) * alike / DRAWS
        weights = {arm: floor + part * times for arm, times in zip(self._drawn, won, strict=True)}
        return [(arm, weights.get(arm, alike)) for arm in self.arms]

    def _take(self, row: Known | None) -> None:
        """The draws of what was learned anew, where they are of as many numbers."""
        size = DRAWS * self._size * self._draws.itemsize
        draws = {} if row is None else {name: each for name, each in row.draws.items() if len(each) == size}
        self._drawn = [arm for arm in self.arms if arm.name in draws]
        found = b"".join([draws[arm.name] for arm in self._drawn])
        self._draws = np.frombuffer(found, "<f4").reshape(-1, self._size)
        self._of = row

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        return Combined(outcomes[0], place=0)

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False
