"""Weights that fall with the losses: of Exp3 (Auer et al.) as a choice, of Hedge in a vote.

What is forgotten is a share of the weights that goes to all arms alike (Exp3.S, Herbster and Warmuth).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .memory import Arm

VOTE_ETA = 0.1
"""sqrt(8 ln K / n), which is best for n rewards: with 1,000, as a vote's `forget` remembers, and 4 arms."""


def probabilities(arms: Sequence[Arm], eta: float) -> list[float]:
    """In parts of all their weight."""
    least = min(arm.recent_loss for arm in arms)
    weights = [math.exp(-eta * (arm.recent_loss - least)) for arm in arms]
    whole = sum(weights)
    return [weight / whole for weight in weights]
