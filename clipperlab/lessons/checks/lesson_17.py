"""Checks of lesson 17, on bandits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...evaluation import Estimate
from . import Checked, NotYet, check

_Decisions = Sequence[tuple[str, float, float]]


@check(
    "bandit-labels",
    hints=(
        "What was learned, after 300 labels: `app.learned.now`.",
        "The SVM is right more often, and should have most of the queries.",
        "app.feedback(answer, label=int(digits[1000 + i]))",
    ),
)
def labels(wb: Checked, learned: Mapping[str, Any]) -> None:
    arms = {arm["arm"]: arm for context in learned["contexts"] for arm in context["arms"]}
    if set(arms) != {"bayes", "svm"}:
        raise NotYet(f"There should be two arms, and there are {', '.join(arms) or 'none'}.")
    if learned["joined"] < 290:
        raise NotYet(f"{learned['joined']} answers have had a label, and 300 should have.")
    # Not by their means: of an arm that is hardly asked all answers may have been right.
    if not arms["svm"]["weight"] > 0.5:
        raise NotYet(f"The SVM has {arms['svm']['weight']:.0%} of the queries, and should have most of them.")


@check(
    "bandit-returns",
    hints=(
        "For each learner, how many queries it took to leave, and to come back.",
        "The one that forgets should be quicker to leave, and be back within the last 600 queries.",
        "P.Thompson(), beside P.Thompson(forget=0)",
    ),
)
def returns(wb: Checked, leaves: Mapping[str, int], returns: Mapping[str, int]) -> None:
    if not leaves["forgets"] < 600:
        raise NotYet("The learner that forgets has not left the ill model within 600 queries.")
    if not returns["forgets"] < 600:
        raise NotYet("The learner that forgets has not come back within 600 queries.")
    if not leaves["forgets"] < leaves["never forgets"]:
        raise NotYet(
            f"The one that forgets left after {leaves['forgets']} queries, and the one that does not after "
            f"{leaves['never forgets']}: it should be later."
        )


@check(
    "bandit-late",
    hints=(
        "How many rewards were counted, and how many were known already.",
        "All are sent twice, so half of them are known already.",
        'app.feedback(answers, reward=[a["output"] for a in answers], wait=True)',
    ),
)
def late(wb: Checked, counted: int, twice: int) -> None:
    if counted != 200 or twice != 200:
        raise NotYet(f"{counted} were counted and {twice} known already: it should be 200 each.")


@check(
    "bandit-contexts",
    hints=(
        "For each context the part of the queries that each model gets.",
        "snow should have most of them in the north, and sand in the south.",
        "app.predict(query, context=context)",
    ),
)
def contexts(wb: Checked, learned: Mapping[str, Mapping[str, float]]) -> None:
    for context, best in {"north": "snow", "south": "sand"}.items():
        share = learned[context].get(best, 0.0)
        if not share > 0.8:
            raise NotYet(f"In the {context} {best} has {share:.0%} of the queries, and should have most.")


@check(
    "bandit-never-ran",
    hints=(
        "The estimate, and what is true.",
        "The policy to evaluate asks new alone.",
        'app.evaluate(P.Split({"new": 1.0}))',
    ),
)
def never_ran(wb: Checked, estimate: Estimate, really: float) -> None:
    if not 60 < estimate.effective < 180:
        raise NotYet(f"About 120 of the 600 decisions should speak of new, and {estimate.effective:.0f} do.")
    if not estimate.low - 0.1 < really < estimate.high + 0.1:
        raise NotYet(f"The truth, {really:.0%}, is far from the interval: {estimate}.")


@check(
    "exercise-bandit-vote",
    hints=(
        "A vote whose weights are learned wants labels.",
        "Ask with each number, and give feedback with the label that is right.",
        'P.Vote(["exact", "nearly", "coin"], weights="learned")',
    ),
)
def vote(wb: Checked) -> None:
    learned = wb.conn.learned("large")
    weights = learned.weights()
    if set(weights) != {"exact", "nearly", "coin"}:
        raise NotYet("The application large has learned nothing of exact, nearly and coin.")
    if learned.now["joined"] < 90:
        raise NotYet(f"{learned.now['joined']} answers have had a label, and 100 should have.")
    if not weights["exact"] > 2 * weights["coin"]:
        raise NotYet(
            f"exact has the weight {weights['exact']:.2f}, and coin {weights['coin']:.2f}: exact is always "
            "right, and should count for more than twice as much."
        )


@check(
    "exercise-bandit-price",
    hints=(
        "What does a query get that is spread over all, in the mean?",
        "The mean of the means. What does it get where the best one is asked?",
        "return explore * (max(means) - sum(means) / len(means))",
    ),
)
def price(wb: Checked, price: Callable[[list[float], float], float]) -> None:
    for means, explore, expected in [
        ([0.9, 0.5], 0.1, 0.02),
        ([0.6, 0.6], 0.5, 0.0),
        ([1.0, 0.0, 0.5], 0.3, 0.15),
    ]:
        found = price(list(means), explore)
        if found is None:
            raise NotYet("The function returns nothing.")
        if abs(found - expected) > 1e-9:
            raise NotYet(f"With the means {means} and explore={explore} it is not {found:g} a query.")


@check(
    "exercise-bandit-estimate",
    hints=(
        "Only decisions for this arm say anything of it, and each stands for 1 / probability of them.",
        "SNIPS divides by the sum of these weights, and not by the number of decisions.",
        "sum(w * reward for w, reward in told) / sum(w for w, _ in told)",
    ),
)
def estimate(wb: Checked, estimate: Callable[[_Decisions, str], float | None]) -> None:
    decisions = [("new", 0.2, 1.0), ("old", 0.8, 0.0), ("new", 0.5, 0.0), ("old", 0.5, 1.0)]
    for given, arm, expected in [
        (decisions, "new", 5 / 7),
        (decisions, "old", 2 / 3.25),
        (decisions, "other", None),
    ]:
        found = estimate(list(given), arm)
        if (found is None) != (expected is None) or (
            found is not None and expected is not None and abs(found - expected) > 1e-9
        ):
            raise NotYet(f"Of {given} it says {found} for {arm}, and should say {expected}.")
