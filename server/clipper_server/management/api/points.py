"""What the API answers of each second that was measured."""

from __future__ import annotations

from typing_extensions import TypedDict


class ArmPoint(TypedDict):
    """What became of the inputs a second for which the choice fell on the arm.

    The percentiles are of its outputs, without those that the cache knew; None where none came.
    """

    chosen: float
    used: float
    errors: float
    late: float
    p50_ms: float | None
    p95_ms: float | None


class RegretPoint(TypedDict):
    """How much reward was `lost` so far by not asking the best arm only, and would have been by asking all
    arms `alike`: since the policy was set, or management began. Both are estimated from feedback.
    """

    lost: float
    alike: float


class ApplicationPoint(TypedDict):
    """`answers` are inputs a second, by "model", "rejected" or a default output's reason.

    The percentiles are of requests, from arrival to answer; None where none came. `arms` are those of a
    policy or of a rollout. `confidence` is of a vote: its answers a second with at most half of the weight
    behind them, with three quarters, with more, and with all. `regret` is None until feedback tells it.
    """

    answers: dict[str, float]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    arms: dict[str, ArmPoint]
    confidence: list[float]
    regret: RegretPoint | None


class VersionPoint(TypedDict):
    """`asked` and `capacity` (of one replica) are inputs a second, `batch_size` and `compute_ms` means.

    `utilisation` is the part of the time in which replicas computed. What is not known is None.
    """

    asked: float
    waiting: int
    batch_size: float | None
    compute_ms: float | None
    utilisation: float | None
    capacity: float | None
    replicas: int


class Point(TypedDict):
    """One second. `at` is in seconds since 1970; `versions` are named "model:version"."""

    id: int
    at: float
    applications: dict[str, ApplicationPoint]
    versions: dict[str, VersionPoint]
