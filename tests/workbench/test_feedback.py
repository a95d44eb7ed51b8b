"""Feedback as it is posted, and what was learned as it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipperlab.display import Shown
from clipperlab.display.learned import SHOWN, Learned
from clipperlab.feedback import feedback_of

ANSWER = {"query_id": 7, "output": 1, "default": False, "feedback_token": "abc"}


def test_an_answer_is_known_by_its_token_or_its_query_id() -> None:
    assert feedback_of(ANSWER, 0.5, None, None) == {"feedback_token": "abc", "reward": 0.5}
    assert feedback_of(7, None, "cat", [1.0]) == {"query_id": 7, "label": "cat", "input": [1.0]}
    assert feedback_of("abc", None, 5, None) == {"feedback_token": "abc", "label": 5}
    assert feedback_of(["abc"], None, [5], None) == [{"feedback_token": "abc", "label": 5}]
    assert feedback_of(ANSWER, 0, None, None)["reward"] == 0  # type: ignore[call-overload]
    assert feedback_of(ANSWER, True, None, None)["reward"] == 1.0  # type: ignore[call-overload]
    assert feedback_of([ANSWER, 7], None, [3, 4], None) == [
        {"feedback_token": "abc", "label": 3},
        {"query_id": 7, "label": 4},
    ]


@pytest.mark.parametrize(
    ("answer", "reward", "label", "why"),
    [
        (ANSWER, None, None, "Give a reward, from 0 to 1, or the label"),
        (ANSWER, 1, 1, "Give a reward, from 0 to 1, or the label"),
        ([ANSWER, ANSWER], [1], None, "There are 2 answers: `reward` must be a list of as many."),
        ([ANSWER], 1, None, "`reward` must be a list"),
        (ANSWER, "good", None, "A reward is a number from 0 to 1, and not 'good'"),
        ({"query_id": 7, "default": True}, 1, None, "it is the default output"),
        ({"query_id": 7, "default": False}, 1, None, "its application collects no feedback"),
    ],
)
def test_what_cannot_be_feedback_is_refused_before_it_is_sent(
    answer: Any, reward: Any, label: Any, why: str
) -> None:
    with pytest.raises(BadRequest, match=why):
        feedback_of(answer, reward, label, None)


class Told:
    """Management, as far as what was learned goes."""

    def __init__(self, contexts: list[dict[str, Any]], **counts: Any) -> None:
        self._told = {"contexts": contexts, "decided": 1200, "joined": 300}
        self._told |= {"duplicates": 0, "expired": 0, "forgotten": 0, "epoch": 3, "regret": None, **counts}

    def learned(self, application: str) -> dict[str, Any]:
        return self._told


def arm(
    name: str,
    weight: float,
    rewards: int = 0,
    mean: float | None = None,
    coefficients: list[float] | None = None,
) -> dict[str, Any]:
    return {
        "arm": name,
        "version": f"{name}:1",
        "times": 9,
        "rewards": rewards,
        "mean": mean,
        "weight": weight,
        "coefficients": coefficients,
    }


def view() -> Shown:
    raise NotImplementedError


def learned(*contexts: dict[str, Any], **counts: Any) -> Learned:
    return Learned(Told([*contexts], **counts), "app", view)  # type: ignore[arg-type]


def test_what_was_learned_is_told_with_the_contexts_of_most_feedback_first() -> None:
    found = learned(
        {"context": "", "arms": [arm("a", 0.5), arm("b", 0.5)]},
        {"context": "<night>", "arms": [arm("a", 0.1, 20, 0.25), arm("b", 0.9, 80, 0.875)]},
        duplicates=4,
    )
    assert str(found).splitlines() == [
        "<night>, a: 10.0%, mean reward 0.250 of 20",
        "<night>, b: 90.0%, mean reward 0.875 of 80",
        "a: 50.0%, no reward yet",
        "b: 50.0%, no reward yet",
        "300 of 1,200 answers have had feedback; 4 had it twice, and count once.",
    ]
    page = found._repr_html_()
    assert "<td>b:1</td><td>80</td><td>0.875</td><td>90.0%</td>" in page
    assert "&lt;night&gt;" in page
    assert "<night>" not in page
    assert found.weights("<night>") == {"a": 0.1, "b": 0.9}
    assert found.weights("unheard of") == {}


def test_what_a_reward_is_taken_for_by_numbers_is_told_with_those_that_matter_most() -> None:
    found = learned(
        {
            "context": "",
            "arms": [
                arm("a", 0.5, 20, 0.5, [0.25, -0.5]),
                arm("b", 0.5, 20, 0.5, [0.75, *[0.125] * 8, 0.01, -2.0]),
            ],
        }
    )
    of_a, of_b = str(found).splitlines()[2:4]
    assert of_a == "reward of a: 0.250 - 0.500 x1"
    assert of_b.startswith("reward of b: 0.750 + 0.125 x1 + 0.125 x2 ")
    assert of_b.endswith(" + 0.125 x7 - 2.000 x10, and 2 smaller ones")
    assert "reward of a: 0.250 - 0.500 x1" in found._repr_html_()


def test_of_many_contexts_some_are_shown_and_the_rest_is_counted() -> None:
    contexts = [{"context": f"{i}", "arms": [arm("a", 1.0, i)]} for i in range(SHOWN + 5)]
    told = str(learned(*contexts, expired=2, forgotten=7))
    assert told.splitlines()[0].startswith(f"{SHOWN + 4}, a: ")
    assert told.endswith(
        "2 came too late; 7 contexts were forgotten, for there were too many; 5 more contexts are not shown."
    )


def test_what_was_lost_is_told_where_it_is_known() -> None:
    assert learned().regret is None
    found = learned(regret={"lost": 12.34, "alike": 150.0})
    assert found.regret == 12.34
    words = (
        "about 12.3 rewards were lost by not always asking the best arm, and 150.0 would have been by asking"
    )
    assert words in str(found)
    assert words in found._repr_html_()
