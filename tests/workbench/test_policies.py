"""Policies as one writes them, as management has them, and in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipperlab import policies as P
from clipperlab.workbench.controls.policy import in_python

EACH = [
    P.First(),
    P.Split({"a": 0.25, "b": 0.75}, "unit"),
    P.Vote(["a", "b", "c"], {"a": 2.0}, 0.6, early=True),
    P.Vote(["a", "b"], "learned", forget=0.01),
    P.Cascade(["a", "b:2"], 0.95),
    P.Cascade(["a", "b", "c"], 0.8, "max"),
    P.Greedy(0.2, ["a", "b"]),
    P.UCB(["a", "b"], c=2.0),
    P.Thompson(["a", "b:2"], explore=0.1),
    P.Exp3(["a", "b"], eta=0.01, forget=0),
    P.LinTS(["a", "b"], features=8, forget=0),
]


def test_a_learners_arms_come_first_beside_what_is_named() -> None:
    for of in (P.UCB, P.Thompson, P.Exp3):
        assert of(["a"]).arms == ["a"]
    assert P.LinTS(["a"], features=2).arms == ["a"]


def test_who_names_a_model_for_the_first_is_told_how_it_is_chosen() -> None:
    of: Any = P.First
    for given, options in ((["digits"], {}), ([], {"arms": ["digits"]})):
        with pytest.raises(BadRequest, match=r"P\.First\(\) has no arguments.*unlink those before it"):
            of(*given, **options)
    assert repr(P.First()) == "First()"
    assert P.First() == P.First()


@pytest.mark.parametrize("policy", EACH, ids=lambda policy: type(policy).__name__)
def test_a_policy_comes_back_from_management_and_from_its_line_of_python(policy: P.Policy) -> None:
    travelled = json.loads(json.dumps(P.as_plain(policy)))
    assert P.of_plain(travelled) == policy
    assert eval(in_python(policy), {"P": P}) == policy


def test_what_is_as_usual_is_not_in_the_line() -> None:
    assert in_python(P.Thompson(["a", "b"])) == "P.Thompson(arms=['a', 'b'])"
    assert in_python(P.Greedy(0.2)) == "P.Greedy(eps=0.2)"
    assert in_python(P.LinTS(features=8)) == "P.LinTS(features=8)"


def test_forgetting_is_for_what_is_learned() -> None:
    with pytest.raises(BadRequest, match="`forget` is of learned weights"):
        P.as_plain(P.Vote(["a", "b"], forget=0.5))


def test_a_cascade_wants_all_of_the_first_arm_and_of_the_others_what_is_unsure() -> None:
    policy = P.as_plain(P.Cascade(["a", "b"], 0.9))
    application = {"linked_models": ["a", "b"], "policy": policy}
    assert P.wanted(application, {}) == {"a": 1.0, "b": None}
    assert P.wanted(application, {"a": ("1", "2", 0.1)}) == {"a:1": 0.9, "a:2": 0.1, "b": None}
    assert P.answered_by(["a", "b"], policy) == "cascade of a, b, below 0.9"


def test_a_learner_wants_no_share_that_one_could_name() -> None:
    policy = P.as_plain(P.Thompson(["a", "b"]))
    application = {"linked_models": ["a", "b"], "policy": policy}
    assert P.wanted(application, {"b": ("1", "2", 0.1)}) == {"a": None, "b:1": None, "b:2": None}
    assert P.answered_by(["a", "b"], policy) == "thompson of a, b"
    learned = P.as_plain(P.Vote(["a", "b"], "learned"))
    assert P.answered_by(["a", "b"], learned) == "vote of a, b, learned"
