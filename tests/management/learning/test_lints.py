"""Linear Thompson sampling on a virtual clock: by its numbers it finds which arm a query should have."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from clipper_server.features import DRAWS, LARGEST, Numbers, pack, with_constant
from clipper_server.feedback import UNIT, Rewarded, Row, Tables
from clipper_server.management.learning import kinds, lints
from clipper_server.management.learning.linear import CARRY_AFTER, Linear
from clipper_server.management.learning.memory import Arm, Memory
from clipper_server.policies import LinTSSpec, ThompsonSpec
from clipper_server.query.learned import Learned
from clipper_server.query.policies.learner import Learner
from clipper_server.query.policies.lints import LinTS
from tests.support.fakes import Able

ARMS = "a:1", "b:1"
EPOCH = 20  # feedbacks
HIGH, LOW, FAILED = 0.9, 0.3, 0.1
Spec = LinTSSpec | ThompsonSpec


def by_sign(_: int, x: float) -> list[float]:
    """What each arm's reward is in the mean: one is good above zero, the other below."""
    return [HIGH, LOW] if x > 0 else [LOW, HIGH]


def failing(query: int, x: float) -> list[float]:
    a, b = by_sign(query, x)
    return [FAILED if 2000 <= query < 4000 else a, b]


def best(
    spec: Spec, seed: int, queries: int, means: Callable[[int, float], list[float]] = by_sign
) -> list[bool]:
    """Of each query, whether the arm that is best for it was chosen, as a frontend does by tables."""
    rng, learned, memory = random.Random(seed), Learned(), Memory()
    policy: LinTS | Learner
    if isinstance(spec, LinTSSpec):
        policy = LinTS(spec, learned.of("app"), rng.random)
    else:
        policy = Learner(spec, learned.of("app"), rng.random)
    count = spec.features if isinstance(spec, LinTSSpec) else 1
    found = []
    for query in range(queries):
        if query % EPOCH == 0:
            epoch = query // EPOCH + 1
            weights = dict(zip("ab", kinds.learn(spec, memory, ARMS), strict=True))
            draws: dict[str, bytes] = {}
            if isinstance(spec, LinTSSpec):
                known = [memory.arms[arm] for arm in ARMS]
                draws = dict(zip("ab", lints.draws(known, count, spec.forget, epoch), strict=True))
            learned.hear(Tables(epoch, True, [Row("app", "", weights, draws)]))
            memory.mark(epoch)
        x = [rng.uniform(-1, 1) for _ in range(count)]
        decision = policy.decide(None, Able(), "", pack(x))
        chosen = "ab".index(decision.arms[0].name)
        mean = means(query, x[0])
        found.append(mean[chosen] == max(mean))
        rewarded = Rewarded(ARMS[chosen], decision.propensity, float(rng.random() < mean[chosen]))
        numbers = with_constant(pack(x)) if isinstance(spec, LinTSSpec) else None
        memory.add([rewarded], decision.epoch, kinds.eta_of(spec), spec.forget, numbers)
    return found


def share(found: list[bool], start: int, end: int) -> float:
    return sum(found[start:end]) / (end - start)


