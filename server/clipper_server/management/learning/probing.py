"""How often an arm that has failed of a sudden is asked whether it is mended."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .memory import Arm, Memory

EACH_S = 1.0
"""One reward of an arm that has failed: a few within ten seconds tell that it is mended."""
FAILED_S = 300.0
"""Once it has failed for longer, they come in proportion less often."""
MOST = 0.1
"""Of all queries, for all such arms together: of ten queries one may be lost to them."""
MENDED = 0.5
"""Of all queries, where the last rewards are good."""
SURE = 0.99
"""No arm is taken to be better than that: one bad reward is no proof that it is not what it was."""


def least(memory: Memory, arms: Sequence[str]) -> list[float]:
    """Each arm's part of the queries, at the least: 0 where it never failed while it was in use."""
    known = [memory.arms[arm] for arm in arms]
    failed = sum(arm.was > 0 for arm in known)
    return [
        min(MOST / failed, 1 / max(1.0, memory.rate * _each_s(memory, arm))) if arm.was else 0.0
        for arm in known
    ]


def shares(memory: Memory, arms: Sequence[str]) -> list[float]:
    """The same, and more of an arm the likelier its last rewards are for what it was: so what looks mended is
    soon known, and most probes are of what is.
    """
    parts = zip(arms, least(memory, arms), strict=True)
    found = [part and part * _mended(memory.arms[arm]) for arm, part in parts]
    return [share * min(1.0, MENDED / sum(found)) if share else 0.0 for share in found]


def raised(found: Sequence[float], probes: Sequence[float]) -> list[float]:
    """Shares that are the probes at least; the other arms pay in proportion."""
    low = [share < probe for share, probe in zip(found, probes, strict=True)]
    paid = sum(probe for is_low, probe in zip(low, probes, strict=True) if is_low)
    rest = sum(share for is_low, share in zip(low, found, strict=True) if not is_low)
    return [
        probe if is_low else share * (1 - paid) / rest
        for is_low, share, probe in zip(low, found, probes, strict=True)
    ]


def _each_s(memory: Memory, arm: Arm) -> float:
    return EACH_S * max(1.0, (memory.seen_at - arm.failed_at) / FAILED_S)


def _mended(arm: Arm) -> float:
    """How much likelier its last rewards are if it is what it was, than if it is as it has been since: from
    that one of them on of which they speak best for it.
    """
    was, since = min(SURE, arm.was), arm.recent_mean
    if was <= since:
        return 1.0
    good, bad = math.log(was / since), math.log((1 - was) / (1 - since))
    likelier = 0.0
    for reward in arm.lately:
        likelier = max(0.0, likelier + reward * good + (1 - reward) * bad)
    return math.exp(likelier)
