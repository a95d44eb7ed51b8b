"""Feedback: whether an application collects it, and what was learned of it."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from . import paths
from .calls import Calls


class FeedbackOptions(TypedDict):
    """`window_s` is in seconds."""

    window_s: float
    default_reward: float | None
    score: Literal["equal", "within", "distance"]
    tolerance: float
    sample: float
    inputs: bool


class LearnedArm(TypedDict):
    """`version` is what the arm is at the moment. `mean` is that of its rewards, None without any; `weight`
    its probability now, or its weight in a vote; None where nothing is chosen by it. By numbers `weight` is
    its part of the last rewards, and `coefficients` what its reward is taken for: a constant, and of each
    number what one of it adds.
    """

    arm: str
    version: str
    times: int | None
    rewards: int
    mean: float | None
    weight: float | None
    coefficients: list[float] | None


class LearnedContext(TypedDict):
    context: str
    arms: list[LearnedArm]


class RegretPoint(TypedDict):
    """In rewards, since the application has its policy: estimated from the feedback that came."""

    lost: float  # by not always asking the arm that was best at the moment
    alike: float  # what it would have been by asking all arms alike


class Learned(TypedDict):
    """`decided` answers had a token, `joined` of them have had feedback. `duplicates` and `expired` count
    feedback that came again, or too late; `forgotten` contexts. `regret` is None where feedback tells
    nothing of a choice.
    """

    epoch: int
    contexts: list[LearnedContext]
    decided: int
    joined: int
    duplicates: int
    expired: int
    forgotten: int
    regret: RegretPoint | None


class Decision(TypedDict):
    """`at` is in seconds since 1970. `rewards` are of the `arms` that feedback judged; None without any. The
    `input` is there where it was asked for, and None where it was not kept.
    """

    query_id: int
    at: float
    context: str
    arms: list[str]
    propensity: float
    ms: float
    sample: float
    rewards: list[tuple[str, float]] | None
    input: NotRequired[Any]


class Feedback(Calls):
    def feedback_options(self, application: str) -> FeedbackOptions | None:
        answer: dict[str, Any] = self._call("GET", f"{paths.application(application)}/feedback")
        options: FeedbackOptions | None = answer["feedback"]
        return options

    def set_feedback(self, application: str, options: FeedbackOptions | None) -> None:
        self._call("PUT", f"{paths.application(application)}/feedback", {"feedback": options})

    def decisions(self, application: str, limit: int, *, inputs: bool = False) -> list[Decision]:
        """The oldest first; with `inputs`, as far as they were kept."""
        path = f"{paths.application(application)}/decisions"
        decisions: list[Decision] = self._call("GET", path, query={"limit": limit, "inputs": int(inputs)})
        return decisions

    def learned(self, application: str) -> Learned:
        learned: Learned = self._call("GET", f"{paths.application(application)}/learned")
        return learned