@pytest.mark.parametrize("features", [1, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("forget", [0, 0.001])
def test_which_arm_is_best_for_a_query_is_found_by_its_numbers(features: int, forget: float) -> None:
    spec = LinTSSpec(["a", "b"], features=features, forget=forget)
    shares = [share(best(spec, seed, 2500), 1000, 2500) for seed in range(3)]
    assert min(shares) >= 0.85, shares


def test_without_numbers_it_cannot_be_found() -> None:
    shares = [share(best(ThompsonSpec(["a", "b"]), seed, 2500), 1000, 2500) for seed in range(3)]
    assert max(shares) < 0.6, shares


@pytest.mark.slow
def test_an_arm_that_fails_is_left_and_one_that_is_mended_comes_back() -> None:
    spec = LinTSSpec(["a", "b"], features=2)
    for seed in range(3):
        found = best(spec, seed, 5500, failing)
        before, left, back = share(found, 1500, 2000), share(found, 3500, 4000), share(found, 5000, 5500)
        assert (before > 0.85, left > 0.75, back > 0.85) == (True, True, True), (seed, before, left, back)


def known(rewards: int, *, forget: float = 0.0, seed: int = 5) -> Arm:
    """A reward of .2 + .6 x1 for certain, whatever x2 is."""
    rng, memory = np.random.default_rng(seed), Memory()
    memory.join(ARMS, 0.05)
    for x in rng.uniform(-1 / 3, 1, (rewards, 2)):
        numbers = with_constant(pack(x.tolist()))
        memory.add([Rewarded("a:1", 0.5, float(0.2 + 0.6 * numbers[1]))], 0, 0.05, forget, numbers)
    return memory.arms["a:1"]


def drawn(arm: Arm, seed: int = 1, forget: float = 0.0) -> Numbers:
    (found,) = lints.draws([arm], 2, forget, seed)
    return np.frombuffer(found, "<f4").reshape(DRAWS, 3)


@pytest.mark.parametrize("forget", [0, 0.0005])
def test_what_a_reward_is_taken_for_comes_close_to_what_it_is(forget: float) -> None:
    arm = known(4000, forget=forget)
    assert lints.coefficients(arm, 2, forget) == pytest.approx([0.2, 0.6, 0.0], abs=0.02)
    draws = drawn(arm, forget=forget)
    assert draws.mean(axis=0) == pytest.approx([0.2, 0.6, 0.0], abs=0.03)
    assert (draws.std(axis=0) > 0.003).all()


def test_what_is_unknown_is_drawn_widely_and_what_is_forgotten_is_unknown_again() -> None:
    assert lints.coefficients(Arm(), 2, 0.0) == [0.5, 0.0, 0.0]
    unknown = drawn(Arm()).std(axis=0)
    assert unknown == pytest.approx([0.5] * 3, abs=0.15)
    remembered, forgotten = (drawn(known(500, forget=f), forget=f).std(axis=0) for f in (0.0, 0.2))
    assert (remembered * 3 < forgotten).all()
    assert (forgotten < unknown).all()


def test_the_same_sums_have_the_same_draws_and_each_epoch_has_others() -> None:
    assert (drawn(known(50), 7) == drawn(known(50), 7)).all()
    assert (drawn(known(50), 7) != drawn(known(50), 8)).all()


def test_what_was_learned_of_another_count_of_numbers_is_not_taken_for_this_one() -> None:
    arm = known(500)
    assert lints.coefficients(arm, 3, 0.0) == [0.5, 0.0, 0.0, 0.0]
    memory = Memory({"a:1": arm})
    memory.add([Rewarded("a:1", 0.5, 1.0)], 0, 0.05, 0.0, with_constant(pack([0.0] * 3)))
    assert lints.coefficients(arm, 3, 0.0) == pytest.approx([0.75, 0.0, 0.0, 0.0])


def numbers_and_rewards(count: int) -> list[tuple[Numbers, float]]:
    rng = random.Random(3)
    ends = [LARGEST, -LARGEST, 1 / 3, 1e-9, 0.0]
    return [
        (with_constant(pack([rng.choice(ends), rng.uniform(-LARGEST, LARGEST)])), rng.random())
        for _ in range(count)
    ]


def exact(linear: Linear) -> list[int]:
    """In 1/UNIT: the upper triangle of the sum of x x', row by row, and then that of r x."""
    stored = linear.encode()
    whole, rest = np.frombuffer(stored[: len(stored) // 3 * 2], np.int64).reshape(2, -1).tolist()
    return [w * UNIT + r for w, r in zip(whole, rest, strict=True)]


def test_sums_are_exact_in_any_order_and_are_so_again_when_they_were_stored() -> None:
    given = numbers_and_rewards(3 * CARRY_AFTER + 7)
    found = []
    for seed in range(3):
        linear = Linear(3)
        for i, (numbers, reward) in enumerate(random.Random(seed).sample(given, len(given))):
            linear.add(numbers, reward, 1.0)
            if i == 100 * seed:
                linear = Linear.decode(3, linear.encode())
        found.append(exact(linear))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == len(given) * UNIT, "the square of the constant"
    rewarded = sum(round(float(numbers[2]) * reward * UNIT) for numbers, reward in given)
    assert found[0][-1] == rewarded


def test_sums_of_the_largest_numbers_have_room() -> None:
    linear = Linear(3)
    for _ in range(4 * CARRY_AFTER):
        linear.add(with_constant(pack([LARGEST, -LARGEST])), 1.0, 1.0)
    square, rewarded = linear.sums(0.0)
    assert square[1].tolist() == [2048 * LARGEST, 2048 * LARGEST**2, -2048 * LARGEST**2]
    assert rewarded.tolist() == [2048, 2048 * LARGEST, -2048 * LARGEST]
    memory = Memory({"a:1": Arm(linear=linear)})
    assert np.isfinite(lints.coefficients(memory.arms["a:1"], 2, 0.0)).all()


def test_an_arms_weight_is_its_part_of_the_last_rewards() -> None:
    spec, memory = LinTSSpec(["a", "b"], features=1), Memory()
    assert kinds.learn(spec, memory, ARMS) == [0.5, 0.5]
    for i in range(98):
        arm = ARMS[i % 7 == 0]
        memory.add([Rewarded(arm, 0.5, 1.0)], 0, 0.05, 0.0, with_constant(pack([1.0])))
    assert kinds.learn(spec, memory, ARMS) == pytest.approx([0.85, 0.15])


def test_of_versions_that_are_gone_what_numbers_say_is_kept_of_the_last_ones() -> None:
    memory, numbers = Memory(), with_constant(pack([1.0]))
    for version in range(12):
        memory.join((f"a:{version}", "b:1"), 0.05)
        for arm in (f"a:{version}", "b:1"):
            memory.add([Rewarded(arm, 0.5, 1.0)], 0, 0.05, 0.0, numbers)
    kept = [name for name, arm in memory.arms.items() if arm.linear is not None]
    assert kept == ["b:1", *[f"a:{version}" for version in range(3, 12)]]
    assert sum(arm.times for arm in memory.arms.values()) == 24
