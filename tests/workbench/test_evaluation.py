"""Policies that never ran, estimated from the decisions of one that did."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from clipper_container.errors import BadRequest
from clipperlab.evaluation import Estimator, estimate, half_width

GOLDEN = Path(__file__).parents[1] / "golden"
ARMS = ["a", "b", "a", "b", "a"]
PROPENSITIES = [0.5, 0.5, 0.8, 0.2, 0.8]
REWARDS = [1.0, 0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("estimator", "target", "value"),
    [
        ("ips", {"a": 1.0}, (2 + 0 + 1.25) / 5),
        ("ips", {"a": 0.5, "b": 0.5}, (1 + 0 + 0 + 2.5 + 0.625) / 5),
        ("snips", {"a": 1.0}, (2 + 1.25) / (2 + 1.25 + 1.25)),
        ("snips", {"b": 1.0}, 5 / 7),
    ],
)
def test_weights_are_by_what_was_likely_then(
    estimator: Estimator, target: dict[str, float], value: float
) -> None:
    found = estimate(ARMS, PROPENSITIES, REWARDS, target, estimator)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.decisions == 5


def test_it_says_how_many_decisions_it_is_worth() -> None:
    found = estimate(ARMS, PROPENSITIES, REWARDS, {"b": 1.0})
    assert found.effective == pytest.approx(7**2 / (2**2 + 5**2))
    assert found.largest == 5
    assert "5 decisions, worth 2" in str(found)


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_few_that_are_all_alike_prove_nothing(count: int, reward: float) -> None:
    found = estimate(["a"] * count, [0.5] * count, [reward] * count, {"a": 1.0}, "snips")
    assert (found.value, found.low, found.high) == (reward, 0.0, 1.0)
    assert ("1 decision, worth 1" in str(found)) == (count == 1)


def test_no_mean_of_rewards_is_below_0_or_above_1() -> None:
    arms, propensities = ["a"] * 185 + ["b"] * 15, [0.9] * 185 + [0.1] * 15
    found = estimate(arms, propensities, [1.0] * 200, {"a": 1.0})  # more than 1 by the weights alone
    assert 0.8 < found.low < found.value == found.high == 1.0


def test_a_policy_that_never_ran_of_the_open_bandit_dataset() -> None:
    """All items alike, by the decisions of a learner: of those that were dealt alike .0046 were clicked."""
    with gzip.open(GOLDEN / "open_bandit/bts-men.csv.gz", "rt", encoding="utf-8") as file:
        items, clicks, propensities = zip(*list(csv.reader(file))[1:], strict=True)
    alike = dict.fromkeys(sorted(set(items)), 1 / 34)
    p, clicked = [float(each) for each in propensities], [float(each) for each in clicks]
    ips, snips, dr = (estimate(items, p, clicked, alike, each) for each in ("ips", "snips", "dr"))
    assert (f"{ips.value:.7f}", f"{snips.value:.7f}") == ("0.0030086", "0.0031894")
    assert ips.value / snips.value == pytest.approx(0.94331, abs=5e-6)  # the mean weight
    assert (round(ips.effective, 1), round(ips.largest, 2), ips.decisions) == (655.7, 178.25, 10_000)
    assert [each.low < 0.0046 < each.high for each in (ips, snips, dr)] == [True, True, True]


@pytest.mark.parametrize(("count", "half"), [(500, 0.0862), (1000, 0.0532), (5000, 0.0215), (20_000, 0.0111)])
def test_the_interval_has_the_width_of_a_confidence_sequence(count: int, half: float) -> None:
    assert half_width(0.5, count) == pytest.approx(half, abs=5e-5)


def test_the_truth_is_in_the_interval_and_the_doubly_robust_one_is_narrower() -> None:
    means, shares = np.array([0.9, 0.6, 0.3]), np.array([0.1, 0.2, 0.7])
    target = {"m:0": 0.7, "m:1": 0.3}
    truth = 0.7 * 0.9 + 0.3 * 0.6
    within = Counter[str]()
    widths: dict[str, float] = defaultdict(float)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(3, 2000, p=shares)
        reward = (rng.random(2000) < means[chosen]).astype(float)
        names = [f"m:{arm}" for arm in chosen]
        for estimator in ("ips", "snips", "dr"):
            found = estimate(names, shares[chosen].tolist(), reward.tolist(), target, estimator)
            within[estimator] += found.low < truth < found.high
            widths[estimator] += found.high - found.low
    assert min(within.values()) >= 18
    assert widths["dr"] < 0.8 * widths["ips"]


def test_rewards_of_one_arm_alone_are_no_sample_of_all_decisions() -> None:
    given = ["a"] * 200, [0.5] * 200, [1.0] * 200, {"a": 1.0}
    with pytest.raises(BadRequest, match="mean weight is 2, and should be 1"):
        estimate(*given)
    assert estimate(*given, "snips").value == 1.0


@pytest.mark.parametrize(
    ("arms", "p", "target", "why"),
    [
        ([], [], {"a": 1.0}, "no decision with a reward"),
        (["a"], [0.0], {"a": 1.0}, "propensity 0"),
        (["a"], [0.5], {"a": 0.5, "b": 0.5}, "No decision asked b"),
    ],
)
def test_what_nothing_is_known_of_is_refused(
    arms: list[str], p: list[float], target: dict[str, float], why: str
) -> None:
    with pytest.raises(BadRequest, match=why):
        estimate(arms, p, [1.0] * len(arms), target)
    with pytest.raises(BadRequest, match="ips, snips or dr"):
        estimate(arms, p, [1.0] * len(arms), target, "dm")  # type: ignore[arg-type]
