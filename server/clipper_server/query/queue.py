"""The queue of one model version: earliest deadline first, pulled by the replicas' free credits.

A batch is formed only when a replica has a credit, so the backlog stays where it can be reordered.
Everything runs on the event loop: no locks, no polling.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from clipper_container.wire import Fault

from ..snapshot import VersionSpec
from .batching import BatchPolicy, policy_for
from .task import Task


class Puller(Protocol):
    """What the queue needs of a replica."""

    credits: int

    def send(self, tasks: list[Task]) -> None: ...


class ModelQueue:
    """Tasks that wait for one version of one model, and the replicas that serve it."""

    def __init__(self, spec: VersionSpec, loop: asyncio.AbstractEventLoop) -> None:
        self.configure(spec)
        self.ready: list[Puller] = []
        self.starting = 0  # replicas that have said hello and still load their model
        self._loop = loop
        self._heap: list[tuple[float, int, Task]] = []
        self._sequence = itertools.count()
        self._pump_is_due = False

    def configure(self, spec: VersionSpec) -> None:
        self.spec = spec
        self.policy: BatchPolicy = policy_for(spec.batch_size)

    def put(self, task: Task) -> None:
        if self.spec.num_replicas == 0 and not self.ready and not self.starting:
            task.finish(self._no_replicas())
            return
        heapq.heappush(self._heap, (task.deadline, next(self._sequence), task))
        self.pump_soon()

    def pump_soon(self) -> None:
        """Form batches once all that came in this turn of the event loop is in the queue."""
        if not self._pump_is_due:
            self._pump_is_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_is_due = False
        while self._heap and (replica := max(self.ready, key=_credits, default=None)):
            if replica.credits == 0:
                return
            if batch := self._take():
                replica.send(batch)
                # Of equally idle replicas the one that has waited longest is next.
                self.ready.remove(replica)
                self.ready.append(replica)

    def _take(self) -> list[Task]:
        """The most urgent tasks that still wait for an answer, as many as the policy allows."""
        batch: list[Task] = []
        limit = 1
        while self._heap and len(batch) < limit:
            deadline, _, task = heapq.heappop(self._heap)
            if task.done.done():
                continue
            if not batch:
                limit = self.policy.limit(deadline - self._loop.time())
            batch.append(task)
        return batch

    def lost(self, tasks: list[Task]) -> None:
        """A replica died with these tasks. Each gets one more try while its deadline allows."""
        for task in tasks:
            task.losses += 1
            if task.losses > 1:
                task.finish(
                    Fault("replica_lost", f"Two replicas of {self} died with this query. See their logs.")
                )
            elif not task.done.done():
                self.put(task)

    def expire(self, task: Task) -> None:
        """The deadline has come: say why there is no answer."""
        if self.ready:
            reason = Fault("deadline", f"{self} did not answer within the latency objective.")
        elif self.starting:
            reason = Fault("starting", f"The replicas of {self} are still loading the model.")
        else:
            reason = self._no_replicas()
        task.finish(reason)
        while self._heap and self._heap[0][2].done.done():
            heapq.heappop(self._heap)

    def close(self, why: str) -> None:
        """The version is no longer served: answer all that wait."""
        for _, _, task in self._heap:
            task.finish(Fault("no_replicas", why))
        self._heap.clear()

    def _no_replicas(self) -> Fault:
        return Fault(
            "no_replicas",
            f"{self} has no running replica. See its logs, or scale it up with set_num_replicas.",
        )

    def __len__(self) -> int:
        return len(self._heap)

    def __str__(self) -> str:
        return f"{self.spec.model}:{self.spec.version}"


_credits: Callable[[Puller], int] = lambda replica: replica.credits  # noqa: E731
