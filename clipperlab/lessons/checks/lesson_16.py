"""Checks of lesson 16, on ensembles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from . import Checked, NotYet, check

_Line = Sequence[tuple[float, float]]
_Pairs = list[tuple[float, bool]]


@check(
    "ensemble-vote",
    hints=(
        "Five models and the vote, by how often each is right.",
        "The vote should be above each of its members.",
        "accuracy['vote'] = np.mean(right(app.predict(tests)))",
    ),
)
def vote(wb: Checked, accuracy: Mapping[str, float]) -> None:
    alone = {name: share for name, share in accuracy.items() if name != "vote"}
    if len(alone) != 5 or "vote" not in accuracy:
        raise NotYet(f"There should be five models and the vote, and there are {', '.join(accuracy)}.")
    best = max(alone, key=alone.__getitem__)
    if not accuracy["vote"] > alone[best]:
        raise NotYet(f"The vote is right in {accuracy['vote']:.1%}, and {best} alone in {alone[best]:.1%}.")


@check(
    "ensemble-agreement",
    hints=(
        "Errors where all agree, of all answers, and where they do not agree.",
        "A confidence of 1 is that of an answer that all gave.",
        "np.mean(wrong[confidence == 1])",
    ),
)
def agreement(wb: Checked, errors: Mapping[str, float]) -> None:
    agree, all_, disagree = errors.values()
    if not agree <= all_ / 2:
        raise NotYet(f"{agree:.1%} are wrong where all agree, of all {all_:.1%}: it should be half at most.")
    if not all_ < disagree:
        raise NotYet(f"{disagree:.1%} are wrong where not all agree, which should be more than {all_:.1%}.")


@check(
    "ensemble-threshold",
    hints=(
        "Two lines of points, and the answers of the application with its least confidence.",
        "What is not answered is the default output, for the reason low_confidence.",
        "careful = app.predict(tests), after set_policy with min_confidence=0.8",
    ),
)
def threshold(wb: Checked, answered: _Line, mistakes: _Line, careful: Sequence[Mapping[str, Any]]) -> None:
    reasons = {answer["default_reason"] for answer in careful if answer["default"]}
    if reasons != {"low_confidence"}:
        raise NotYet(
            f"Defaults should be for low_confidence alone, and are for {sorted(reasons) or 'nothing'}."
        )
    really = sum(not answer["default"] for answer in careful) / len(careful)
    expected = dict(answered)[0.8]
    if abs(really - expected) > 0.01:
        raise NotYet(f"{really:.1%} were answered, and the line says {expected:.1%}.")
    if not really > 0.75:
        raise NotYet(f"More than three quarters should be answered, and {really:.1%} are.")
    if not mistakes[-1][1] < mistakes[0][1]:
        raise NotYet("Of what is answered with the highest confidence, less should be wrong.")


@check(
    "ensemble-straggler",
    hints=(
        "The answers with a slow member, and how often they are right.",
        "Of five that are asked, four are used, and no answer is the default output.",
        'deploy_python_closure(conn, "linear", 2, "doubles", slow)',
    ),
)
def straggler(wb: Checked, accuracy: Mapping[str, float], without: Sequence[Mapping[str, Any]]) -> None:
    defaults = sum(answer["default"] for answer in without)
    if defaults:
        raise NotYet(f"{defaults} of {len(without)} answers are the default output, and none should be.")
    fewer = sum(answer["models"]["used"] < answer["models"]["asked"] for answer in without)
    if fewer < 0.9 * len(without):
        raise NotYet(f"A member is missing in {fewer} of {len(without)} answers: it should be in all.")
    lost = accuracy["vote"] - accuracy["vote without linear"]
    if not lost < 0.01:
        raise NotYet(f"It cost {100 * lost:.1f} percentage points, and should cost less than one.")


@check(
    "ensemble-early",
    hints=(
        "Latencies of ten queries each, first without and then with early.",
        "While all are waited for, a query takes as long as the objective.",
        "P.Vote(list(members), early=early)",
    ),
)
def early(wb: Checked, took: Mapping[str, Sequence[float]]) -> None:
    waited, early = map(median, took.values())
    if not waited > 450:
        raise NotYet(f"Without early it takes {waited:.0f} ms: the slow member should be waited for.")
    if not early < 0.8 * waited:
        raise NotYet(f"With early it takes {early:.0f} ms, and without {waited:.0f} ms.")


@check(
    "exercise-ensemble-vote",
    hints=(
        "A vote takes weights, and a least confidence.",
        "With two votes of four the expert and one more are 75 %, and the two others 50 %.",
        'P.Vote(["expert", "first", "second"], weights={"expert": 2}, min_confidence=0.7)',
    ),
)
def weighted(wb: Checked) -> None:
    pets = wb.conn.application("pets")
    expected = [(0.0, "dog", 1.0), (1.0, "dog", 0.75), (2.0, "ask a person", 0.5)]
    for number, output, confidence in expected:
        answer = pets.predict([number])
        if "confidence" not in answer:
            raise NotYet("The application pets has no vote.")
        if abs(answer["confidence"] - confidence) > 0.01:
            raise NotYet(
                f"At the input {number:g} the confidence is {answer['confidence']:.0%}, and should be "
                f"{confidence:.0%}: the expert has two of four votes."
            )
        if answer["output"] != output:
            raise NotYet(f"At the input {number:g} it says {answer['output']!r}, and should say {output!r}.")


@check(
    "exercise-ensemble-majority",
    hints=(
        "In how many ways can two of three be right, and in how many all three?",
        "All three: p * p * p. Two: one of the three is wrong, whichever.",
        "return p**3 + 3 * p**2 * (1 - p)",
    ),
)
def majority(wb: Checked, majority: Callable[[float], float]) -> None:
    for p, expected in [(0.8, 0.896), (0.5, 0.5), (1.0, 1.0), (0.4, 0.352)]:
        found = majority(p)
        if found is None:
            raise NotYet("The function returns nothing.")
        if abs(found - expected) > 1e-9:
            raise NotYet(f"With {p:.0%} each the majority is not right in {found:.1%}.")


@check(
    "exercise-ensemble-threshold",
    hints=(
        "Try each confidence that there is, from the lowest one.",
        "What is answered has this confidence or more. How many of these are wrong?",
        "for least in sorted({confidence for confidence, _ in pairs}): ...",
    ),
)
def chosen(wb: Checked, threshold: Callable[[_Pairs, float], float | None]) -> None:
    pairs = [(0.4, False), (1.0, True), (0.6, True), (0.6, False), (0.8, True), (1.0, True), (0.8, False)]
    wrong = [(1.0, False), (0.6, True)]
    for given, errors, expected in [
        (pairs, 0.5, 0.4),
        (pairs, 0.35, 0.6),
        (pairs, 0.25, 0.8),
        (pairs, 0.1, 1.0),
        (wrong, 0.1, None),
    ]:
        found = threshold(list(given), errors)
        if found != expected:
            raise NotYet(
                f"Of {given}, at most {errors:.0%} wrong: it says {found}, and should say {expected}."
            )
