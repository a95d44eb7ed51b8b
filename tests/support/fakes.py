"""Stand-ins for parts that a test leaves out. Each says what it leaves out."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections import deque
from collections.abc import Callable

import msgspec

from clipper_container.credits import credits_for
from clipper_container.errors import BadRequest, ClusterError, DeployError
from clipper_container.resources import Resources
from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.places import Runtime, Spec, Status
from clipper_server.query.batching import Way, way_of
from clipper_server.query.cache import Cache
from clipper_server.query.configuration import Configuration
from clipper_server.query.latencies import Latencies
from clipper_server.query.metrics import VersionMetrics
from clipper_server.query.missing import why_late
from clipper_server.query.policies import Arm
from clipper_server.query.queue import ModelQueue
from clipper_server.query.task import Dispatch, Outcome, Task
from clipper_server.snapshot import BatchingSpec, Snapshot, VersionSpec


def version_spec(**changes: object) -> VersionSpec:
    fields: dict[str, object] = {
        "model": "m",
        "version": "1",
        "input_type": "doubles",
        "credential": "",
        "num_replicas": 1,
    }
    return VersionSpec(**{**fields, **changes})  # type: ignore[arg-type]


def with_a_cache(configuration: Configuration) -> Snapshot:
    """What it serves, with a prediction cache for inputs of up to 100 bytes."""
    before = configuration.snapshot
    assert before is not None
    versions = [msgspec.structs.replace(version, max_cached_input=100) for version in before.versions]
    revision = before.revision + 1
    return msgspec.structs.replace(before, revision=revision, cache_size=1 << 20, versions=versions)


def fixed(size: int, delay_micros: int = 0) -> BatchingSpec:
    return BatchingSpec("fixed", size, delay_micros)


def new_queue(
    cache: Cache | None = None, wake: Callable[[], None] = lambda: None, **changes: object
) -> ModelQueue:
    loop = asyncio.get_running_loop()
    cache = Cache() if cache is None else cache
    return ModelQueue(version_spec(**changes), loop, loop.time, cache, VersionMetrics(), wake)


class Able:
    """Which arms are able, by their names; all, where nothing is said."""

    _turns = itertools.count()

    def __init__(self, which: Callable[[str], bool] = lambda _name: True) -> None:
        self.turn = next(self._turns)
        self._which = which

    def __call__(self, arm: Arm) -> bool:
        return self._which(arm.name)


class Asker:
    """Waits for one task, as a query does, and leaves at its deadline."""

    def __init__(
        self, queue: ModelQueue, name: str, objective_s: float, *, key: object = None, put: bool = True
    ) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Outcome] = loop.create_future()
        tensor = Tensor(name.encode(), (len(name),), "str")
        self.task = Task(queue, tensor, False, loop.time(), loop.time() + objective_s, key)
        self.task.add(self)
        loop.call_at(self.task.deadline, self.expire)
        if put:
            queue.put(self.task, loop.time())

    def settled(self, count: int = 1) -> None:
        assert self.task.outcome is not None
        assert not self.done.done(), "it was answered twice"
        self.done.set_result(self.task.outcome)

    def expire(self) -> None:
        if not self.done.done():
            task = self.task
            task.leave(self)
            now = asyncio.get_running_loop().time()
            self.done.set_result(why_late(task, task.entered_at, task.deadline, now))

    @property
    def fault(self) -> Fault:
        outcome = self.done.result()
        assert isinstance(outcome, Fault), f"it has the output {outcome!r}"
        return outcome


class FakeReplica:
    """A replica without a wire: answers each input with itself, `cost_s(size)` seconds after it begins.

    `answer` may give other outcomes, or a fault for the whole batch.
    """

    def __init__(
        self,
        queue: ModelQueue,
        cost_s: float | Callable[[int], float] = 0.01,
        credits: int = 2,
        measured: list[tuple[float, float]] | None = None,
        answer: Callable[[list[bytes]], list[Outcome] | Fault] | None = None,
        name: str = "0",
    ) -> None:
        self.name = name
        self.concurrency = queue.spec.concurrency
        self.credits = credits if self.concurrency == 1 else credits_for(self.concurrency)
        self.in_flight: deque[Dispatch] = deque()
        self.free_at = 0.0
        self.replied_at = 0.0
        self.latencies = Latencies(self.concurrency)
        self.table = self.latencies.at(1)
        self.way: Way = way_of(BatchingSpec())
        self.batches: list[list[str]] = []
        self.dispatches: list[Dispatch] = []
        self.asked = 0
        self.asking = False
        self.alive = True
        self.cost_s = cost_s if callable(cost_s) else lambda _size: cost_s
        self._answer = answer or (lambda inputs: list(inputs))
        self._queue = queue
        self._busy_until = 0.0
        queue.join(self, measured or [])

    def send(self, dispatch: Dispatch) -> None:
        loop = asyncio.get_running_loop()
        assert self.credits > 0, "a batch was sent without a credit"
        self.credits -= 1
        self.batches.append([bytes(task.tensor.data).decode("latin-1") for task in dispatch.tasks])
        self.dispatches.append(dispatch)
        self.in_flight.append(dispatch)
        inputs = [bytes(task.tensor.data) for task in dispatch.tasks]
        cost_s = self.cost_s(dispatch.size)
        if self.concurrency > 1:  # and it waits: for so many at once as for one
            dispatch.at_once = len(self.in_flight)
            loop.call_later(cost_s, self._reply, dispatch, inputs, cost_s)
            return
        self._busy_until = max(self._busy_until, loop.time()) + cost_s
        loop.call_at(self._busy_until, self._reply, dispatch, inputs, cost_s)

    def ask_for_credit(self) -> None:
        self.asked += not self.asking
        self.asking = True

    def _reply(self, dispatch: Dispatch, inputs: list[bytes], cost_s: float) -> None:
        if not self.alive:
            return
        assert self.concurrency > 1 or self.in_flight[0] is dispatch
        del self.in_flight[next(i for i, each in enumerate(self.in_flight) if each is dispatch)]
        dispatch.replied_at = asyncio.get_running_loop().time()
        dispatch.compute_s = cost_s
        self.credits += 1
        self.asking = False
        self._queue.answered(self, dispatch, self._answer(inputs))

    def die(self) -> None:
        """As when its connection is lost."""
        self.alive = False
        self._queue.leave(self)
        lost = list(self.in_flight)
        self.in_flight.clear()
        self._queue.lost(lost)


class FakeManager:
    """A container manager that runs nothing: the test says what becomes of what it starts."""

    def __init__(self) -> None:
        self.running: dict[str, Status] = {}
        self.started: list[str] = []
        self.killed: list[str] = []
        self.unprepared = ""  # why nothing can be prepared, ...
        self.broken = ""  # ... and why nothing can be started

    def check(self, resources: Resources, runtime: Runtime) -> None:
        if resources.gpus:
            raise BadRequest("This machine has no GPU.")

    async def prepare(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        if self.unprepared:
            raise DeployError(self.unprepared)

    async def log(self, name: str, after: int) -> tuple[str, int]:
        return "", 0

    async def start(self, spec: Spec) -> None:
        if self.broken:
            raise ClusterError(self.broken)
        self.started.append(spec.name)
        self.running[spec.name] = Status(spec.name, spec.kind, spec.labels, 1, None, "")

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        if at_once:
            self.killed.append(name)
        self.exit(name, 0)

    def exit(self, name: str, code: int, words: str = "") -> None:
        self.running[name] = dataclasses.replace(self.running[name], exit_code=code, last_words=words)

    async def poll(self) -> list[Status]:
        return list(self.running.values())

    async def forget(self, name: str) -> None:
        del self.running[name]

    async def logs(self) -> dict[str, str]:
        return {}
