"""One arm by a query's numbers: the probability is the part of the draws in which it is worth most."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from clipper_server.features import DRAWS, pack
from clipper_server.feedback import Row, Tables
from clipper_server.policies import LinTSSpec
from clipper_server.query.learned import Learned
from clipper_server.query.policies.lints import LinTS
from tests.support.fakes import Able

SPEC = LinTSSpec(["a", "b"], explore=0.1, features=1)


def draws(slope: float, positive: int = DRAWS) -> bytes:
    """A constant of zero, and a weight that is turned round in all but so many of the draws."""
    weights = np.where(np.arange(DRAWS) < positive, slope, -slope)
    return np.stack([np.zeros(DRAWS), weights], axis=1).astype("<f4").tobytes()


def heard(learned: Learned, of: dict[str, bytes], epoch: int = 5, context: str = "") -> None:
    learned.hear(Tables(epoch, False, [Row("app", context, {"a": 0.5, "b": 0.5}, of)]))


def shares(learned: Learned, x: float, spec: LinTSSpec = SPEC, able: Able | None = None) -> dict[str, float]:
    """What the decisions say, which is each arm's part of a thousand of them."""
    counts: Counter[str] = Counter()
    said: dict[str, float] = {}
    chances = iter(np.arange(0.0005, 1, 0.001).tolist())
    policy = LinTS(spec, learned.of("app"), lambda: next(chances))
    for _ in range(1000):
        decision = policy.decide(None, able or Able(), "", pack([x]))
        (arm,) = decision.arms
        counts[arm.name] += 1
        said[arm.name] = decision.propensity
    assert {arm: count / 1000 for arm, count in counts.items()} == pytest.approx(said, abs=0.001)
    return said


def test_what_is_best_depends_on_the_number_and_each_arm_has_the_floor() -> None:
    learned = Learned()
    heard(learned, {"a": draws(1.0), "b": draws(-1.0)})
    assert shares(learned, 0.5) == pytest.approx({"a": 0.95, "b": 0.05})
    assert shares(learned, -0.5) == pytest.approx({"a": 0.05, "b": 0.95})


def test_a_share_is_the_part_of_the_draws_that_an_arm_wins() -> None:
    learned = Learned()
    heard(learned, {"a": draws(1.0, positive=48), "b": draws(0.0)})
    assert shares(learned, 2.0) == pytest.approx({"a": 0.05 + 0.9 * 0.75, "b": 0.05 + 0.9 * 0.25})


@pytest.mark.parametrize("count", [2, 3, 16])
@pytest.mark.parametrize("features", [1, 8, 64])
def test_the_probabilities_of_all_are_one_and_none_is_below_its_floor(count: int, features: int) -> None:
    names, rng = [f"m{i}" for i in range(count)], np.random.default_rng(7)
    of = {name: rng.normal(size=(DRAWS, features + 1)).astype("<f4").tobytes() for name in names}
    learned = Learned()
    heard(learned, of)
    spec = LinTSSpec(names, explore=0.2, features=features)
    policy = LinTS(spec, learned.of("app"))
    for _ in range(10):
        weights = policy._weights(pack(rng.normal(size=features).tolist()))
        assert [arm.name for arm, _ in weights] == names
        assert sum(weight for _, weight in weights) == pytest.approx(1)
        assert min(weight for _, weight in weights) >= 0.2 / count - 1e-12


def test_arms_of_which_there_are_no_draws_are_chosen_alike() -> None:
    learned = Learned()
    alike = {"a": 0.5, "b": 0.5}
    assert shares(learned, 1.0) == alike
    heard(learned, {"a": draws(1.0), "b": draws(-1.0)}, context="of another policy")
    assert shares(learned, 1.0) == alike
    short = draws(1.0)[:-8]
    heard(learned, {"a": short, "b": short})
    assert shares(learned, 1.0) == alike
    heard(learned, {"a": draws(1.0), "b": draws(-1.0)})
    third = LinTSSpec(["a", "b", "new"], explore=0.1, features=1)
    assert shares(learned, 1.0, third) == pytest.approx(
        {"a": (1 - 1 / 3) * 0.95, "b": (1 - 1 / 3) * 0.05, "new": 1 / 3}, abs=1e-9
    )


def test_it_hears_of_new_draws_and_says_by_which_it_decided() -> None:
    learned = Learned()
    policy = LinTS(SPEC, learned.of("app"), lambda: 0.5)
    assert policy.decide(None, Able(), "", pack([1.0])).epoch == 0
    for epoch, slope, name in ((3, 1.0, "a"), (4, -1.0, "b")):
        heard(learned, {"a": draws(slope), "b": draws(-slope)}, epoch)
        decision = policy.decide(None, Able(), "", pack([1.0]))
        assert (decision.arms[0].name, decision.epoch) == (name, epoch)
    learned.hear(Tables(9, True, []))
    decision = policy.decide(None, Able(), "", pack([1.0]))
    assert (decision.propensity, decision.epoch) == (0.5, 0)


def test_what_an_arm_without_replicas_would_get_the_others_get() -> None:
    learned = Learned()
    heard(learned, {"a": draws(1.0), "b": draws(-1.0)})
    assert shares(learned, 1.0, able=Able(lambda name: name == "b")) == {"b": 1.0}
