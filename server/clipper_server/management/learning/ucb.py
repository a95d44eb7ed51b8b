"""The highest upper confidence bound (UCB1, Auer et al.; discounted, Garivier and Moulines)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .greedy import shared
from .memory import Arm


def probabilities(arms: Sequence[Arm], c: float) -> list[float]:
    """All for the arm with the highest mean + sqrt(c ln t / n); one that never was rewarded comes first."""
    whole = math.log(max(2.0, sum(arm.recent_times for arm in arms)))
    return shared(
        [
            arm.recent_reward / arm.recent_times + math.sqrt(c * whole / arm.recent_times)
            if arm.recent_times
            else math.inf
            for arm in arms
        ]
    )
