"""What a policy that never ran would have got, by the decisions of one that did.

Each decision has the probability with which its arm was chosen: a reward whose arm the other policy would
choose twice as often counts for two. IPS is the mean of reward times weight, SNIPS divides by the sum of the
weights, and DR begins with what is known of each arm and corrects it by weighted rewards. The interval is an
asymptotic confidence sequence (Waudby-Smith et al., 2021): it holds however often one looks. Few decisions
may be all alike by chance: it is as wide as if there had been a reward of 0 and one of 1 besides. It ends
where rewards do, at 0 and at 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from clipper_container.errors import BadRequest

ALPHA = 0.05
TUNED_FOR = 5000  # decisions: the interval is narrowest there
Estimator = Literal["ips", "snips", "dr"]
_Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


class Estimate(NamedTuple):
    """The mean reward, from 0 to 1, with its 95 % interval.

    `effective` is how many of the `decisions` it is worth: (sum of the weights)^2 / sum of their squares.
    `largest` is the largest weight: where one decision has much of all, trust it little.

    >>> estimate = conn.evaluate("digits", P.First())
    >>> estimate.low <= estimate.value <= estimate.high
    True
    """

    value: float
    low: float
    high: float
    effective: float
    decisions: int
    largest: float

    def __str__(self) -> str:
        decisions = "1 decision" if self.decisions == 1 else f"{self.decisions:,} decisions"
        return (
            f"{self.value:.4g}, surely {self.low:.4g} to {self.high:.4g} (95 %); "
            f"{decisions}, worth {self.effective:,.0f}"
        )


def estimate(
    arms: Sequence[str],
    propensities: Sequence[float],
    rewards: Sequence[float],
    target: Mapping[str, float],
    estimator: Estimator = "ips",
) -> Estimate:
    """The mean reward of a policy that chooses each arm with the probability `target` has for it.

    One entry a decision: the arm, the probability that it had, and its reward. Raises BadRequest where that
    says nothing of an arm that the target would choose, or cannot be.
    """
    if estimator not in ("ips", "snips", "dr"):
        raise BadRequest(f"An estimator is ips, snips or dr, and not {estimator!r}.")
    p, reward = np.asarray(propensities, float), np.asarray(rewards, float)
    if not len(p):
        raise BadRequest("There is no decision with a reward yet.")
    if not (p > 0).all():
        raise BadRequest("A decision has the propensity 0: nothing can be estimated from what cannot happen.")
    unseen = [arm for arm, share in target.items() if share > 0 and arm not in set(arms)]
    if unseen:
        raise BadRequest(f"No decision asked {unseen[0]}, which the policy would: nothing is known of it.")
    chosen = np.array([target.get(arm, 0.0) for arm in arms])
    weight = chosen / p
    if estimator == "dr":
        each = _doubly_robust(np.asarray(arms), reward, weight, target)
    elif estimator == "snips":
        value = float(weight @ reward / weight.sum()) if weight.any() else 0.0
        each = value + weight * (reward - value) / weight.mean()
    else:
        each = weight * reward
    value, half = float(each.mean()), half_width(float(np.append(each, (0.0, 1.0)).std()), len(each))
    if value - half > 1 or value + half < 0:
        raise BadRequest(
            "The decisions that have a reward are not like all decisions: their mean weight is "
            f"{weight.mean():.3g}, and should be 1. Give feedback for all arms alike; or use "
            'estimator="snips", which divides by it.'
        )
    value, low, high = (min(1.0, max(0.0, end)) for end in (value, value - half, value + half))
    effective = float(weight.sum() ** 2 / (weight @ weight))
    return Estimate(value, low, high, effective, len(each), float(weight.max()))


def half_width(deviation: float, count: int) -> float:
    """Of the interval after `count` values with that standard deviation."""
    rho2 = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / TUNED_FOR
    spread = count * rho2 + 1
    return deviation * math.sqrt(2 * spread / (count * count * rho2) * math.log(math.sqrt(spread) / ALPHA))


def _doubly_robust(
    arms: np.ndarray, reward: _Numbers, weight: _Numbers, target: Mapping[str, float]
) -> _Numbers:
    """Each half is judged by the arms' means of the other one."""
    each = np.empty(len(arms))
    half = np.arange(len(arms)) % 2 == 0
    for here in (half, ~half):
        known = {
            arm: _mean(reward[~here & (arms == arm)], reward[~here]) for arm in {*target, *arms.tolist()}
        }
        expected = sum(share * known[arm] for arm, share in target.items())
        of_chosen = np.array([known[arm] for arm in arms[here]])
        each[here] = expected + weight[here] * (reward[here] - of_chosen)
    return each


def _mean(rewards: _Numbers, otherwise: _Numbers) -> float:
    if len(rewards):
        return float(rewards.mean())
    return float(otherwise.mean()) if len(otherwise) else 0.0
