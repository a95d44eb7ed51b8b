"""What it has cost so far that an application did not always ask its best arm, as its feedback tells."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable

from ...feedback import Item
from ..learning.memory import LEAST_PROPENSITY

MEMORY = 100
"""Rewards of an arm after which one counts for about a third in its mean."""
MAX_CONTEXTS = 1000
"""Those that had feedback last."""


class _Arm:
    """Its rewards, and both their number and their sum by inverse propensity, with the past forgotten."""

    __slots__ = ("inverse", "times", "weighted")

    def __init__(self) -> None:
        self.times = self.inverse = self.weighted = 0.0

    @property
    def mean(self) -> float:
        return self.weighted / self.inverse

    def at_least(self) -> float:
        """Its mean less the standard error: no arm is the best one for having been lucky once or twice."""
        mean = self.mean
        return mean - math.sqrt((mean * (1 - mean) + 1 / self.times) / self.times)

    def add(self, new: _Arm) -> None:
        kept = math.exp(-new.times / MEMORY)
        self.times = kept * self.times + new.times
        self.inverse = kept * self.inverse + new.inverse
        self.weighted = kept * self.weighted + new.weighted


class Regret:
    """Of the decisions that feedback came for, each of one arm.

    `lost` adds up by how much the mean reward of the arm that was asked is below that of the one which is
    best in this context at the moment; `alike` is the same for asking all arms alike. Means are estimated by
    inverse propensity, of an arm's last MEMORY rewards or so: another arm may be the best one later.
    """

    def __init__(self) -> None:
        self.lost = self.alike = 0.0
        self._contexts: OrderedDict[str, dict[str, _Arm]] = OrderedDict()

    def add(self, items: Iterable[Item]) -> None:
        """What has come since."""
        came: defaultdict[str, defaultdict[str, _Arm]] = defaultdict(lambda: defaultdict(_Arm))
        for item in items:
            of_context = came[item.context]
            for name, propensity, reward, _ in item.rewards:
                arm = of_context[name]
                inverse = 1 / max(propensity, LEAST_PROPENSITY)
                arm.times += 1
                arm.inverse += inverse
                arm.weighted += inverse * reward
        for context, new in came.items():
            arms = self._contexts.setdefault(context, {})
            self._contexts.move_to_end(context)
            for name, arm in new.items():
                arms.setdefault(name, _Arm()).add(arm)
            best = max(arms.values(), key=_Arm.at_least).mean
            mean = sum(arm.mean for arm in arms.values()) / len(arms)
            for name, arm in new.items():
                self.lost += arm.times * max(0.0, best - arms[name].mean)
                self.alike += arm.times * max(0.0, best - mean)
        while len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
