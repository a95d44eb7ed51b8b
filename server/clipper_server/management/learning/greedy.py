"""The best mean so far."""

from __future__ import annotations

from collections.abc import Sequence

from .memory import Arm


def probabilities(arms: Sequence[Arm]) -> list[float]:
    """All for the arm of which the mean, with one success and one failure beside what came, is best."""
    return shared([arm.recent_mean for arm in arms])


def shared(scores: Sequence[float]) -> list[float]:
    """All for the highest; between those alike, in equal parts."""
    best = max(scores)
    first = [score == best for score in scores]
    return [is_first / sum(first) for is_first in first]
