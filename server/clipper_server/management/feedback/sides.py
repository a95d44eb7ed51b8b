"""What feedback says of the sides of rollouts, on its way to those who judge them."""

from __future__ import annotations

from collections import Counter


class Sides:
    """How often each arm (model:version) answered, and how often it had which reward, by the epoch of the
    table of shares by which it was dealt. Empty where no arm is a side.
    """

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.rewards: Counter[tuple[str, int, float]] = Counter()

    def __bool__(self) -> bool:
        return bool(self.answers or self.rewards)

    def answered(self, arm: str, dealt: int, times: int) -> None:
        if dealt:
            self.answers[arm, dealt] += times

    def rewarded(self, arm: str, dealt: int, reward: float, times: int = 1) -> None:
        if dealt:
            self.rewards[arm, dealt, reward] += times

    def add(self, more: Sides) -> None:
        self.answers.update(more.answers)
        self.rewards.update(more.rewards)
