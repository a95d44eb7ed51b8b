"""The highest upper confidence bound (UCB1, Auer et al.; discounted, Garivier and Moulines)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .greedy import shared
from .memory import Arm

HALVINGS = 40
ALIKE = 1e-6
"""Where bounds are no farther above the means, no number of queries brings them down."""


def probabilities(arms: Sequence[Arm], c: float, coming: float) -> list[float]:
    """All for the arm with the highest mean + sqrt(c ln t / n); one that never was rewarded comes first.

    So many rewards are still coming, as far as anybody knows. Of that many queries each arm gets as many as
    it would if each counted in n at once: else they would all go to one arm, until the first reward is there.
    """
    if not all(arm.recent_times for arm in arms):
        return shared([0.0 if arm.recent_times else 1.0 for arm in arms])
    whole = c * math.log(max(2.0, sum(arm.recent_times for arm in arms)))
    means = [arm.recent_reward / arm.recent_times for arm in arms]
    bounds = [mean + math.sqrt(whole / arm.recent_times) for mean, arm in zip(means, arms, strict=True)]
    if coming < 1 or max(bounds) - max(means) < ALIKE:
        return shared(bounds)
    # Between these is each arm's bound when all are counted: at `high` none would need more than its part.
    low = max(means)
    high = min(max(bounds), low + math.sqrt(whole * len(arms) / coming))
    for _ in range(HALVINGS):
        level = (low + high) / 2
        if sum(_until(level, arms, means, whole)) > coming:
            low = level
        else:
            high = level
    each = _until(low, arms, means, whole)
    return [queries / sum(each) for queries in each]


def _until(level: float, arms: Sequence[Arm], means: Sequence[float], whole: float) -> list[float]:
    """How many queries bring each arm's bound down to that level, which is above all means."""
    return [
        max(0.0, whole / (level - mean) ** 2 - arm.recent_times)
        for arm, mean in zip(arms, means, strict=True)
    ]
