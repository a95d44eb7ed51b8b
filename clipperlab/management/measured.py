"""What was measured: traces, metrics, and the overview that views are drawn from."""

from __future__ import annotations

import operator
from typing import Any, TypedDict

from clipper_container.errors import BadRequest

from .applications import Application
from .calls import Calls
from .cluster import Event
from .feedback import RegretPoint
from .protocols import Protocol
from .replicas import Replica
from .rollouts import Rollout
from .shadows import Shadow
from .versions import Version

NO_MORE = 2**63 - 1  # after which there is no event and no point


class ArmPoint(TypedDict):
    """All but the percentiles are inputs a second."""

    chosen: float
    used: float
    errors: float
    late: float
    p50_ms: float | None
    p95_ms: float | None


class ApplicationPoint(TypedDict):
    answers: dict[str, float]  # inputs a second: by "model", "rejected", or a default output's reason
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    arms: dict[str, ArmPoint]  # where there is a choice
    confidence: list[float]  # of a vote, answers a second: at most half, 3/4, more, all of the weight
    regret: RegretPoint | None  # where feedback says how good choices were


class VersionPoint(TypedDict):
    asked: float  # inputs a second
    waiting: int
    batch_size: float | None  # the mean; None where there was no batch
    compute_ms: float | None  # the mean of a batch
    utilisation: float | None  # from 0 to 1; None without replicas
    capacity: float | None  # of one replica, in inputs a second
    replicas: int


class Point(TypedDict):
    id: int
    at: float  # seconds since 1970
    applications: dict[str, ApplicationPoint]
    versions: dict[str, VersionPoint]  # by "model:version"


class Overview(TypedDict):
    cluster: dict[str, Any]
    applications: list[Application]
    models: list[Version]
    replicas: list[Replica]
    rollouts: list[Rollout]  # each model's last one
    shadows: list[Shadow]  # likewise
    protocols: list[Protocol]
    events: list[Event]
    points: list[Point]  # one a second


class Measured(Calls):
    def overview(self, after_event: int | None, after_point: int | None, *, wait_s: float) -> Overview:
        query = {"after_event": after_event, "after_point": after_point}
        known = {name: value for name, value in query.items() if value is not None}
        overview: Overview = self._call("GET", "/overview", wait_s=wait_s, query=known)
        return overview

    def last_changes(self) -> tuple[list[Rollout], list[Shadow]]:
        """Each model's last rollout, and each one's last shadow."""
        told = self.overview(NO_MORE, NO_MORE, wait_s=0)
        return told["rollouts"], told["shadows"]

    def why(self, query_id: int | None) -> dict[str, Any]:
        which = "last" if query_id is None else _number(query_id)
        trace: dict[str, Any] = self._call("GET", f"/queries/{which}")
        return trace

    def instance(self) -> dict[str, Any]:
        metrics: dict[str, Any] = self._call("GET", "/instance")
        return metrics

    def metrics(self) -> str:
        text: str = self._call("GET", "/metrics")
        return text


def _number(query_id: Any) -> int:
    try:
        return int(query_id) if isinstance(query_id, str) else operator.index(query_id)
    except (TypeError, ValueError):
        raise BadRequest(
            f"A query id is the number that an answer has as `query_id`, not {query_id!r}."
        ) from None
