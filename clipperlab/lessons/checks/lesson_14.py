"""Checks of lesson 14, on policies and rollouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...policies import Split
from . import Checked, NotYet, check


@check(
    "canary-split",
    hints=(
        "The first is by model, the second by user and then by model.",
        "Each query of the second one has a unit, and the policy is sticky.",
        'P.Split({"bayes": 0.8, "svm": 0.2}, sticky="unit")',
    ),
)
def split(wb: Checked, by_chance: Mapping[str, int], by_user: Mapping[str, Mapping[str, int]]) -> None:
    if len(by_chance) != 2:
        raise NotYet(f"Two models should have answered, and there are {', '.join(by_chance) or 'none'}.")
    share = by_chance.get("svm:1", 0) / sum(by_chance.values())
    if not 0.1 < share < 0.3:
        raise NotYet(f"The SVM should have a fifth of the answers, and has {share:.0%}.")
    both = [user for user, seen in by_user.items() if len(seen) != 1]
    if both:
        raise NotYet(f"{', '.join(both)} saw both models.")


@check(
    "canary-passes",
    hints=(
        "A rollout passes when it has taken its last step, which is to 1.",
        "Its state says how it ended, and its verdict why.",
        'conn.start_rollout("double", 2, steps=[0.2, 0.5, 1], hold_s=1)',
    ),
)
def passes(wb: Checked, rollout: Any, failed: int) -> None:
    if rollout.state != "passed":
        raise NotYet(f"The rollout is {rollout.state}: {rollout.verdict()}")
    if failed:
        raise NotYet(f"{failed} queries failed, and none should: conn.events() may say why.")


@check(
    "canary-stopped",
    hints=(
        "A guardrail has to see that the new version does worse.",
        "It needs queries, of which some fail with the new version alone.",
        "rollout.verdict() says what is missing, or what was seen.",
    ),
)
def stopped(wb: Checked, rollout: Any) -> None:
    if rollout.state != "failed":
        raise NotYet(f"The rollout is {rollout.state}: {rollout.verdict()}")
    if wb.conn.get_current_model_version(rollout.model) != rollout.now["control"]:
        raise NotYet("The version before should be current.")


@check(
    "canary-outage",
    hints=(
        "The rollout should go on, although there were errors.",
        "Both versions have to fail while the file is away.",
        "seen = rollout.now['evidence'], taken while it is away",
    ),
)
def outage(wb: Checked, rollout: Any, seen: Mapping[str, Mapping[str, int]]) -> None:
    if not seen["control"]["errors"]:
        raise NotYet("The version before had no errors: then it was no common outage.")
    if rollout.state != "passed":
        raise NotYet(f"The rollout is {rollout.state}: {rollout.verdict()}")


@check(
    "canary-peeking",
    hints=(
        "Three shares of false alarms, by how one looks.",
        "At most one of them is far above 5 %.",
        "np.mean(np.any(evidence > 100, axis=1))",
    ),
)
def peeking(wb: Checked, alarms: Mapping[str, float]) -> None:
    once, often, evidence = alarms.values()
    if not often > 3 * once:
        raise NotYet(f"Looking often should cry wolf more often, and it is {often:.0%} to {once:.0%}.")
    if evidence > 0.01:
        raise NotYet(f"The evidence cries wolf in {evidence:.1%}: it should in less than 1 %.")


@check(
    "exercise-canary-test",
    hints=(
        "Two linked models, half of the queries each, the same one for each user.",
        "A policy that splits takes shares, and sticks to units.",
        'conn.set_policy("shop", P.Split({"plain": 0.5, "fancy": 0.5}, sticky="unit"))',
    ),
)
def ab_test(wb: Checked) -> None:
    policy = wb.conn.get_policy("shop")
    if not isinstance(policy, Split):
        raise NotYet("The application shop has no split.")
    if dict(policy.weights) != {"plain": 0.5, "fancy": 0.5}:
        raise NotYet(f"Its shares are {dict(policy.weights)}.")
    if policy.sticky != "unit":
        raise NotYet("A user would see both: it has to stick to units.")


@check(
    "exercise-canary-likely",
    hints=(
        "Were both alike, how likely is it that one bad answer is the new version's?",
        "That is its share of the queries. And for several of them, one after the other?",
        "return share**errors",
    ),
)
def likely(wb: Checked, likely: Callable[[float, int], float]) -> None:
    for share, errors, expected in [(0.2, 1, 0.2), (0.2, 3, 0.008), (0.5, 7, 0.0078125), (0.05, 0, 1.0)]:
        found = likely(share, errors)
        if found is None:
            raise NotYet("The function returns nothing.")
        if abs(found - expected) > 1e-9:
            raise NotYet(f"At a share of {share:.0%}, {errors} of {errors} bad answers: it says {found:g}.")


@check(
    "exercise-canary-guardrail",
    hints=(
        "Its guardrails should only look at late answers.",
        "A guardrail takes a tolerance: how many times as many are allowed.",
        'guardrails=[P.NoMore("late", 1.5)]',
    ),
)
def guardrail(wb: Checked, rollout: Any) -> None:
    if rollout is None:
        raise NotYet("There is no rollout yet: start_rollout returns one.")
    told = rollout.now
    kinds = {rail["kind"]: rail["tolerance"] for rail in told["guardrails"]}
    if kinds != {"late": 1.5}:
        raise NotYet(f"Its guardrails are {kinds or 'none'}.")
    if not told["observe"]:
        raise NotYet("It would take the version back: it should only tell.")
