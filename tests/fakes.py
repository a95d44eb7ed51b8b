"""Stand-ins for parts that a test leaves out. Each says what it leaves out."""

from __future__ import annotations

import asyncio
import dataclasses

from clipper_container.inputs import Tensor
from clipper_server.management.containers import Spec, Status
from clipper_server.query.queue import ModelQueue
from clipper_server.query.task import Task
from clipper_server.snapshot import VersionSpec


def version_spec(**changes: object) -> VersionSpec:
    fields: dict[str, object] = {
        "model": "m",
        "version": "1",
        "input_type": "doubles",
        "credential": "",
        "num_replicas": 1,
        "batch_size": -1,
    }
    return VersionSpec(**{**fields, **changes})  # type: ignore[arg-type]


def make_task(name: str, deadline: float) -> Task:
    return Task(Tensor(name.encode(), (len(name),)), deadline, asyncio.get_running_loop().create_future())


class FakeReplica:
    """A replica without a wire: answers each input with itself, `cost_s` seconds after it begins."""

    def __init__(self, queue: ModelQueue, cost_s: float = 0.01, credits: int = 2) -> None:
        self.credits = credits
        self.batches: list[list[str]] = []
        self.in_flight: list[list[Task]] = []
        self._queue = queue
        self._cost_s = cost_s
        self._free_at = 0.0
        queue.ready.append(self)

    def send(self, tasks: list[Task]) -> None:
        loop = asyncio.get_running_loop()
        self.credits -= 1
        self.batches.append([task.tensor.data.decode("latin-1") for task in tasks])
        self.in_flight.append(tasks)
        self._free_at = max(self._free_at, loop.time()) + self._cost_s
        loop.call_at(self._free_at, self._reply, tasks)

    def _reply(self, tasks: list[Task]) -> None:
        if tasks not in self.in_flight:
            return
        self.in_flight.remove(tasks)
        for task in tasks:
            task.finish(task.tensor.data)
        self.credits += 1
        self._queue.pump_soon()

    def die(self) -> None:
        """As when its connection is lost."""
        self._queue.ready.remove(self)
        lost, self.in_flight = self.in_flight, []
        for tasks in lost:
            self._queue.lost(tasks)


class FakeManager:
    """A container manager that runs nothing: the test says what becomes of what it starts."""

    def __init__(self) -> None:
        self.running: dict[str, Status] = {}
        self.started: list[str] = []

    async def start(self, spec: Spec) -> None:
        self.started.append(spec.name)
        self.running[spec.name] = Status(spec.name, spec.kind, spec.labels, 1, None, "")

    async def stop(self, name: str) -> None:
        self.exit(name, 0)

    def exit(self, name: str, code: int, words: str = "") -> None:
        self.running[name] = dataclasses.replace(self.running[name], exit_code=code, last_words=words)

    async def poll(self) -> list[Status]:
        return list(self.running.values())

    async def forget(self, name: str) -> None:
        del self.running[name]

    async def logs(self) -> dict[str, str]:
        return {}
