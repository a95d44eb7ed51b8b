"""How often an arm that has failed is asked: once a second for some minutes, and then less and less."""

from __future__ import annotations

import pytest

from clipper_server.feedback import Rewarded
from clipper_server.management.learning import kinds, probing
from clipper_server.management.learning.memory import Memory
from clipper_server.policies import GreedySpec, ThompsonSpec

ARMS = ("a:1", "b:1", "c:1")
ETA, FORGET = 0.05, 0.001


def rewarded(memory: Memory, arm: str, *rewards: float) -> None:
    for reward in rewards:
        memory.add([Rewarded(arm, 0.5, reward)], 0, ETA, FORGET)


def failed(rate: float, *arms: str) -> Memory:
    """So many rewards a second for two minutes, after which these arms fail, one after the other."""
    memory = Memory()
    memory.join(ARMS, ETA)
    for second in range(120):
        for i in range(round(rate)):
            rewarded(memory, ARMS[(second + i) % 3], 1.0)
        memory.notice(second, ETA)
    for arm in arms:
        rewarded(memory, arm, *[0.0] * 8)
        memory.notice(119, ETA)
    return memory


@pytest.mark.parametrize(("rate", "part"), [(2, 0.1), (5, 0.1), (50, 0.02), (200, 0.005)])
def test_it_is_asked_once_a_second_and_with_a_tenth_of_the_queries_at_most(rate: float, part: float) -> None:
    assert probing.least(failed(rate, "a:1"), ARMS) == pytest.approx([part, 0, 0], rel=0.2)


def test_where_all_fail_at_once_none_is_the_better_for_it() -> None:
    memory = failed(15)
    for arm in ARMS:
        rewarded(memory, arm, *[0.0] * 20)
    before = [memory.arms[arm].recent_loss for arm in ARMS]
    memory.notice(120, ETA)
    assert all(memory.arms[arm].was > 0.9 for arm in ARMS)
    assert [memory.arms[arm].recent_loss for arm in ARMS] == before


def test_two_that_fail_at_once_are_as_bad_as_one_another() -> None:
    memory = failed(15)
    for arm in ARMS[:2]:
        rewarded(memory, arm, *[0.0] * 20)
    memory.notice(120, ETA)
    a, b, c = (memory.arms[arm].recent_loss for arm in ARMS)
    assert a == b > c


def test_several_share_the_tenth() -> None:
    assert probing.least(failed(5, "a:1", "b:1"), ARMS) == pytest.approx([0.05, 0.05, 0])


def test_after_five_minutes_it_is_asked_in_proportion_less_often() -> None:
    memory, parts = failed(50, "a:1"), []
    for age_s in (0, 300, 600, 3000):
        memory.seen_at = memory.arms["a:1"].failed_at + age_s
        parts.append(probing.least(memory, ARMS)[0] / 0.02)
    assert parts == pytest.approx([1, 1, 1 / 2, 1 / 10], rel=0.2)


def test_good_rewards_have_it_asked_more_often_and_a_bad_one_as_before() -> None:
    memory, parts = failed(15, "a:1"), []
    for reward in (1.0, 1.0, 0.0, 0.0):
        rewarded(memory, "a:1", reward)
        parts.append(probing.shares(memory, ARMS)[0])
    base = probing.least(memory, ARMS)[0]
    assert base * 3 < parts[0] <= parts[1] <= probing.MENDED
    assert parts[2:] == pytest.approx([base, base])


def test_what_it_is_asked_the_other_arms_pay_in_proportion() -> None:
    assert probing.raised([0.0, 0.8, 0.2], [0.1, 0.0, 0.0]) == pytest.approx([0.1, 0.72, 0.18])
    assert probing.raised([0.3, 0.7, 0.0], [0.1, 0.0, 0.0]) == [0.3, 0.7, 0.0]


@pytest.mark.parametrize("spec", [GreedySpec([*ARMS]), ThompsonSpec([*ARMS])])
def test_the_table_has_it_and_every_arm_keeps_its_floor(spec: GreedySpec | ThompsonSpec) -> None:
    memory = failed(5, "a:1")
    table = kinds.learn(spec, memory, ARMS)
    assert 0.09 < table[0] < 0.11
    assert min(table) >= spec.explore / 3
    assert sum(table) == pytest.approx(1)


def test_an_arm_that_was_not_in_use_is_not_asked_for_having_failed() -> None:
    memory = failed(50)
    rewarded(memory, "a:1", *[1.0] * 2000)
    rewarded(memory, "b:1", *[0.0] * 8)
    memory.notice(121, ETA)
    assert memory.arms["b:1"].recent_mean < 0.2
    assert probing.least(memory, ARMS) == [0, 0, 0]


def test_an_arm_that_is_mended_is_believed_to_be_what_it_was_and_doubted_as_easily() -> None:
    memory = failed(15, "a:1")
    rewarded(memory, "a:1", 1.0, 1.0, 1.0)
    memory.notice(121, ETA)
    assert memory.arms["a:1"].recent_mean > 0.85
    rewarded(memory, "a:1", 0.0, 0.0, 0.0)
    memory.notice(122, ETA)
    assert memory.arms["a:1"].recent_mean < 0.3
    assert memory.arms["a:1"].was > 0.9


def test_what_is_overlooked_is_asked_no_more() -> None:
    memory = failed(15, "a:1")
    memory.overlook()
    assert probing.shares(memory, ARMS) == [0, 0, 0]


def test_a_clock_that_stands_still_or_goes_back_changes_no_rate() -> None:
    memory = failed(50, "a:1")
    before = memory.rate
    rewarded(memory, "b:1", *[1.0] * 100)
    for now in (119, 20):
        memory.notice(now, ETA)
    assert memory.rate == before
    assert probing.least(memory, ARMS)[0] == pytest.approx(0.02, rel=0.2)
