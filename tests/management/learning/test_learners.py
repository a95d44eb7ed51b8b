"""Learners on a virtual clock: each finds the best arm, and those that forget find it again."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from itertools import accumulate

import pytest

from clipper_server.feedback import Rewarded
from clipper_server.management.feedback.feedback import EVERY_S
from clipper_server.management.learning import kinds, thompson, ucb
from clipper_server.management.learning.memory import SUB_STEP, Arm, Memory, mean_loss
from clipper_server.policies import (
    BanditSpec,
    Exp3Spec,
    GreedySpec,
    LearnerSpec,
    ThompsonSpec,
    UCBSpec,
    VoteSpec,
)
from tests.support.learners import ARMS, BEST, NAMES, OTHERS, PAIR, by_the_clock

EPOCH = 20  # feedbacks
SEEDS = range(8)
DEFAULTS = [Exp3Spec(NAMES), ThompsonSpec(NAMES), GreedySpec(NAMES), UCBSpec(NAMES)]


def still(_: int) -> float:
    return BEST


def failing(query: int) -> float:
    return 0.3 if 5000 <= query < 10_000 else BEST


def chosen(
    spec: BanditSpec, seed: int, queries: int, best: Callable[[int], float] = still, late: int = 0
) -> list[bool]:
    """Of each query, whether the first arm answered it."""
    rng = random.Random(seed)
    memory, epoch, came = Memory(), 1, 0
    eta = kinds.eta_of(spec)
    table = kinds.learn(spec, memory, ARMS)
    up_to = list(accumulate(table))
    memory.mark(epoch)
    waiting: deque[tuple[Rewarded, int]] = deque()
    found = []
    for query in range(queries):
        arm = rng.choices(range(5), cum_weights=up_to)[0]
        found.append(arm == 0)
        reward = float(rng.random() < (OTHERS if arm else best(query)))
        waiting.append((Rewarded(ARMS[arm], table[arm], reward), epoch))
        if len(waiting) <= late:
            continue
        rewarded, decided = waiting.popleft()
        memory.add([rewarded], decided, eta, spec.forget)
        came += 1
        if came % EPOCH == 0:
            epoch += 1
            if kinds.notices(spec):
                memory.notice(epoch * EVERY_S, eta)
            table = kinds.learn(spec, memory, ARMS)
            up_to = list(accumulate(table))
            memory.mark(epoch)
    return found


def until(answered: list[bool], start: int, good: Callable[[float], bool]) -> int | None:
    """After how many queries its share of the last 200 was as wanted."""
    share = sum(answered[start - 200 : start])
    for query in range(start, len(answered)):
        share += answered[query] - answered[query - 200]
        if good(share / 200):
            return query - start
    return None


@pytest.mark.parametrize(
    ("spec", "queries", "late", "least"),
    [
        *((spec, 20_000, 0, 0.85) for spec in DEFAULTS),
        *((spec, 20_000, 500, 0.85) for spec in DEFAULTS),
        *((Exp3Spec(NAMES, forget=0), 20_000, late, 0.85) for late in (0, 500)),
        (ThompsonSpec(NAMES, explore=0.01, forget=0), 8000, 0, 0.95),
        (UCBSpec(NAMES, explore=0.01, forget=0), 8000, 0, 0.92),
        (GreedySpec(NAMES, forget=0), 8000, 0, 0.9),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, LearnerSpec) else str(value),
)
def test_the_best_arm_gets_most_of_the_queries(
    spec: BanditSpec, queries: int, late: int, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is by default; and with nothing forgotten, where theory has the numbers for few queries."""
    monkeypatch.setattr(thompson, "DRAWS", 200)
    shares = [sum(chosen(spec, seed, queries, late=late)) / queries for seed in range(2)]
    assert sum(shares) / len(shares) >= least, shares
    assert min(shares) >= least - 0.05, shares


