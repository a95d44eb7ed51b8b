"""What choices have cost, as feedback tells: against what they really cost."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from clipper_server.feedback import Item, Rewarded
from clipper_server.management.feedback import regret as regrets
from clipper_server.management.feedback.regret import Regret

Shares = Mapping[str, float]


def one(arm: str, propensity: float, reward: float, context: str = "") -> Item:
    return Item(0, "app", context, 0, 0.0, [Rewarded(arm, propensity, reward)])


def run(
    regret: Regret, chance: random.Random, shares: Shares, truth: Shares, times: int, context: str = ""
) -> float:
    """So many decisions, twenty at a time; what they really cost."""
    cost = 0.0
    for _ in range(times // 20):
        arms = chance.choices([*shares], [*shares.values()], k=20)
        regret.add([one(arm, shares[arm], float(chance.random() < truth[arm]), context) for arm in arms])
        cost += sum(max(truth.values()) - truth[arm] for arm in arms)
    return cost


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_it_is_what_the_best_arm_would_have_got_besides(share: float) -> None:
    regret, truth = Regret(), {"a": 0.9, "b": 0.5}
    cost = run(regret, random.Random(7), {"a": share, "b": 1 - share}, truth, 20_000)
    assert regret.lost == pytest.approx(cost, rel=0.1)
    assert regret.alike == pytest.approx(20_000 * 0.2, rel=0.1)


def test_the_best_arm_may_be_another_one_later_and_nothing_is_won_back() -> None:
    """It is noticed a little later: means are of an arm's last hundred rewards or so."""
    chance, regret, shares = random.Random(3), Regret(), {"a": 0.9, "b": 0.1}
    lost = [0.0]
    for truth in ({"a": 0.95, "b": 0.5}, {"a": 0.05, "b": 0.5}, {"a": 0.95, "b": 0.5}):
        cost = run(regret, chance, shares, truth, 1000)
        assert regret.lost - lost[-1] == pytest.approx(cost, rel=0.3, abs=30)
        lost.append(regret.lost)


def test_each_context_has_its_best_arm() -> None:
    """Over all both are alike, and who asks `a` in the north and `b` in the south loses nothing."""
    chance, regret = random.Random(5), Regret()
    for _ in range(50):
        run(regret, chance, {"a": 0.95, "b": 0.05}, {"a": 0.9, "b": 0.3}, 20, "north")
        run(regret, chance, {"a": 0.05, "b": 0.95}, {"a": 0.3, "b": 0.9}, 20, "south")
    assert regret.lost == pytest.approx(2000 * 0.05 * 0.6, rel=0.3)
    assert regret.alike == pytest.approx(2000 * 0.3, rel=0.15)


def test_rewards_are_weighed_by_their_propensities() -> None:
    """`a` was asked most often while it was worse. That does not say what it would have got at all times."""
    regret, fair = Regret(), Regret()
    for of, shares in ((regret, (0.9, 0.1)), (fair, (0.5, 0.5))):
        bad, good = (round(40 * share) for share in shares)
        items = [one("a", shares[0], 0.0)] * bad + [one("a", shares[1], 1.0)] * good
        of.add([*items, *[one("b", 0.5, 0.8)] * 20])
    assert regret.alike == pytest.approx(60 * 0.15)  # b has 0.8, and a 0.5
    assert fair.alike == pytest.approx(regret.alike)


def test_luck_makes_no_arm_the_best_one() -> None:
    regret = Regret()
    regret.add([one("a", 0.95, float(i % 10 != 0)) for i in range(300)])
    assert regret.lost == 0
    regret.add([one("b", 0.05, 1.0)])
    regret.add([one("a", 0.95, float(i % 10 != 0)) for i in range(300)])
    assert regret.lost == pytest.approx(0, abs=1e-6)


def test_where_all_are_alike_little_is_lost() -> None:
    regret = Regret()
    run(regret, random.Random(2), {"a": 0.5, "b": 0.5}, {"a": 0.7, "b": 0.7}, 4000)
    assert regret.lost < 4000 * 0.03


def test_contexts_that_were_not_seen_for_long_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regrets, "MAX_CONTEXTS", 2)
    for others, lost in ((1, 10), (2, 0)):
        regret = Regret()
        regret.add([one("a", 0.5, 1.0, "here")] * 10)
        for i in range(others):
            regret.add([one("a", 0.5, 1.0, f"there {i}")])
        regret.add([one("b", 0.5, 0.0, "here")] * 10)
        assert regret.lost == lost


def test_nothing_that_came_is_no_regret() -> None:
    regret = Regret()
    regret.add([])
    assert (regret.lost, regret.alike) == (0, 0)
