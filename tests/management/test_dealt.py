"""Requests that are not dealt by the shares are found, and those that are raise no alarm."""

from __future__ import annotations

import random

import numpy as np
import pytest

from clipper_server.management.dealt import MOST, Dealt
from clipper_server.query.policies import Arm, Decision
from clipper_server.query.rollouts import Rollouts as Deal
from clipper_server.rollouts import RolloutSpec, Shares

SHARES = (0.05, 0.2, 0.5)
AT_ONCE = 20


def requests(chance: np.random.Generator, share: float, lost: float = 0.0) -> tuple[int, int]:
    """So many of AT_ONCE for the control and for the canary, of which a part is lost."""
    canary = int(chance.binomial(AT_ONCE, share))
    return AT_ONCE - canary, int(chance.binomial(canary, 1 - lost))


def test_200_rollouts_of_a_version_like_the_one_before_raise_no_alarm() -> None:
    for seed in range(200):
        chance = np.random.default_rng(seed)
        found = Dealt()
        for share in SHARES:
            for _ in range(100):
                found.add(*requests(chance, share), share, share)
                assert found.unfit() is None, seed


@pytest.mark.parametrize("rollouts", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_nor_do_they_where_units_stick_and_ask_again_and_again_at_several_frontends(rollouts: int) -> None:
    """A few units ask most of the time, and every frontend gets to know most units."""
    of_m = Decision([Arm.of("m")])
    for seed in range(rollouts):
        chance = np.random.default_rng(seed)
        deals = [Deal(lambda: 0.0, random.Random(seed).random) for _ in range(4)]
        found, before = Dealt(), dict.fromkeys(range(4), (0, 0))
        for deal in deals:
            deal.configure([RolloutSpec(seed, "m", "1", "2", sticky=True)])
            deal.hear(Shares(1, {seed: 0.2}))
        for _ in range(20):
            for unit in chance.zipf(1.3, 50) % 1000:
                deals[chance.integers(4)].resolve(of_m, f"user-{unit}", lambda _: True)
            for i, deal in enumerate(deals):
                for told in deal.report():
                    now = told.control.dealt, told.canary.dealt
                    found.add(now[0] - before[i][0], now[1] - before[i][1], 0.2, i)
                    before[i] = now
            assert found.unfit() is None, seed


@pytest.mark.parametrize(
    ("share", "lost", "within"), [(0.5, 0.5, 500), (0.5, 0.1, 14_000), (0.2, 0.5, 1200), (0.05, 0.5, 5000)]
)
def test_a_part_of_one_side_that_is_lost_is_found(share: float, lost: float, within: int) -> None:
    took = sorted(requests_until_found(seed, share, lost) for seed in range(40))
    assert took[37] <= within  # 95 of 100


def requests_until_found(seed: int, share: float, lost: float) -> int:
    chance = np.random.default_rng(seed)
    found, asked = Dealt(), 0
    while found.unfit() is None:
        found.add(*requests(chance, share, lost), share, share)
        asked += AT_ONCE
    assert found.reached == 1
    return asked


def test_what_is_dealt_apart_is_no_evidence_together() -> None:
    found = Dealt()
    for apart in range(10):
        found.add(115, 85, 0.5, apart)
    assert found.unfit() is None
    assert found.reached < 0.5
    together = Dealt()
    for _ in range(10):
        together.add(115, 85, 0.5, None)
    assert together.unfit() == (
        "The new version was dealt 850 of 2,000 requests, where its share is 50%: both cannot be compared."
    )


def test_of_what_is_apart_that_which_grew_last_is_remembered() -> None:
    found = Dealt()
    found.add(0, 100, 0.5, "old")
    found.add(0, 40, 0.5, "grows")
    for apart in range(MOST):
        if apart == MOST // 2:
            assert found.unfit() is not None
            found.add(0, 40, 0.5, "grows")
        found.add(1, 1, 0.5, apart)
    found.add(1, 1, 0.5, "another")
    assert found.unfit() == (
        "The new version was dealt 80 of 80 requests, where its share is 50%: both cannot be compared."
    )
    for apart in range(MOST):
        found.add(1, 1, 0.5, apart)
    assert found.unfit() is None


def test_64_frontends_that_report_4_epochs_each_are_remembered() -> None:
    found = Dealt()
    for _ in range(10):
        for frontend in range(64):
            for epoch in range(4):
                found.add(95, 0, 0.05, (frontend, epoch))
    assert found.reached == 1


def test_what_does_not_grow_takes_nobodys_place() -> None:
    found = Dealt()
    found.add(0, 100, 0.5, "one")
    for apart in range(MOST):
        found.add(0, 0, 0.5, apart)
    assert found.unfit() is not None
