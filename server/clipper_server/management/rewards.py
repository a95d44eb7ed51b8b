"""The rewards of both sides of a rollout: whether they can be compared, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .evidence import UNLIKE, LowerMean, Value, sample_ratio


class _Side:
    """`answers` are those that feedback could come for."""

    def __init__(self) -> None:
        self.answers = self.rewards = 0
        self.total = 0.0

    @property
    def asked(self) -> int:
        """Answers are told of a second later than feedback."""
        return max(self.answers, self.rewards)

    @property
    def joined(self) -> float:
        return self.rewards / self.asked

    @property
    def mean(self) -> float:
        return self.total / self.rewards


class Rewards:
    """Means and rates are those at each share, averaged alike for both sides: what changes while the share
    grows does both the same.
    """

    def __init__(self, by: float) -> None:
        self.by = by
        self.test = LowerMean(by)
        self._sides: dict[float, tuple[_Side, _Side]] = {}  # by share: the control's and the canary's

    def answered(self, is_canary: bool, share: float, times: int) -> None:
        self._at(share)[is_canary].answers += times

    def add(self, values: Sequence[Value]) -> None:
        """Those that came since the last time."""
        self.test.add(values)
        for value in values:
            side = self._at(value.share)[value.is_canary]
            side.rewards += value.times
            side.total += value.times * value.value

    def _at(self, share: float) -> tuple[_Side, _Side]:
        return self._sides.setdefault(share, (_Side(), _Side()))

    def count(self, is_canary: bool, share: float | None = None) -> int:
        """Of all shares, or of that one."""
        return sum(sides[is_canary].rewards for at, sides in self._sides.items() if share in (None, at))

    def mean(self, is_canary: bool) -> float | None:
        """None while one side has none at any share."""
        compared = [sides for sides in self._sides.values() if all(side.rewards for side in sides)]
        return _average(compared, lambda sides: sides[is_canary].mean)

    def unlike(self) -> bool:
        """Whether feedback comes more often for one side than for the other, by the sample ratio of those
        answers that had some.
        """
        found = 0.0
        for sides in self._sides.values():
            asked = [side.asked for side in sides]
            if all(asked):
                counts = [side.rewards for side in sides]
                found += sample_ratio(counts, [each / sum(asked) for each in asked])
        return found >= UNLIKE

    def rates(self) -> str:
        known = [sides for sides in self._sides.values() if all(side.asked for side in sides)]
        new = _average(known, lambda sides: sides[True].joined) or 0.0
        before = _average(known, lambda sides: sides[False].joined) or 0.0
        return f"{new:.0%} of the new version's answers and {before:.0%} of those of the one before"

    def __str__(self) -> str:
        new, before = (f"{self.mean(is_canary) or 0.0:.3g}" for is_canary in (True, False))
        return (
            f"{new} on average in {self.count(True):,} of the new version, "
            f"{before} in {self.count(False):,} of the one before"
        )


def _average(
    shares: Sequence[tuple[_Side, _Side]], of: Callable[[tuple[_Side, _Side]], float]
) -> float | None:
    """A share counts by how much can be compared there."""
    weights = [_compared(*sides) for sides in shares]
    if not weights:
        return None
    return sum(w * of(sides) for w, sides in zip(weights, shares, strict=True)) / sum(weights)


def _compared(control: _Side, canary: _Side) -> float:
    return control.asked * canary.asked / (control.asked + canary.asked)
