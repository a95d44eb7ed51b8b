"""One arm by what was learned: the probabilities that it is drawn with, and those that it says."""

from __future__ import annotations

from collections import Counter

import pytest

from clipper_server.feedback import Row, Tables
from clipper_server.policies import ThompsonSpec
from clipper_server.query.learned import Learned
from clipper_server.query.policies.learner import Learner
from tests.support.fakes import Able


def learner(learned: Learned, chance: float = 0.0) -> Learner:
    return Learner(ThompsonSpec(["a", "b"]), learned.of("app"), lambda: chance)


def told(epoch: int, *rows: Row, whole: bool = False) -> Tables:
    return Tables(epoch, whole, [*rows])


def drawn(learned: Learned, context: str) -> tuple[dict[str, float], set[int]]:
    """Each arm's part of a hundred draws, which is what the decisions say it is, and their epochs."""
    counts: Counter[str] = Counter()
    said: dict[str, float] = {}
    epochs = set()
    for i in range(100):
        decision = learner(learned, i / 100).decide(None, Able(), context)
        (arm,) = decision.arms
        counts[arm.name] += 1
        said[arm.name] = decision.propensity
        epochs.add(decision.epoch)
    assert {arm: count / 100 for arm, count in counts.items()} == pytest.approx(said)
    return said, epochs


def test_it_draws_by_the_row_of_the_context_and_says_with_which_probability() -> None:
    learned = Learned()
    learned.hear(told(5, Row("app", "", {"a": 0.9, "b": 0.1}), Row("app", "night", {"a": 0.25, "b": 0.75})))
    assert drawn(learned, "") == ({"a": 0.9, "b": 0.1}, {5})
    assert drawn(learned, "night") == ({"a": 0.25, "b": 0.75}, {5})


def test_where_nothing_is_known_all_arms_are_alike_and_a_new_one_has_the_mean() -> None:
    learned = Learned()
    assert drawn(learned, "") == ({"a": 0.5, "b": 0.5}, {0})
    learned.hear(told(1, Row("app", "", {"a": 0.4, "gone": 0.4})))
    assert drawn(learned, "") == ({"a": 0.5, "b": 0.5}, {1})


def test_one_policy_hears_of_new_rows_and_of_those_that_are_forgotten() -> None:
    learned = Learned()
    policy = learner(learned, 0.6)
    for epoch, weights, arm in (
        (1, {"a": 0.9, "b": 0.1}, "a"),
        (2, {"a": 0.1, "b": 0.9}, "b"),
        (3, {}, "b"),
        (4, {"a": 0.9, "b": 0.1}, "a"),
    ):
        learned.hear(told(epoch, Row("app", "", weights)))
        assert policy.decide(None, Able()).arms[0].name == arm
    learned.hear(told(9, Row("other", "", {"c": 1.0}), whole=True))
    assert policy.decide(None, Able()).arms[0].name == "b", "of the whole table nothing is left"
    assert (learned.epoch, learned.of("app")) == (9, {})


def test_a_decision_says_by_which_context_it_was_made() -> None:
    learned = Learned()
    learned.hear(told(1, Row("app", "night", {"a": 0.9, "b": 0.1}), Row("app", "day", {"a": 0.9, "b": 0.1})))
    policy = learner(learned)
    for context in ("night", "day", ""):
        assert policy.decide(None, Able(), context).context == context


def test_what_an_arm_without_replicas_would_get_the_others_get() -> None:
    learned = Learned()
    learned.hear(told(3, Row("app", "night", {"a": 0.9, "b": 0.1})))
    decision = learner(learned).decide(None, Able(lambda name: name == "b"), "night")
    assert [arm.name for arm in decision.arms] == ["b"]
    assert [arm.name for arm in decision.skipped] == ["a"]
    assert (decision.propensity, decision.context, decision.epoch) == (1.0, "night", 3)
