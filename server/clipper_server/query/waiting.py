"""The tasks that wait for a replica, earliest deadline first, and how much they are."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict

from .task import Task

_GARBAGE = 64  # entries of tasks that wait no more, beside as many as do, before the heap is cleaned


class Waiting:
    """A heap of tasks. One that somebody no longer waits for leaves at once, its entry some time later."""

    def __init__(self) -> None:
        self.count = 0
        self.cost = 0.0
        self.bytes = 0
        self._heap: list[tuple[float, int, Task]] = []
        self._sequence = itertools.count()
        self._cost_by_patience: defaultdict[int, float] = defaultdict(float)

    def push(self, task: Task) -> None:
        task.queued = True
        self._count(task, 1)
        if len(self._heap) > 2 * self.count + _GARBAGE:
            self._heap = [entry for entry in self._heap if entry[2].queued]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (task.deadline, next(self._sequence), task))

    def hurry(self, task: Task, deadline: float) -> None:
        """Its deadline is earlier than it was."""
        task.deadline = deadline
        heapq.heappush(self._heap, (deadline, next(self._sequence), task))

    def head(self) -> Task | None:
        """The most urgent one."""
        heap = self._heap
        while heap and not heap[0][2].queued:
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def remove(self, task: Task) -> None:
        task.queued = False
        self._count(task, -1)

    def clear(self) -> list[Task]:
        """Remove all."""
        tasks = [task for _, _, task in self._heap if task.queued]
        self._heap.clear()
        return tasks

    def cost_before(self, patience: int) -> float:
        """The cost of what goes before a task that came now.

        Who is less patient goes first, and who is as patient came first.
        """
        return sum(cost for other, cost in self._cost_by_patience.items() if other <= patience)

    def _count(self, task: Task, by: int) -> None:
        self.count += by
        self.cost += by * task.cost
        self.bytes += by * len(task.tensor.data)
        self._cost_by_patience[task.patience] += by * task.cost
        if not self.count:
            # Sums of floats drift: begin anew.
            self.cost = 0.0
            self._cost_by_patience.clear()

    def __len__(self) -> int:
        return len(self._heap)
