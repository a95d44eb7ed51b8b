"""Counters and histograms of the query path, cheap enough to be always on."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from clipper_container import gpus, wire
from clipper_container.wire import Fault

from ..snapshot import CONFIDENCES, GPU, LATENCIES_S
from .policies import Decision
from .task import Outcome, Task

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Histogram:
    """Observations, counted by upper bound."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(
        self, bounds: Sequence[float] = LATENCIES_S, counts: list[int] | None = None, total: float = 0.0
    ) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1) if counts is None else counts
        self.sum = total

    def observe(self, value: float, count: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += count
        self.sum += value * count

    @property
    def count(self) -> int:
        return sum(self._counts)

    @property
    def counts(self) -> list[int]:
        """How many lie in each bucket; the last one is for what is above all bounds."""
        return self._counts.copy()

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many lie at or below it), as Prometheus wants them."""
        below = 0
        found: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            below += count
            found.append((bound, below))
        return found


class ArmMetrics:
    """What one arm of an application's policy did. `latency` is its own, of what the cache did not know."""

    __slots__ = ("chosen", "faults", "latency", "skipped")

    def __init__(self) -> None:
        self.chosen = 0
        self.skipped = 0
        self.faults: Counter[str] = Counter()
        self.latency = Histogram()

    def asked(self, task: Task, outcome: Outcome) -> None:
        """Count what became of one input."""
        self.chosen += 1
        if isinstance(outcome, Fault):
            self.faults[outcome.reason] += 1
        elif (batch := task.dispatch) is not None and (replied_at := batch.replied_at) is not None:
            self.latency.observe(replied_at - task.entered_at)


class Rewards:
    """Of one version, as feedback had them."""

    __slots__ = ("count", "sum")

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0

    def observe(self, reward: float) -> None:
        self.count += 1
        self.sum += reward


class ApplicationMetrics:
    """What one application did, since this frontend began."""

    def __init__(self) -> None:
        self.arms: defaultdict[str, ArmMetrics] = defaultdict(ArmMetrics)
        self.queries: Counter[str] = Counter()  # by protocol
        self.answered = 0
        self.cancelled = 0
        self.rejected = 0
        self.bad_requests = 0
        self.defaults: Counter[str] = Counter()
        self.latency = Histogram()
        self.confidence = Histogram(CONFIDENCES)  # of what a vote said
        self.feedback: Counter[str] = Counter()  # accepted, or the code with which it was refused
        self.rewards: defaultdict[str, Rewards] = defaultdict(Rewards)  # by model:version

    def chose(
        self,
        decision: Decision,
        tasks: Sequence[Task],
        outcomes: Sequence[Outcome],
        confidence: float | None = None,
    ) -> None:
        """Count what became of one input at each of the arms that were asked: all, or the first ones."""
        if confidence is not None:
            self.confidence.observe(confidence)
        arms = decision.arms
        if len(arms) == 1:
            self.arms[arms[0].name].asked(tasks[0], outcomes[0])
        else:
            for arm, task, outcome in zip(arms, tasks, outcomes, strict=False):
                self.arms[arm.name].asked(task, outcome)
        if decision.skipped:
            for arm in decision.skipped:
                self.arms[arm.name].skipped += 1

    def keep_arms(self, names: Iterable[str]) -> None:
        """Forget what others did: policies come and go, and so do the versions that are their arms."""
        for gone in self.arms.keys() - set(names):
            del self.arms[gone]

    def keep_rewards(self, names: Iterable[str]) -> None:
        """Forget those of versions that are gone."""
        for gone in self.rewards.keys() - set(names):
            del self.rewards[gone]


class ReplicaMetrics:
    """What one replica did for this frontend."""

    def __init__(self) -> None:
        self.answered = 0
        self.latency = Histogram()  # of its batches, from sending one to its reply
        self.custom: list[wire.Metric] = []  # the model's own

    @property
    def gpu(self) -> GPU | None:
        told = {metric.name: metric.sum for metric in self.custom}
        if not {gpus.USED, gpus.TOTAL, gpus.BUSY} <= told.keys():
            return None
        return GPU(told[gpus.USED], told[gpus.TOTAL], told[gpus.BUSY])


class CallMetrics:
    """What became of a version's calls of one model."""

    def __init__(self) -> None:
        self.latency = Histogram()  # from a call to its output
        self.faults: Counter[str] = Counter()


class VersionMetrics:
    """What one version of a model did for this frontend."""

    def __init__(self) -> None:
        self.answered = 0
        self.faults: Counter[str] = Counter()
        self.latency = Histogram()  # of an input, from its arrival in the queue to its outcome
        self.queue_delay = Histogram()
        self.compute = Histogram()
        self.computed: dict[int, tuple[int, float]] = {}  # by size: how many batches, and seconds in sum
        self.last_at: float | None = None  # when one was answered, on the frontend's clock
        self.batch_size = Histogram(SIZES)
        self.cost = 0.0  # of all that was sent
        self.dispatches: Counter[str] = Counter()
        self.retries = 0
        self.lookups = 0
        self.hits = 0
        self.joined = 0
        self.not_begun = 0  # nobody waited any more when its turn came
        self.replicas: dict[str, ReplicaMetrics] = {}
        self.calls: dict[str, CallMetrics] = {}  # by the model that it called

    def took(self, seconds: float, count: int) -> None:
        """So many inputs were answered, each so long after it came."""
        self.answered += count
        self.latency.observe(seconds, count)

    def ran(self, size: int, seconds: float, now: float) -> None:
        """A batch of so many inputs was answered, and took its replica so long."""
        self.compute.observe(seconds)
        count, total = self.computed.get(size, (0, 0.0))
        self.computed[size] = count + 1, total + seconds
        self.last_at = now
