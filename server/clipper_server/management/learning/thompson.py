"""Each arm as often as it is likely to be the best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .memory import Arm

DRAWS = 2000
_SEED = 2013


def probabilities(arms: Sequence[Arm]) -> list[float]:
    """Of so many draws of each arm's Beta(1 + successes, 1 + failures), the part in which its is the highest.

    The same sums have the same draws.
    """
    successes = np.array([1 + arm.recent_reward for arm in arms])
    failures = np.array([1 + max(0.0, arm.recent_times - arm.recent_reward) for arm in arms])
    draws = np.random.default_rng(_SEED).beta(successes, failures, (DRAWS, len(arms)))
    won: list[float] = (np.bincount(draws.argmax(axis=1), minlength=len(arms)) / DRAWS).tolist()
    return won
