"""What every application and version did, second by second, over the last five minutes: for charts.

It is kept here and not where it is drawn, so that whoever looks, or looks again, sees the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from ..changes import Changes
from ..snapshot import LATENCIES_S, ApplicationReport, ArmReport, Report, VersionReport
from .frontends import Frontends

EVERY_S = 1.0
KEPT = 300


class ArmPoint(msgspec.Struct):
    """All but the percentiles are inputs a second: those it was chosen for, and what became of them.

    The percentiles are of the time that its outputs took, without those that the cache knew.
    """

    chosen: float
    used: float
    errors: float
    late: float
    p50_ms: float | None
    p95_ms: float | None


class RegretPoint(msgspec.Struct):
    """What was `lost` so far, in rewards, since the application has its policy, or since management began;
    and what would have been by choosing among all arms `alike`. Estimated from the feedback that came.
    """

    lost: float
    alike: float


class ApplicationPoint(msgspec.Struct):
    """`answers` are inputs a second, by what answered: "model", "rejected", or a default output's reason.

    The percentiles are of the time from a request's arrival to its answer; None where none came. `arms` are
    those that there is a choice among, and `confidence` the answers a second of a vote, by CONFIDENCES.
    `regret` is None until there is feedback of such a choice.
    """

    answers: dict[str, float]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    arms: dict[str, ArmPoint] = {}
    confidence: list[float] = []
    regret: RegretPoint | None = None


class VersionPoint(msgspec.Struct):
    """`asked` and `capacity` are inputs a second, the latter those that one replica can answer in time.

    `batch_size` and `compute_ms` are the mean of a batch; None where there was none. `utilisation` is the
    part of the time in which its replicas computed, from 0 to 1; None where none is ready.
    """

    asked: float
    waiting: int
    batch_size: float | None
    compute_ms: float | None
    utilisation: float | None
    capacity: float | None
    replicas: int


class Point(msgspec.Struct):
    """One second. Ids grow, also when management restarts; `at` is in seconds since 1970."""

    id: int
    at: float
    applications: dict[str, ApplicationPoint]
    versions: dict[str, VersionPoint]  # by "model:version"


class _Sample(msgspec.Struct, frozen=True):
    at: float
    report: Report


class Series:
    """Measures by what the frontends' counters grew. `regrets` is `Feedback.regrets`; `clock` is monotonic,
    in seconds.
    """

    def __init__(
        self,
        frontends: Frontends,
        changes: Changes,
        regrets: Callable[[], Mapping[str, tuple[float, float]]],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._frontends = frontends
        self._changes = changes
        self._regrets = regrets
        self._clock = clock
        self._now = now
        self._points: deque[Point] = deque(maxlen=KEPT)
        self._written: deque[msgspec.Raw] = deque(maxlen=KEPT)  # the same
        self._before: dict[str, _Sample] = {}
        self._due: float | None = None  # the next point

    async def turn(self) -> None:
        """Wait for the next second, and add its point."""
        # By a plan, and not by the time it is: timers may be a little early.
        now = self._clock()
        self._due = now if self._due is None else max(self._due, now - EVERY_S)
        self._due += EVERY_S
        await asyncio.sleep(self._due - now)
        self.add()
        self._changes.notify()

    def after(self, id_: int | None) -> list[Point]:
        """The points that came after that one; all that are kept where it is None."""
        return [point for point in self._points if id_ is None or point.id > id_]

    def written_after(self, id_: int | None) -> list[msgspec.Raw]:
        """The same in JSON, as it was written once for all who ask."""
        points = zip(self._points, self._written, strict=True)
        return [written for point, written in points if id_ is None or point.id > id_]

    def add(self) -> None:
        grown: list[tuple[float, Report | None, Report]] = []
        samples = {}
        for at, report in self._frontends.heard():
            samples[report.frontend] = _Sample(at, report)
            before = self._before.get(report.frontend)
            if before is None:
                continue  # how long it has been counting is not known
            if before.report.began != report.began:
                grown.append((EVERY_S, None, report))  # it was restarted, and counts anew
            else:
                # It is a little late where it has said nothing new. The next point has it all.
                grown.append((at - before.at or EVERY_S, before.report, report))
        self._before = samples
        at = self._now()
        newest = self._points[-1].id if self._points else 0
        applications = _applications(grown)
        for name, (lost, alike) in self._regrets().items():
            if name in applications:
                applications[name].regret = RegretPoint(round(lost, 2), round(alike, 2))
        point = Point(max(int(at * 1000), newest + 1), at, applications, self._versions(grown))
        self._points.append(point)
        self._written.append(msgspec.Raw(msgspec.json.encode(point)))

    def _versions(self, grown: Iterable[tuple[float, Report | None, Report]]) -> dict[str, VersionPoint]:
        rates: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 4)
        for seconds, before, report in grown:
            old = {(v.model, v.version): v for v in before.versions} if before else {}
            for new in report.versions:
                key = new.model, new.version
                then = old.get(key)
                if then is not None and then.asked > new.asked:
                    then = None  # it was removed, and deployed again
                rates[key] = [
                    rate + (now - was) / seconds
                    for rate, now, was in zip(rates[key], _counts(new), _counts(then), strict=True)
                ]
        found = {}
        for key, (asked, batches, sent, compute_s) in rates.items():
            load = self._frontends.load(*key)
            replicas = len(self._frontends.ready_replicas(*key))
            found[":".join(key)] = VersionPoint(
                round(asked, 2),
                load.waiting,
                round(sent / batches, 2) if batches else None,
                round(1000 * compute_s / batches, 3) if batches else None,
                round(min(1.0, compute_s / replicas), 4) if replicas else None,
                None if load.capacity is None else round(load.capacity, 1),
                replicas,
            )
        return found


def _counts(version: VersionReport | None) -> tuple[float, float, float, float]:
    if version is None:
        return 0.0, 0.0, 0.0, 0.0
    return version.asked, version.batches, version.sent, version.compute_s


def _applications(
    grown: Iterable[tuple[float, Report | None, Report]],
) -> dict[str, ApplicationPoint]:
    answers: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    latencies: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(LATENCIES_S) + 1))
    arms: defaultdict[str, defaultdict[str, _Arm]] = defaultdict(lambda: defaultdict(_Arm))
    confidence: defaultdict[str, list[float]] = defaultdict(list)
    for seconds, before, report in grown:
        old = {application.name: application for application in before.applications} if before else {}
        for new in report.applications:
            then = old.get(new.name, ApplicationReport(new.name, 0, {}))
            if then.answered > new.answered:
                then = ApplicationReport(new.name, 0, {})  # it was removed, and made again
            for what, count in _answers(new).items():
                answers[new.name][what] += (count - _answers(then).get(what, 0)) / seconds
            _add(latencies[new.name], new.latencies, then.latencies)
            of = {arm.name: arm for arm in then.arms}
            for arm in new.arms:
                arms[new.name][arm.name].add(arm, of.get(arm.name), seconds)
            _add(confidence[new.name], new.confidence, then.confidence, seconds)
    return {
        name: ApplicationPoint(
            {what: round(rate, 2) for what, rate in rates.items() if rate},
            percentile(latencies[name], 50),
            percentile(latencies[name], 95),
            percentile(latencies[name], 99),
            {arm: did.point() for arm, did in arms[name].items()},
            [round(rate, 2) for rate in confidence[name]],
        )
        for name, rates in answers.items()
    }


class _Arm:
    """One arm, over all frontends."""

    def __init__(self) -> None:
        self._rates = [0.0] * 4
        self._latencies: list[int] = []

    def add(self, now: ArmReport, then: ArmReport | None, seconds: float) -> None:
        if then is None or then.chosen > now.chosen:
            then = ArmReport(now.name, 0, 0, 0, 0, [])  # it was no arm for a while
        _add(self._rates, _figures(now), _figures(then), seconds)
        _add(self._latencies, now.latencies, then.latencies)

    def point(self) -> ArmPoint:
        p50_ms, p95_ms = percentile(self._latencies, 50), percentile(self._latencies, 95)
        chosen, used, errors, late = (round(rate, 2) for rate in self._rates)
        return ArmPoint(chosen, used, errors, late, p50_ms, p95_ms)


def _figures(arm: ArmReport) -> list[int]:
    return [arm.chosen, arm.used, arm.errors, arm.late]


def _add(sums: list[Any], now: Sequence[float], then: Sequence[float], seconds: float | None = None) -> None:
    """Add by how much each has grown, or by how much a second. What was not counted then was 0."""
    sums.extend([0] * (len(now) - len(sums)))
    for i, (new, was) in enumerate(zip_longest(now, then[: len(now)], fillvalue=0)):
        sums[i] += new - was if seconds is None else (new - was) / seconds


def _answers(application: ApplicationReport) -> dict[str, int]:
    model = application.answered - sum(application.defaults.values())
    return {"model": model, "rejected": application.rejected, **application.defaults}


def percentile(counts: list[int], percent: float) -> float | None:
    """In milliseconds, from counts by LATENCIES_S: as if they lay evenly between the bounds."""
    wanted = sum(counts) * percent / 100
    below = 0.0
    lower = 0.0
    if not wanted:
        return None
    for upper, count in zip(LATENCIES_S, counts, strict=False):
        if below + count >= wanted:
            return round(1000 * (lower + (upper - lower) * (wanted - below) / count), 3)
        below += count
        lower = upper
    return 1000 * LATENCIES_S[-1]
