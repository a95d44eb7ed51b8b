"""What is known of the arms in one context: exact sums, and those in which the past counts for less."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...features import Numbers
from ...feedback import UNIT, Rewarded
from .linear import Linear

SUB_STEP = 20
"""Updates after which a part is forgotten at once: with many more of them all arms would look alike."""
MARKS = 64
LEAST_PROPENSITY = 2**-20
LATELY = 24
"""An arm's last rewards, which are kept each: 200 bytes."""
FRESH = 0.7
"""Of a reward this much must be left when it comes: a late one tells nothing of what is sudden."""
FALL = 8, LATELY, 9.0
RISE = 3, 8, 3.5
"""Of so many of them, from and to, and how much less likely they are than by their own mean, as a logarithm,
where they do not fit what was known: 9 is once in 8,000 times by chance. A rise needs less: of an arm that
was left there are few, and to be wrong about it costs few queries. So does the fall of an arm that has risen
of late.
"""
TRUST = 4
"""Rewards as it had before it failed, that an arm which is mended is given beside those that say so."""
IN_USE = 0.5
"""Of its part of the rewards, if all arms had the same."""
TENFOLD = math.log(10)
"""What the weight of an arm that fails is less than the others', and that of one which is mended more."""
RATE_S = 10.0
"""Over which the rate of rewards is smoothed."""
MAX_LINEAR = 8
"""Of the arms that the policy has not: so many of the last ones keep `linear`, of up to 50 KiB each."""


@dataclass(slots=True)
class Arm:
    """`times` it was rewarded; `reward` and `loss`, which is the sum of (1 - reward) / propensity, in 1/UNIT;
    `chosen` how often it was asked. Of these the order of the feedback is no matter.

    `recent_times` and `recent_reward` are the same with the past forgotten, and so is `recent_loss`, which a
    share of the others' weight makes smaller. `linear` is what rewards say by the queries' numbers. `lately`
    are the last rewards, the newest at the end. `failed_at` is when it failed of a sudden while it was in
    use, and `was` its mean before: 0 of an arm that never did. These three are not stored.
    """

    times: int = 0
    reward: int = 0
    loss: int = 0
    chosen: int = 0
    recent_times: float = 0.0
    recent_reward: float = 0.0
    recent_loss: float = 0.0
    linear: Linear | None = None
    lately: array[float] = field(default_factory=lambda: array("d"), compare=False)
    was: float = field(default=0.0, compare=False)
    failed_at: float = field(default=0.0, compare=False)

    @property
    def mean(self) -> float | None:
        return self.reward / UNIT / self.times if self.times else None

    @property
    def recent_mean(self) -> float:
        """With one success and one failure beside what came."""
        return (1 + self.recent_reward) / (2 + self.recent_times)

    def notice(self, now: float, in_use: float) -> float:
        """By how much its last rewards are better than those before, where they do not fit these: then only
        they count from now on. It was in use with so many rewards before. An arm that is better is believed
        to be what it was before it failed; one that never did gets a reward of 0 beside: a few are no proof.
        """
        whole = 0.0
        for count, reward in enumerate(reversed(self.lately), 1):
            whole += reward
            times = max(0.0, self.recent_times - count)
            before = (max(0.0, min(times, self.recent_reward - whole)) + 1) / (times + 2)
            change = whole / count - before
            on_trial = self.was > 0 and times < LATELY
            least, most, unlikely = RISE if change > 0 or on_trial else FALL
            if least <= count <= most and count * _apart(whole / count, before) > unlikely:
                if change < 0 and times >= in_use:
                    self.was, self.failed_at = before, now
                beside = 0 if change < 0 else TRUST if self.was else 1
                self.recent_times, self.recent_reward = float(count + beside), whole + beside * self.was
                del self.lately[:-count]
                return change
        return 0.0


@dataclass(slots=True)
class Memory:
    """Of one context. `marks` are (epoch, updates then), by which a late reward is known as late. `rate` is
    how many updates a second there were when it was looked for what is sudden, which was at `seen_at`, with
    `seen` updates; `coming` how many come between a decision and its reward. These are not stored.
    """

    arms: dict[str, Arm] = field(default_factory=dict)
    active: tuple[str, ...] = ()  # those that the policy has; the others keep what they have
    updates: int = 0
    unsettled: int = 0  # of those, which nothing was forgotten for yet
    marks: list[tuple[int, int]] = field(default_factory=list)
    rate: float = 0.0
    seen_at: float = 0.0
    seen: int = 0
    coming: float = 0.0

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
        since = self._since(epoch) if epoch > 0 else 0
        self.coming += (since - self.coming) / SUB_STEP
        kept = (1 - forget) ** since if forget else 1.0
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
            if kept >= FRESH:
                known.lately.append(reward)
                del known.lately[:-LATELY]
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

    def notice(self, now: float, eta: float) -> None:
        """Arms that fail of a sudden, or are mended: forgetting alone takes hundreds of rewards to see it.
        `now` is in seconds.
        """
        if passed := max(0.0, now - self.seen_at):
            newest = (self.updates - self.seen) / passed
            self.rate += (newest - self.rate) * (1 - math.exp(-passed / RATE_S))
        self.seen_at, self.seen = now, self.updates
        arms = [self.arms[arm] for arm in self.active]
        in_use = IN_USE * sum(arm.recent_times for arm in arms) / max(1, len(arms))
        changes = [(arm.notice(now, in_use), arm) for arm in arms]
        # A weight that never was the most is left to its losses. Where all fall, or rise, none is the better.
        fell = [arm.was > 0 and change < 0 for change, arm in changes]
        rose = [arm.was > 0 and change > 0 for change, arm in changes]
        stay = [arm.recent_loss for arm, falls in zip(arms, fell, strict=True) if not falls]
        others = [arm.recent_loss for arm, rises in zip(arms, rose, strict=True) if not rises]
        for arm, falls, rises in zip(arms, fell, rose, strict=True):
            if falls and stay:
                arm.recent_loss = max(arm.recent_loss, max(stay) + TENFOLD / eta)
            elif rises and others:
                arm.recent_loss = min(arm.recent_loss, min(others) - TENFOLD / eta)

    def overlook(self) -> None:
        """What is sudden is not looked for: no arm is known to have failed."""
        for arm in self.arms.values():
            arm.was = 0.0

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


def _apart(mean: float, known: float) -> float:
    """The divergence of Kullback and Leibler of what is rewarded that often."""
    won = mean * math.log(mean / known) if mean > 0 else 0.0
    return won + ((1 - mean) * math.log((1 - mean) / (1 - known)) if mean < 1 else 0.0)
