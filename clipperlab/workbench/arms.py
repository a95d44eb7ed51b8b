"""What each arm of an application's choice gets and does, and how much a vote agrees, as HTML."""

from __future__ import annotations

import html

from ..management import Application, ApplicationPoint, ArmPoint
from ..policies import arms_of, wanted
from .glance import NOTHING, table
from .watch import Seen

RECENT = 10  # seconds over which shares are told: of one second's inputs they jump
NAMES = ("arm", "wanted", "got", "inputs /s", "errors", "late", "p50", "p95")


def votes(seen: Seen, name: str | None) -> bool:
    """Whether the models of the application vote."""
    application = seen.application(name)
    policy = application["policy"] if application else None
    return policy is not None and policy["kind"] == "vote"


def splits(seen: Seen, name: str | None) -> bool:
    """Whether its inputs go to one arm or another: by a split, a learner, or a rollout that runs."""
    application = seen.application(name)
    if application is None:
        return False
    policy = application["policy"]
    return (policy is not None and policy["kind"] not in ("vote", "cascade")) or any(
        rollout["ended_at"] is None and rollout["model"] in arms_of(application) for rollout in seen.rollouts
    )


def regrets(seen: Seen, name: str | None) -> bool:
    """Whether feedback tells how good its choices are."""
    application = seen.application(name)
    return application is not None and application["feedback"] is not None and splits(seen, name)


def climbs(seen: Seen, name: str | None) -> bool:
    """Whether one model is asked after the other, where they are not sure."""
    application = seen.application(name)
    policy = application["policy"] if application else None
    return policy is not None and policy["kind"] == "cascade"


def arms(seen: Seen, application: Application) -> str:
    """What each arm of its policy, or of a rollout, is to get and got in the last seconds; "" without any."""
    is_vote = votes(seen, application["name"])
    is_cascade = climbs(seen, application["name"])
    if not is_vote and not is_cascade and not splits(seen, application["name"]):
        return ""
    live = {
        rollout["model"]: (rollout["control"], rollout["canary"], rollout["share"])
        for rollout in seen.rollouts
        if rollout["ended_at"] is None
    }
    points = _recent(seen, application)
    shares = wanted(application, live)
    told = {arm: [point["arms"][arm] for point in points if arm in point["arms"]] for arm in shares}
    chosen = {arm: sum(point["chosen"] for point in of) for arm, of in told.items()}
    # An input may go to several arms of a vote or of a cascade.
    answers = sum(sum(point["answers"].values()) for point in points)
    inputs = answers if is_vote or is_cascade else sum(chosen.values())
    unsaid = "the unsure" if is_cascade else "learned"
    rows = [_row(arm, shares[arm], unsaid, of, inputs) for arm, of in told.items()]
    return table(seen, NAMES, rows) + (_agreement(points, application) if is_vote else "")


def _row(arm: str, share: float | None, unsaid: str, points: list[ArmPoint], inputs: float) -> list[str]:
    chosen = sum(point["chosen"] for point in points)
    p50_ms, p95_ms = (points[-1]["p50_ms"], points[-1]["p95_ms"]) if points else (None, None)
    return [
        f"<b>{html.escape(arm)}</b>",
        unsaid if share is None else f"{100 * share:.3g} %",
        _percent(min(chosen, inputs), inputs),
        f"{points[-1]['chosen']:,.0f}" if points else NOTHING,
        _percent(sum(point["errors"] for point in points), chosen),
        _percent(sum(point["late"] for point in points), chosen),
        *(NOTHING if ms is None else f"{ms:.1f} ms" for ms in (p50_ms, p95_ms)),
    ]


def _agreement(points: list[ApplicationPoint], application: Application) -> str:
    """How much a vote agrees, in words."""
    said = sum(sum(point["confidence"]) for point in points)
    if not said:
        return '<p class="clipper-words">No vote in the last seconds.</p>'
    arms = [arm for point in points for arm in point["arms"].values()]
    asked, used = sum(arm["chosen"] for arm in arms), sum(arm["used"] for arm in arms)
    all_agree = sum(point["confidence"][-1] for point in points if point["confidence"])
    low = sum(point["answers"].get("low_confidence", 0.0) for point in points)
    count = len(arms_of(application))
    return (
        '<p class="clipper-words">All agree, or all gave a number, in '
        f"{_percent(all_agree, said)} of what they say. "
        f"{_percent(low, said)} was too unsure, and the default output answered. "
        f"Of {count} arms, {count * used / asked:.2f} are in an answer.</p>"
    )


def _recent(seen: Seen, application: Application) -> list[ApplicationPoint]:
    found = (point["applications"].get(application["name"]) for point in seen.points[-RECENT:])
    return [point for point in found if point is not None]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else NOTHING
