"""What is known of the arms in one context: exact sums, and those in which the past counts for less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...features import Numbers
from ...feedback import UNIT, Rewarded
from .linear import Linear

SUB_STEP = 20
"""Updates after which a part is forgotten at once: with many more of them all arms would look alike."""
MARKS = 64
LEAST_PROPENSITY = 2**-20
MAX_LINEAR = 8
"""Of the arms that the policy has not: so many of the last ones keep `linear`, of up to 50 KiB each."""


@dataclass(slots=True)
class Arm:
    """`times` it was rewarded; `reward` and `loss`, which is the sum of (1 - reward) / propensity, in 1/UNIT;
    `chosen` how often it was asked. Of these the order of the feedback is no matter.

    `recent_times` and `recent_reward` are the same with the past forgotten, and so is `recent_loss`, which a
    share of the others' weight makes smaller. `linear` is what rewards say by the queries' numbers.
    """

    times: int = 0
    reward: int = 0
    loss: int = 0
    chosen: int = 0
    recent_times: float = 0.0
    recent_reward: float = 0.0
    recent_loss: float = 0.0
    linear: Linear | None = None

    @property
    def mean(self) -> float | None:
        return self.reward / UNIT / self.times if self.times else None


@dataclass(slots=True)
class Memory:
    """Of one context. `marks` are (epoch, updates then), by which a late reward is known as late."""

    arms: dict[str, Arm] = field(default_factory=dict)
    active: tuple[str, ...] = ()  # those that the policy has; the others keep what they have
    updates: int = 0
    unsettled: int = 0  # of those, which nothing was forgotten for yet
    marks: list[tuple[int, int]] = field(default_factory=list)

    def join(self, active: tuple[str, ...], eta: float) -> None:
        """The policy has these arms. Those that it had not begin at the mean weight of the others."""
        if active == self.active:
            return
        stay = [self.arms[arm] for arm in self.active if arm in active]
        loss = mean_loss([arm.recent_loss for arm in stay], eta) if stay else 0.0
        for arm in active:
            known = self.arms.setdefault(arm, Arm())
            if arm not in self.active:
                known.recent_loss = loss
        self.active = active
        others = [known for arm, known in self.arms.items() if arm not in active and known.linear is not None]
        for known in others[:-MAX_LINEAR]:
            known.linear = None

    def add(
        self,
        rewards: Sequence[Rewarded],
        epoch: int,
        eta: float,
        forget: float,
        numbers: Numbers | None = None,
    ) -> None:
        """One query's feedback, that was decided by the table of that epoch: 0 where nobody knows. `numbers`
        are the query's, where they are learned of.
        """
        kept = (1 - forget) ** self._since(epoch) if forget and epoch > 0 else 1.0
        for arm, propensity, reward, _ in rewards:
            loss = (1 - reward) / max(propensity, LEAST_PROPENSITY)
            known = self.arms.get(arm)
            if known is None:
                known = self.arms[arm] = Arm()
            known.times += 1
            known.reward += round(reward * UNIT)
            known.loss += round(loss * UNIT)
            known.recent_times += kept
            known.recent_reward += kept * reward
            if arm in self.active:
                known.recent_loss += kept * loss
            if numbers is not None:
                if known.linear is None or known.linear.size != len(numbers):
                    known.linear = Linear(len(numbers))
                known.linear.add(numbers, reward, kept)
        self.updates += 1
        self.unsettled += 1
        if self.unsettled >= SUB_STEP:
            self._forget(eta, forget)

    def add_alike(self, arm: str, times: int, inverse: int, reward: float, eta: float, forget: float) -> None:
        """So many decisions with the same reward, and the sum of their 1/propensity in 1/UNIT."""
        known = self.arms.setdefault(arm, Arm())
        known.times += times
        known.reward += times * round(reward * UNIT)
        known.loss += round(inverse * (1 - reward))
        left, loss = times, inverse / UNIT * (1 - reward) / times
        while left:
            some = min(left, SUB_STEP - self.unsettled)
            left -= some
            known.recent_times += some
            known.recent_reward += some * reward
            if arm in self.active:
                known.recent_loss += some * loss
            self.updates += some
            self.unsettled += some
            if self.unsettled >= SUB_STEP:
                self._forget(eta, forget)

    def _forget(self, eta: float, part: float) -> None:
        """Of the arms that are active: that part with each update since it was done last."""
        kept = (1 - part) ** self.unsettled
        self.unsettled = 0
        if not part or not self.active:
            return
        arms = [self.arms[arm] for arm in self.active]
        mean = mean_loss([arm.recent_loss for arm in arms], eta)
        for arm in arms:
            arm.recent_times *= kept
            arm.recent_reward *= kept
            if arm.linear is not None:
                arm.linear.recent *= kept
            lighter = kept * math.exp(-eta * (arm.recent_loss - mean)) + (1 - kept)
            arm.recent_loss = mean - math.log(lighter) / eta

    def mark(self, epoch: int) -> None:
        """The table of that epoch is of what is known now."""
        if len(self.marks) > 1 and self.marks[-1][1] - self.marks[-2][1] < SUB_STEP:
            self.marks.pop()
        self.marks.append((epoch, self.updates))
        if len(self.marks) > MARKS:
            half = MARKS // 2
            self.marks = self.marks[:half:2] + self.marks[half:]

    def _since(self, epoch: int) -> int:
        """Updates that have come since the table of that epoch was made."""
        before = 0
        for marked, updates in reversed(self.marks):
            if marked <= epoch:
                before = updates
                break
        return self.updates - before


def mean_loss(losses: Sequence[float], eta: float) -> float:
    """The loss at which an arm has the mean of their weights, which are exp(-eta loss)."""
    least = min(losses)
    return least - math.log(sum(math.exp(-eta * (loss - least)) for loss in losses) / len(losses)) / eta
