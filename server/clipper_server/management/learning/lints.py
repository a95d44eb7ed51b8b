"""Each arm as often as it is likely to be the best for a query's numbers: linear Thompson sampling.

As Agrawal and Goyal have it (2013), with a constant beside the numbers, and with a fixed noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...features import DRAWS, Numbers
from .memory import Arm

MEAN = 0.5
"""The reward of an arm of which nothing is known."""
NOISE = 0.5
"""The standard deviation of rewards about what the numbers say: from 0 to 1 it cannot be larger."""
_JITTER = 1e-12
"""Of all of a matrix, so that sums which were rounded have a root."""


def draws(arms: Sequence[Arm], features: int, forget: float, seed: int) -> list[bytes]:
    """For each arm DRAWS of its constant and weights, as likely as they are by its rewards.

    The same sums have the same draws with the same seed.
    """
    noise = np.random.default_rng(seed).standard_normal((len(arms), features + 1, DRAWS))
    found = []
    for arm, z in zip(arms, noise, strict=True):
        mean, root = _known(arm, features, forget)
        drawn = mean[:, None] + NOISE * np.linalg.solve(root.T, z)
        found.append(drawn.T.astype("<f4").tobytes())
    return found


def coefficients(arm: Arm, features: int, forget: float) -> list[float]:
    """The mean of its constant and of its weights."""
    mean: list[float] = _known(arm, features, forget)[0].tolist()
    return mean


def shares(arms: Sequence[Arm]) -> list[float]:
    """Each arm's part of the last rewards, with one of each beside them."""
    times = [1 + arm.recent_times for arm in arms]
    return [each / sum(times) for each in times]


def _known(arm: Arm, features: int, forget: float) -> tuple[Numbers, Numbers]:
    """The mean of the constant and the weights, and the root of the precision, in parts of the noise.

    Before any reward the weights are about 0 and the constant about MEAN, each give or take NOISE.
    """
    size = features + 1
    precision, sums = np.eye(size), np.zeros(size)
    sums[0] = MEAN
    if arm.linear is not None and arm.linear.size == size:
        square, rewarded = arm.linear.sums(forget)
        precision += square + np.eye(size) * (_JITTER * np.trace(square))
        sums += rewarded
    root: Numbers = np.linalg.cholesky(precision)
    mean: Numbers = np.linalg.solve(precision, sums)
    return mean, root
