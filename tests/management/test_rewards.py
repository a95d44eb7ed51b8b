"""Of both sides' rewards: means and rates at the same shares, and whether they can be compared."""

from __future__ import annotations

import random
import re

import pytest

from clipper_server.management.evidence import Value
from clipper_server.management.rewards import Rewards


def rewards(*shares: tuple[float, float, float]) -> Rewards:
    """A thousand answers at each share, all of them with a reward: the control's and the canary's mean."""
    found = Rewards(0.02)
    for share, control, canary in shares:
        for is_canary, part, mean in ((True, share, canary), (False, 1 - share, control)):
            count = round(1000 * part)
            good = round(count * mean)
            found.answered(is_canary, share, count)
            found.add([Value(is_canary, share, 1.0, good), Value(is_canary, share, 0.0, count - good)])
    return found


def test_before_there_are_any_nothing_is_said() -> None:
    found = rewards()
    assert (found.mean(True), found.count(True), found.unlike()) == (None, 0, False)
    found.add([Value(False, 0.5, 1.0, 10)])
    assert found.mean(False) is None, "there is nothing to compare it with"


def test_means_are_those_at_the_same_shares() -> None:
    """Both had .9 at first, and .6 later, when the canary had most of the queries."""
    found = rewards((0.1, 0.9, 0.9), (0.9, 0.6, 0.6))
    assert found.mean(True) == pytest.approx(0.75)
    assert found.mean(False) == pytest.approx(0.75)
    assert (found.count(True), found.count(True, 0.1), found.count(False, 0.9)) == (1000, 100, 100)


@pytest.mark.parametrize(
    ("joined", "unlike"),
    [pytest.param((0.6, 0.6), False, marks=pytest.mark.slow), ((0.93, 0.61), True)],
)
def test_feedback_that_comes_more_often_for_one_side_is_seen(
    joined: tuple[float, float], unlike: bool
) -> None:
    found = []
    for seed in range(100):
        chance = random.Random(seed)
        of = Rewards(0.02)
        alarm = False
        for share in (0.2, 0.5):
            sides = [chance.random() < share for _ in range(2500)]
            for is_canary in (False, True):
                of.answered(is_canary, share, sides.count(is_canary))
            has_one = [is_canary for is_canary in sides if chance.random() < joined[is_canary]]
            of.add([Value(is_canary, share, 1.0) for is_canary in has_one])
            alarm = alarm or of.unlike()
        found.append(alarm)
    assert found == [unlike] * 100
    if unlike:
        rates = r"6\d% of the new version's answers and 9\d% of those of the one before"
        assert re.fullmatch(rates, of.rates())


def test_feedback_may_be_told_of_before_its_answer() -> None:
    found = Rewards(0.02)
    found.add([Value(True, 0.5, 1.0, 300), Value(False, 0.5, 1.0, 310)])
    assert not found.unlike()
    assert found.rates().startswith("100% of the new version's")
