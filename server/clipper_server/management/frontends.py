"""What the query frontends last reported: who lives, which revision they have, which replicas they see."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from ..changes import Changes
from ..snapshot import GPU, Report
from .autoscaler import Load
from .awake import Awake
from .events import Events

LIVE_S = 2.0
ACKNOWLEDGE_S = 5.0


Key = tuple[str, str]  # of a version: its model's name, and its own


@dataclass(frozen=True, slots=True)
class _Heard:
    """A report, and what is looked up in it again and again: there may be a thousand replicas in it."""

    at: float
    awake_at: float
    report: Report
    state: object
    ready: dict[Key, frozenset[str]]
    answered: dict[tuple[str, str, str], int]
    warnings: dict[Key, frozenset[str]]
    gpus: dict[tuple[str, str, str], GPU]

    @classmethod
    def of(cls, at: float, awake_at: float, report: Report) -> _Heard:
        ready: defaultdict[Key, set[str]] = defaultdict(set)
        warnings: defaultdict[Key, set[str]] = defaultdict(set)
        for replica in report.replicas:
            if replica.ready:
                ready[replica.model, replica.version].add(replica.replica)
            if replica.warnings:
                warnings[replica.model, replica.version].update(replica.warnings)
        answered = {(r.model, r.version, r.replica): r.answered for r in report.replicas}
        sets = {key: frozenset(names) for key, names in ready.items()}
        warned = {key: frozenset(texts) for key, texts in warnings.items()}
        gpus = {(r.model, r.version, r.replica): r.gpu for r in report.replicas if r.gpu is not None}
        return cls(at, awake_at, report, _state(report), sets, answered, warned, gpus)

    def news(self, before: _Heard | None) -> bool:
        """Whether somebody may have waited for it. Those who look at rates look now and then."""
        if before is None or self.awake_at - before.awake_at > LIVE_S:
            return True
        same = self.answered.keys() == before.answered.keys()
        return not same or (self.state, self.ready) != (before.state, before.ready)


def _state(report: Report) -> object:
    """All of a report but what grows with every query."""
    said = [(r.replica, r.hangs, r.warnings) for r in report.replicas if r.hangs or r.warnings]
    wanted = {(v.model, v.version) for v in report.versions if v.waiting}
    itself = report.pid, report.began, report.serving, report.revision, report.private
    return itself, said, wanted, report.protocols


class Frontends:
    """`clock` is monotonic, in seconds. What this process was held up by is no silence of theirs."""

    def __init__(self, changes: Changes, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self._heard: dict[str, _Heard] = {}
        self._started: dict[str, float] = {}
        self._changes = changes
        self._events = events
        self._clock = clock
        self._awake = Awake(clock)

    def on_report(self, report: Report) -> None:
        before = self._heard.get(report.frontend)
        heard = self._heard[report.frontend] = _Heard.of(self._clock(), self._awake(), report)
        for told in report.complaints:
            subject = {"model": told.model, "version": told.version, "replica": told.replica}
            if told.model:
                self._events.add(told.kind, told.text, **subject)
            else:
                text = f"Query frontend {report.frontend}: {told.text}"
                self._events.add("error", text, frontend=report.frontend)
        if heard.news(before):
            self._changes.notify()

    def started(self, frontend: str) -> None:
        """Its process was started, and has not spoken yet."""
        self._heard.pop(frontend, None)
        self._started[frontend] = self._awake()
        self._changes.notify()

    def live(self) -> list[Report]:
        """The last reports of those that have reported in the last two seconds."""
        return [report for _, report in self.heard()]

    def heard(self) -> list[tuple[float, Report]]:
        """The same, each with the time at which it came."""
        return [(heard.at, heard.report) for heard in self._live()]

    def _live(self) -> list[_Heard]:
        now = self._awake()
        return [heard for heard in self._heard.values() if now - heard.awake_at <= LIVE_S]

    def silent_s(self, frontend: str) -> float:
        """For how long it has said nothing; from now on where it is new to us."""
        heard = self._heard.get(frontend)
        last = heard.awake_at if heard else self._started.setdefault(frontend, self._awake())
        return self._awake() - last

    def serving(self) -> bool:
        live = self.live()
        return bool(live) and all(report.serving for report in live)

    async def acknowledge(self, revision: int) -> None:
        """Return when every live frontend has the revision. One that falls silent holds nobody up."""

        def all_have_it() -> bool:
            return all(report.revision >= revision for report in self.live())

        if not await self._changes.wait_for(all_have_it, ACKNOWLEDGE_S) and not self._changes.closed:
            late = ", ".join(r.frontend for r in self.live() if r.revision < revision)
            text = f"Query frontend {late} does not know of the last change yet."
            self._events.add("frontend", text, frontend=late)

    def ready_replicas(self, model: str, version: str) -> set[str]:
        """The replicas that every frontend has that serves, with the model loaded.

        One that has yet to open its port is waiting for them itself: it does not make them unready.
        """
        nobody = frozenset[str]()
        seen = [heard.ready.get((model, version), nobody) for heard in self._live() if heard.report.serving]
        return set(seen[0].intersection(*seen[1:])) if seen else set()

    def waking(self, model: str, version: str) -> bool:
        """Whether a frontend lets queries wait for its first replica since it slept."""
        return any(
            (v.model, v.version, v.waking) == (model, version, True)
            for report in self.live()
            for v in report.versions
        )

    def seen(self, model: str, version: str) -> list[str]:
        """The replicas that any live frontend has."""
        replicas = [r for report in self.live() for r in report.replicas]
        return sorted({r.replica for r in replicas if (r.model, r.version) == (model, version)})

    def warnings(self, model: str, version: str) -> list[str]:
        """What its replicas said of their model."""
        key = model, version
        return sorted({text for heard in self._live() for text in heard.warnings.get(key, ())})

    def hanging(self) -> dict[tuple[str, str, str], str]:
        """The replicas that a frontend has given up, and why."""
        return {
            (r.model, r.version, r.replica): r.hangs
            for report in self.live()
            for r in report.replicas
            if r.hangs is not None
        }

    def answered(self, model: str, version: str, replica: str) -> int:
        return sum(heard.answered.get((model, version, replica), 0) for heard in self._heard.values())

    def gpu(self, model: str, version: str, replica: str) -> GPU | None:
        """What the replica tells of its GPUs; it tells one frontend only."""
        told = (heard.gpus.get((model, version, replica)) for heard in self._live())
        return next((gpu for gpu in told if gpu is not None), None)

    def load(self, model: str, version: str) -> Load:
        """What the live frontends together report of this version."""
        seen = [
            v for report in self.live() for v in report.versions if (v.model, v.version) == (model, version)
        ]
        capacities = [v.capacity for v in seen if v.capacity is not None]
        return Load(
            sum(v.asked for v in seen),
            sum(capacities) / len(capacities) if capacities else None,
            sum(v.waiting for v in seen),
        )
