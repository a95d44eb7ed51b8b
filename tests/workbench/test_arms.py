"""What arms get and do, and how much a vote agrees: as tables and words."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from clipperlab import policies as P
from clipperlab.management import Overview, Point
from clipperlab.workbench import arms
from clipperlab.workbench.watch import Seen


def rollout(**changes: Any) -> dict[str, Any]:
    told = {"model": "a", "control": "1", "canary": "2", "share": 0.2, "ended_at": None}
    return told | changes


def seen(policy: P.Policy, point: dict[str, Any], *rollouts: dict[str, Any]) -> Seen:
    application = {"name": "app", "linked_models": ["a", "b"], "policy": P.as_plain(policy)}
    overview = {
        "applications": [application],
        "models": [],
        "replicas": [],
        "rollouts": list(rollouts),
        "shadows": [],
        "protocols": [],
    }
    points = [{"id": 1, "at": 1.0, "applications": {"app": point}, "versions": {}}]
    return Seen("", cast(Overview, overview), cast(list[Point], points))


def arm(chosen: float, errors: float = 0.0, late: float = 0.0) -> dict[str, Any]:
    figures = {"chosen": chosen, "used": chosen - errors - late, "errors": errors, "late": late}
    return {**figures, "p50_ms": 1.0, "p95_ms": 2.5}


def rows(found: Seen) -> list[list[str]]:
    page = arms.arms(found, found.applications[0])
    lines = re.findall("<tr>(.*?)</tr>", page)[1:]
    return [[re.sub("<.*?>", "", cell) for cell in re.findall("<td.*?>(.*?)</td>", line)] for line in lines]


def test_the_share_that_an_arm_got_stands_beside_the_one_that_it_is_to_get() -> None:
    point = {"answers": {"model": 100.0}, "arms": {"a": arm(80, 8), "b": arm(20, late=1)}, "confidence": []}
    assert rows(seen(P.Split({"a": 0.75, "b": 0.25}), point)) == [
        ["a", "75 %", "80.0 %", "80", "10.0 %", "0.0 %", "1.0 ms", "2.5 ms"],
        ["b", "25 %", "20.0 %", "20", "0.0 %", "5.0 %", "1.0 ms", "2.5 ms"],
    ]


def test_a_rollout_splits_within_its_arm() -> None:
    point = {
        "answers": {"model": 10.0},
        "arms": {"a:1": arm(4), "a:2": arm(1), "b": arm(5)},
        "confidence": [],
    }
    found = seen(P.Split({"a": 0.5, "b": 0.5}), point, rollout())
    assert [row[:3] for row in rows(found)] == [
        ["a:1", "40 %", "40.0 %"],
        ["a:2", "10 %", "10.0 %"],
        ["b", "50 %", "50.0 %"],
    ]
    alone = seen(P.First(), point, rollout())
    assert [row[:2] for row in rows(alone)] == [["a:1", "80 %"], ["a:2", "20 %"]]
    assert arms.splits(alone, "app")


@pytest.mark.parametrize("ended", [{"model": "b"}, {"ended_at": 1.0, "share": 0.0}])
def test_where_there_is_no_choice_there_is_nothing_to_tell(ended: dict[str, Any]) -> None:
    found = seen(P.First(), {"answers": {}, "arms": {}, "confidence": []}, rollout(**ended))
    assert arms.arms(found, found.applications[0]) == ""


def test_of_a_cascade_it_is_told_which_part_of_the_inputs_went_on() -> None:
    point = {"answers": {"model": 100.0}, "arms": {"a": arm(100), "b": arm(20, late=1)}, "confidence": []}
    found = seen(P.Cascade(["a", "b"], 0.9), point)
    assert rows(found) == [
        ["a", "100 %", "100.0 %", "100", "0.0 %", "0.0 %", "1.0 ms", "2.5 ms"],
        ["b", "the unsure", "20.0 %", "20", "0.0 %", "5.0 %", "1.0 ms", "2.5 ms"],
    ]
    assert not arms.splits(found, "app")
    assert not arms.votes(found, "app")


def test_a_vote_says_how_much_it_agrees() -> None:
    answers = {"model": 18.0, "low_confidence": 2.0}
    did = {"a": arm(20), "b": arm(20, late=10)}
    found = seen(P.Vote(["a", "b"]), {"answers": answers, "arms": did, "confidence": [2, 3, 5, 10]})
    assert [row[1:3] for row in rows(found)] == [["100 %", "100.0 %"]] * 2
    page = arms.arms(found, found.applications[0])
    assert "All agree, or all gave a number, in 50.0 % of what they say. 10.0 % was too unsure" in page
    assert "Of 2 arms, 1.50 are in an answer." in page
    assert arms.votes(found, "app")