@pytest.mark.parametrize("spec", DEFAULTS)
def test_an_arm_that_fails_is_left_and_one_that_is_mended_comes_back(
    spec: BanditSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thompson, "DRAWS", 200)
    for seed in SEEDS:
        answered = chosen(spec, seed, 11_000, failing)
        left = until(answered, 5000, lambda share: share < 0.2)
        back = until(answered, 10_000, lambda share: share > 0.6)
        assert left is not None, seed
        assert back is not None, seed
        assert (left <= 600, back <= 1000) == (True, True), (seed, left, back)


CLOCKED = [kind(names) for kind in (ThompsonSpec, GreedySpec, UCBSpec, Exp3Spec) for names in (PAIR, NAMES)]


def named(value: object) -> str:
    return f"{type(value).__name__}-{len(value.arms)}" if isinstance(value, LearnerSpec) else str(value)


@pytest.mark.parametrize(
    ("spec", "rate", "most"),
    [(spec, rate, most) for spec in CLOCKED for rate, most in ((15, 0.16), (30, 0.13), (60, 0.13))],
    ids=named,
)
def test_by_the_clock_a_failed_arm_is_left_within_5_s_and_a_mended_one_is_back_within_10(
    spec: BanditSpec, rate: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 15 queries a second on, of two arms as of five; and meanwhile it costs few of them."""
    monkeypatch.setattr(thompson, "DRAWS", 200)
    for seed in range(3):
        left, back, probed = by_the_clock(spec, seed, rate)
        assert (left <= 5, back <= 10, probed <= most) == (True, True, True), (seed, left, back, probed)


@pytest.mark.parametrize("spec", CLOCKED, ids=named)
def test_with_few_queries_a_second_that_holds_mostly(
    spec: BanditSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At five, of which a tenth is one probe in two seconds."""
    monkeypatch.setattr(thompson, "DRAWS", 200)
    traces = [by_the_clock(spec, seed, 5) for seed in range(8)]
    left, back, probed = zip(*traces, strict=True)
    assert sum(seconds <= 5 for seconds in left) >= 7, left
    assert sum(seconds <= 10 for seconds in back) >= 5, back
    assert sum(probed) / len(traces) <= 0.2


def test_what_is_noticed_is_no_chance_that_comes_often() -> None:
    """Of an arm that stays as it is nearly all that is remembered stays, too."""
    rng, memory, restarts = random.Random(3), Memory(), 0
    memory.join(ARMS[:1], 0.05)
    for i in range(20_000):
        memory.add([Rewarded(ARMS[0], 0.9, float(rng.random() < 0.8))], 0, 0.05, 0.001)
        before = memory.arms[ARMS[0]].recent_times
        if i % EPOCH == 0:
            memory.notice(i / EPOCH, 0.05)
        restarts += memory.arms[ARMS[0]].recent_times < before
    assert restarts <= 2


def test_what_comes_late_tells_nothing_of_what_is_sudden() -> None:
    memory = Memory()
    memory.join(ARMS, 0.05)
    for _ in range(400):
        memory.add([Rewarded(ARMS[0], 0.9, 1.0)], 0, 0.05, 0.001)
    memory.mark(7)
    for _ in range(500):
        memory.add([Rewarded(ARMS[1], 0.9, 1.0)], 0, 0.05, 0.001)
    for _ in range(20):
        memory.add([Rewarded(ARMS[0], 0.9, 0.0)], 7, 0.05, 0.001)
    memory.notice(0, 0.05)
    assert memory.arms[ARMS[0]].recent_times > 200
    for _ in range(20):
        memory.add([Rewarded(ARMS[0], 0.9, 0.0)], 0, 0.05, 0.001)
    memory.notice(0, 0.05)
    assert memory.arms[ARMS[0]].recent_times <= 24


def test_exp3_that_forgets_loses_less_than_any_arm_alone() -> None:
    """The failing one and each of the others lose a quarter or more."""
    for seed in range(3):
        answered = chosen(Exp3Spec(NAMES), seed, 20_000, failing)
        lost = sum(1 - (failing(i) if first else OTHERS) for i, first in enumerate(answered))
        assert lost / len(answered) <= 0.21


def test_exp3_as_it_is_in_the_paper_stays_away_from_an_arm_that_is_mended() -> None:
    """Which is why what is known is forgotten, unless somebody wants to see this."""
    traces = [chosen(Exp3Spec(NAMES, forget=0), seed, 11_000, failing) for seed in range(3)]
    assert all(until(answered, 10_000, lambda share: share > 0.6) is None for answered in traces)


@pytest.mark.parametrize("spec", DEFAULTS)
def test_every_arm_has_the_floor_at_least_and_all_have_one_together(spec: BanditSpec) -> None:
    memory = Memory()
    memory.join(ARMS, kinds.eta_of(spec))
    for _ in range(400):
        memory.add([Rewarded(ARMS[0], 0.9, 1.0)], 0, kinds.eta_of(spec), spec.forget)
        memory.add([Rewarded(ARMS[1], 0.1, 0.0)], 0, kinds.eta_of(spec), spec.forget)
    table = kinds.learn(spec, memory, ARMS)
    assert sum(table) == pytest.approx(1)
    assert min(table) >= spec.explore / 5 - 1e-12


def test_of_nothing_all_arms_are_alike() -> None:
    for spec in (Exp3Spec(NAMES), GreedySpec(NAMES), UCBSpec(NAMES), VoteSpec(NAMES, learned=True)):
        assert kinds.learn(spec, Memory(), ARMS) == pytest.approx([0.2] * 5)


def test_sums_are_exact_in_any_order() -> None:
    feedback = [Rewarded(ARMS[i % 5], (i % 7 + 1) / 8, (i % 11) / 10) for i in range(1000)]
    found = []
    for seed in range(3):
        memory = Memory()
        memory.join(ARMS, 0.05)
        for rewarded in random.Random(seed).sample(feedback, len(feedback)):
            memory.add([rewarded], 0, 0.05, 0.002)
        found.append([(a.times, a.reward, a.loss) for _, a in sorted(memory.arms.items())])
    assert found[0] == found[1] == found[2]


def test_a_vote_learns_of_all_of_its_members_and_divides_by_nothing() -> None:
    spec, memory = VoteSpec(NAMES, learned=True), Memory()
    memory.join(ARMS, kinds.eta_of(spec))
    for i in range(300):
        rewards = [Rewarded(arm, 1.0, float(k == 0 or i % 2)) for k, arm in enumerate(ARMS)]
        memory.add(rewards, 0, kinds.eta_of(spec), spec.forget)
    weights = kinds.learn(spec, memory, ARMS)
    assert weights[0] > 0.95
    assert sum(weights) == pytest.approx(1)


def test_a_new_arm_begins_at_the_mean_weight_and_one_that_goes_keeps_its_sums() -> None:
    memory, eta = Memory(), 0.05
    memory.join(("a:1", "b:1"), eta)
    for _ in range(50):
        memory.add([Rewarded("a:1", 0.5, 0.2)], 0, eta, 0)
    before = memory.arms["b:1"].loss, memory.arms["a:1"].times
    memory.join(("a:1", "b:2"), eta)
    spec = Exp3Spec(["a", "b"], explore=0.01)
    table = kinds.learn(spec, memory, ("a:1", "b:2"))
    assert table == pytest.approx([0.5, 0.5])
    assert (memory.arms["b:1"].loss, memory.arms["a:1"].times) == before
    memory.join(("a:1", "b:2", "c:1"), eta)
    losses = [memory.arms[arm].recent_loss for arm in ("a:1", "b:2")]
    assert memory.arms["c:1"].recent_loss == pytest.approx(mean_loss(losses, eta))


def test_a_late_reward_counts_as_much_as_one_of_its_time_would_by_now() -> None:
    memory, forget = Memory(), 0.01
    memory.join(ARMS, 0.05)
    memory.mark(7)
    for _ in range(5 * SUB_STEP):
        memory.add([Rewarded(ARMS[1], 0.5, 1.0)], 7, 0.05, forget)
    memory.mark(8)
    memory.add([Rewarded(ARMS[0], 0.5, 1.0)], 7, 0.05, forget)
    memory.add([Rewarded(ARMS[2], 0.5, 1.0)], 8, 0.05, forget)
    assert memory.arms[ARMS[0]].recent_times == pytest.approx((1 - forget) ** (5 * SUB_STEP))
    assert memory.arms[ARMS[2]].recent_times == pytest.approx(1, abs=2 * forget)
    assert memory.arms[ARMS[0]].times == memory.arms[ARMS[2]].times == 1


def test_marks_are_bounded_and_the_older_ones_are_told_apart_less() -> None:
    memory = Memory()
    memory.join(ARMS, 0.05)
    for epoch in range(1, 2000):
        for _ in range(3):
            memory.add([Rewarded(ARMS[0], 0.5, 1.0)], epoch, 0.05, 0.002)
        memory.mark(epoch)
    assert len(memory.marks) <= 64
    assert memory.marks == sorted(memory.marks)


def test_default_rewards_are_added_as_many_single_ones_would_be() -> None:
    alike, single = Memory(), Memory()
    for memory in (alike, single):
        memory.join(ARMS, 0.05)
    alike.add_alike(ARMS[0], 90, 90 * 2 * 2**32, 0.25, 0.05, 0.002)
    for _ in range(90):
        single.add([Rewarded(ARMS[0], 0.5, 0.25)], 0, 0.05, 0.002)
    assert alike.arms[ARMS[0]] == single.arms[ARMS[0]]
    assert alike.updates == single.updates


def test_ucb_prefers_what_is_uncertain() -> None:
    sure, unsure = Arm(recent_times=1000, recent_reward=600), Arm(recent_times=10, recent_reward=5)
    assert ucb.probabilities([sure, unsure], 0.5, 0) == [0, 1]
    assert ucb.probabilities([sure, Arm()], 0.5, 0) == [0, 1]
    assert ucb.probabilities([sure, unsure], 1e-300, 100) == [1, 0]


@pytest.mark.parametrize("times", [1e-12, 1e-21, 1e-300])
def test_an_arm_that_has_had_no_rewards_for_long_is_what_ucb_asks(times: float) -> None:
    """Of what it had, forgetting leaves next to nothing."""
    arms = [Arm(recent_times=1000.0, recent_reward=700.0), Arm(recent_times=times, recent_reward=times / 2)]
    for coming in (0, 10):
        assert ucb.probabilities(arms, 0.25, coming) == pytest.approx([0, 1])
    # Thirty queries are enough to know that it is no better.
    assert ucb.probabilities(arms, 0.25, 500) == pytest.approx([1 - 30 / 500, 30 / 500], abs=0.006)


def test_ucb_spreads_what_is_decided_before_rewards_come_as_if_they_came_at_once() -> None:
    """Query by query, each counted in n when it is given."""
    means, times, coming = [0.8, 0.75, 0.5], [200, 100, 20], 200
    arms = [Arm(recent_times=n, recent_reward=n * mean) for n, mean in zip(times, means, strict=True)]
    whole = 0.25 * math.log(sum(times))
    for _ in range(coming):
        bounds = [mean + math.sqrt(whole / n) for n, mean in zip(times, means, strict=True)]
        times[bounds.index(max(bounds))] += 1
    given = [n - arm.recent_times for n, arm in zip(times, arms, strict=True)]
    assert min(given[:2]) > 10
    assert ucb.probabilities(arms, 0.25, coming) == pytest.approx([n / coming for n in given], abs=0.02)


def test_thompson_draws_the_same_for_the_same_sums() -> None:
    arms = [Arm(recent_times=30, recent_reward=20.5), Arm(recent_times=30, recent_reward=18)]
    first = thompson.probabilities(arms)
    assert thompson.probabilities(arms) == first
    assert 0.6 < first[0] < 0.9
