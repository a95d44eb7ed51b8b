"""What policies choose and combine, without a frontend around them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.policies import SplitSpec, VoteSpec
from clipper_server.query.policies import Arm, Combined
from clipper_server.query.policies.first import First
from clipper_server.query.policies.split import Split
from clipper_server.query.policies.sticky import choose, draw
from clipper_server.query.policies.vote import Vote
from clipper_server.query.task import Outcome
from tests.support.fakes import Able

LATE = Fault("deadline", "It is late.")


def all_but(*names: str) -> Able:
    return Able(lambda name: name not in names)


def tensor(*values: float, dtype: str = "<f8") -> Tensor:
    return Tensor(np.array(values, dtype).tobytes(), (len(values),), dtype)


def test_without_a_policy_the_first_linked_model_answers_whether_it_can_or_not() -> None:
    decision = First(["a", "b"]).decide(None, all_but("a"))
    assert [arm.name for arm in decision.arms] == ["a"]
    assert decision.propensity == 1


def test_a_split_gives_each_arm_its_share() -> None:
    split = Split(SplitSpec({"a": 0.7, "b:2": 0.3}), random.Random(1).random)
    decisions = [split.decide(None, Able()) for _ in range(20_000)]
    chosen = Counter((decision.arms[0], decision.propensity) for decision in decisions)
    assert set(chosen) == {(Arm("a", "a", None), 0.7), (Arm("b:2", "b", "2"), 0.3)}
    assert chosen[Arm("a", "a", None), 0.7] / 20_000 == pytest.approx(0.7, abs=0.0098)  # 3 sigma


def test_the_share_of_an_arm_without_replicas_goes_to_the_others_by_their_weights() -> None:
    split = Split(SplitSpec({"a": 0.5, "b": 0.3, "c": 0.2}), random.Random(1).random)
    decisions = [split.decide(None, all_but("a")) for _ in range(20_000)]
    chosen = Counter((decision.arms[0].name, round(decision.propensity, 9)) for decision in decisions)
    assert set(chosen) == {("b", 0.6), ("c", 0.4)}
    assert chosen["b", 0.6] / 20_000 == pytest.approx(0.6, abs=0.0104)
    assert {arm.name for decision in decisions for arm in decision.skipped} == {"a"}


def test_where_no_arm_has_replicas_one_is_asked_all_the_same() -> None:
    decision = Split(SplitSpec({"a": 0.5, "b": 0.5}), lambda: 0.6).decide(None, all_but("a", "b"))
    assert [arm.name for arm in decision.arms] == ["b"]
    assert decision.skipped == ()


def test_units_are_drawn_evenly_and_another_salt_draws_anew() -> None:
    units = [f"user-{number}" for number in range(20_000)]
    first, second = ([draw(salt, unit) < 0.1 for unit in units] for salt in ("digits#1", "digits#2"))
    assert sum(first) == 2002  # the same in every version of ours, else users change sides
    below = [[draw(salt, unit) < 0.5 for unit in units] for salt in ("digits#1", "digits#2")]
    agree = sum(a == b for a, b in zip(*below, strict=True)) / len(units)
    assert agree == pytest.approx(0.5, abs=0.011)
    assert sum(second) != sum(first)


def test_a_unit_keeps_its_arm_and_growing_weights_only_take_units_in() -> None:
    old, new = Arm.of("a"), Arm.of("a:2")
    units = [f"user-{number}" for number in range(5_000)]

    def of(share: float) -> set[str]:
        weights = [(old, 1 - share), (new, share)]
        return {unit for unit in units if choose("app#1", unit, weights) is new}

    shares = [of(share) for share in (0.05, 0.2, 0.5)]
    assert [len(each) / 5_000 for each in shares] == pytest.approx([0.05, 0.2, 0.5], abs=0.02)
    assert all(before <= after for before, after in itertools.pairwise(shares))


def test_a_sticky_split_asks_the_same_arm_for_a_unit_and_draws_for_requests_without_one() -> None:
    draws = iter([0.1, 0.9])
    split = Split(SplitSpec({"a": 0.5, "b": 0.5}, "unit", "app#1"), draws.__next__)
    for unit in ("ann", "bob", "eve"):
        assert len({split.decide(unit, Able()).arms[0] for _ in range(5)}) == 1
    assert len({split.decide(f"{i}", Able()).arms[0] for i in range(50)}) == 2
    assert [split.decide(None, Able()).arms[0].name for _ in range(2)] == ["a", "b"]


def vote(outcomes: Sequence[Outcome], **options: object) -> Combined:
    names = [f"m{i}" for i in range(len(outcomes))]
    policy = Vote(VoteSpec(names, **options))  # type: ignore[arg-type]
    return policy.combine(policy.decide(None, Able()), outcomes)


def test_labels_are_voted_on_by_weight() -> None:
    assert vote([b"3", b"8", b"8"]) == Combined(b"8", 2 / 3, 3)
    assert vote([b"3", b"8", b"8"], weights={"m0": 5.0}) == Combined(b"3", 5 / 7, 3)
    assert vote([b'"cat"', b'"dog"', b'"dog"']).outcome == b'"dog"'
    assert vote([b"3", b"8"]).outcome == b"3"  # of equal ones the first
    assert vote([b"true", b"1", b"1"]).outcome == b"1"
    assert vote([b'{"a":1}', b"[1,2]", b"[1,2]"]).outcome == b"[1,2]"
    assert vote([tensor(3, dtype="<i8"), b"8", tensor(8, dtype="<i4")]).confidence == pytest.approx(2 / 3)


def test_numbers_are_averaged_by_weight() -> None:
    assert vote([b"1.5", b"2.5"]) == Combined(b"2.0", 1.0, 2)
    assert vote([b"1", b"2.5"], weights={"m0": 3.0}).outcome == b"1.375"
    assert vote([b"[0.2,0.8]", b"[0.4,0.6]"]).outcome == b"[0.30000000000000004,0.7]"
    mean = vote([tensor(1, 2, dtype="<f4"), tensor(3, 4, dtype="<f4")])
    assert mean.outcome == tensor(2, 3, dtype="<f4")
    assert vote([b"[0.5,1]", b"[0.5]", b"[0.5]"]).outcome == b"[0.5]"  # of other shapes: as labels
    assert vote([b"[[1],[2,3]]", b"0.5", b"0.5"]).outcome == b"0.5"


def test_what_has_not_come_is_left_out_and_lowers_the_confidence() -> None:
    assert vote([b"8", LATE, b"8"]) == Combined(b"8", 2 / 3, 2)
    assert vote([b"1.5", LATE]) == Combined(b"1.5", 0.5, 1)
    assert vote([LATE, LATE]) == Combined(LATE, 0.0, 0)


def test_the_mean_of_an_arm_may_stand_for_a_number_that_has_not_come() -> None:
    policy = Vote(VoteSpec(["a", "b"], missing="mean"))
    decision = policy.decide(None, Able())
    for low, high in ((b"1.0", b"11.0"), (b"2.0", b"13.0")):
        policy.combine(decision, [low, high])
    assert policy.combine(decision, [b"2.0", LATE]) == Combined(b"7.0", 0.5, 1)
    assert policy.combine(decision, [b"1", LATE]).outcome == b"1"  # a label has no mean


def test_below_the_least_confidence_the_default_output_answers_and_says_what_was_said() -> None:
    found = vote([b"3", b"8", b"5"], min_confidence=0.5)
    assert isinstance(found.outcome, Fault)
    assert found.outcome.reason == "low_confidence"
    assert found.outcome.message == (
        "33% of the weight is behind one answer, and min_confidence asks for 50%. Said: m0 3, m1 8, m2 5."
    )
    assert vote([b"8", b"8", b"5"], min_confidence=2 / 3).outcome == b"8"
    alone = Vote(VoteSpec(["a", "b", "c"], min_confidence=0.6))
    decision = alone.decide(None, all_but("b", "c"))
    assert [arm.name for arm in decision.skipped] == ["b", "c"]
    assert isinstance(alone.combine(decision, [b"8"]).outcome, Fault)  # one of three is no agreement


def test_numbers_are_too_few_and_do_not_disagree() -> None:
    assert vote([b"0.0", b"1.0", b"9.5"], min_confidence=1.0).confidence == 1
    found = vote([b"0.5", b"2", LATE, LATE], min_confidence=0.6)
    assert isinstance(found.outcome, Fault)
    assert found.outcome.message == (
        "50% of the weight had a number in time, and min_confidence asks for 60%. Said: m0 0.5, m1 2."
    )


def test_an_early_vote_is_certain_when_what_is_missing_cannot_change_it() -> None:
    policy = Vote(VoteSpec([f"m{i}" for i in range(5)], early=True))
    decision = policy.decide(None, Able())

    def certain(*outcomes: Outcome | None) -> bool:
        return policy.certain(decision, outcomes)

    assert not certain(b"8", b"8", None, None, None)
    assert not certain(b"8", b"8", b"3", None, None)
    assert certain(b"8", b"8", b"8", None, None)
    assert certain(b"8", b"8", LATE, LATE, None)
    assert not certain(b"0.5", b"0.5", b"0.5", None, None)
    assert not certain(None, None, LATE, LATE, None)
    careful = Vote(VoteSpec([f"m{i}" for i in range(5)], early=True, min_confidence=0.8))
    assert not careful.certain(decision, [b"8", b"8", b"8", None, None])
    assert careful.certain(decision, [b"8", b"8", b"8", b"8", None])
    assert careful.certain(decision, [b"8", b"8", b"3", b"3", None]) is False
    assert careful.certain(decision, [b"8", b"8", b"8", b"3", b"3"])
