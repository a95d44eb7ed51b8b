"""Admission: whether a query that comes now can be answered in time, with all that is ahead of it."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from typing import Protocol

from .batching import Way
from .latency import LatencyTable
from .task import Task, patience_of
from .waiting import Waiting

MAX_WAITING = 20_000  # inputs
MAX_WAITING_BYTES = 512 << 20
LOOKED_AT = 64  # of the replicas: as many others are taken to be like these
KEPT_S = 5e-3  # what a close look found, while batches are answered: each teaches but little
SAFE = 0.9  # of the time that is left is what predictions may fill: they are not exact


class Server(Protocol):
    """What admission needs to know of a replica."""

    concurrency: int

    @property
    def in_flight(self) -> Sized: ...

    free_at: float
    table: LatencyTable
    way: Way


class Admission:
    """Looks at what waits and at what serves it. Both change under its eyes."""

    def __init__(self, waiting: Waiting, servers: Sequence[Server]) -> None:
        self.most = MAX_WAITING
        self._waiting = waiting
        self._servers = servers
        self._room: dict[int, float] = {}  # by patience: with so much waiting, no closer look is needed
        self._kept_until = 0.0

    def refusal(self, task: Task, now: float) -> str | None:
        """Why the task would wait in vain; None where it would not."""
        waiting = self._waiting
        if waiting.count >= self.most or waiting.bytes >= MAX_WAITING_BYTES:
            return f"takes no more: {waiting.words()} already"
        if waiting.cost < self._room.get(task.patience, 0.0):
            return None
        wait_s = self.wait_s(task.objective_s, now)
        left_s = task.deadline - now
        if wait_s is None or wait_s <= SAFE * left_s:
            return None
        if waiting.cost < self._room[task.patience]:
            return None
        return (
            f"is overloaded: {waiting.words()}, and this one would be answered in about "
            f"{1000 * wait_s:.0f} ms. Predictions are not exact, and may fill {100 * SAFE:.0f} % of the "
            f"{1000 * left_s:.0f} ms that it has. More replicas would help"
        )

    def all_fit(self, tasks: Sequence[Task], size: int, now: float) -> bool:
        """Whether none of these would be refused, which came together, cost 1 each, and have so many bytes
        together. If not, each is to be looked at.
        """
        waiting, first = self._waiting, tasks[0]
        if waiting.count + len(tasks) > self.most or waiting.bytes + size > MAX_WAITING_BYTES:
            return False
        if first.patience not in self._room and self.wait_s(first.objective_s, now) is None:
            return True
        return waiting.cost + len(tasks) <= self._room[first.patience]

    def wait_s(self, objective_s: float, now: float) -> float | None:
        """In how long a query with such an objective would be answered; None where nobody knows."""
        if not self._servers:
            return None
        patience = patience_of(objective_s)
        ahead = self._waiting.cost_before(patience)
        rate = first = 0.0
        own_s = soonest = math.inf
        for server in self._servers[:LOOKED_AT]:
            steady = max(1.0, server.way.steady(server.table, objective_s))
            steady_s, lone_s = server.table.mean(steady), server.table.alone_s
            if steady_s is None or lone_s is None:
                return None
            rate += server.concurrency * steady / steady_s
            first += max(1, server.concurrency - len(server.in_flight)) * steady
            # What fits into the next batch costs it little. What does not will be in a full one.
            own_s = min(own_s, lone_s if ahead + 1 <= steady else steady_s)
            soonest = min(soonest, max(0.0, server.free_at - now))
        share = min(1.0, LOOKED_AT / len(self._servers))
        rate, first = rate / share, first / share
        # What fits into the next batches waits for no other, and costs them little: it is never too much.
        self._room[patience] = max(first - 1, rate * objective_s / 2 - 2 * first)
        return soonest + max(0.0, ahead + 1 - first) / rate + own_s

    def changed(self, now: float) -> None:
        """Something was learned of the replicas."""
        if now >= self._kept_until:
            self._kept_until = now + KEPT_S
            self._room.clear()
