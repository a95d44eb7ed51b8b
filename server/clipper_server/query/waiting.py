"""The tasks that wait for a replica, earliest deadline first, and how much they are."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Sequence

from .task import Task

_GARBAGE = 64  # tasks that wait no more, beside as many as do, before the heap is cleaned


class Waiting:
    """A heap of runs: tasks that came together, of one deadline, the last one first.

    A task that somebody no longer waits for leaves at once, and its place in the heap some time later.
    """

    def __init__(self) -> None:
        self.count = 0
        self.cost = 0.0
        self.bytes = 0
        self._heap: list[tuple[float, int, list[Task]]] = []
        self._places = 0  # in the runs of the heap
        self._sequence = itertools.count()
        self._cost_by_patience: defaultdict[int, float] = defaultdict(float)

    def words(self) -> str:
        """How many they are."""
        return "a query waits" if self.count == 1 else f"{self.count} queries wait"

    def push(self, task: Task) -> None:
        task.queued = True
        self.count += 1
        self.cost += task.cost
        self.bytes += len(task.tensor.data)
        self._cost_by_patience[task.patience] += task.cost
        self._add(task.deadline, [task])

    def push_all(self, tasks: Sequence[Task], size: int) -> None:
        """They came together, cost 1 each, and have so many bytes together."""
        for task in tasks:
            task.queued = True
        self.count += len(tasks)
        self.cost += len(tasks)
        self.bytes += size
        self._cost_by_patience[tasks[0].patience] += len(tasks)
        self._add(tasks[0].deadline, [*reversed(tasks)])

    def _add(self, deadline: float, run: list[Task]) -> None:
        if self._places > 2 * self.count + _GARBAGE:
            self._clean()
        self._places += len(run)
        heapq.heappush(self._heap, (deadline, next(self._sequence), run))

    def hurry(self, task: Task, deadline: float) -> None:
        """Its deadline is earlier than it was."""
        task.deadline = deadline
        self._add(deadline, [task])

    def head(self) -> Task | None:
        """The most urgent one."""
        heap = self._heap
        while heap:
            run = heap[0][2]
            while run:
                if run[-1].queued:
                    return run[-1]
                run.pop()
                self._places -= 1
            heapq.heappop(heap)
        return None

    def take(self, cost: float, count: int, size: int) -> list[Task]:
        """Remove the most urgent ones: as many as fit into this cost, number and bytes; one at least."""
        taken: list[Task] = []
        heap = self._heap
        of_cost, of_size = 0.0, 0
        while heap and len(taken) < count:
            run = heap[0][2]
            before, passed = of_cost, 0
            for task in reversed(run):
                if task.queued:
                    if taken and (of_cost + task.cost > cost or of_size + len(task.tensor.data) > size):
                        count = 0
                        break
                    of_cost += task.cost
                    of_size += len(task.tensor.data)
                    task.queued = False
                    taken.append(task)
                passed += 1
                if len(taken) == count:
                    break
            self._places -= passed
            self._cost_by_patience[run[0].patience] -= of_cost - before
            if passed == len(run):
                heapq.heappop(heap)
            else:
                del run[len(run) - passed :]
        self._subtract(len(taken), of_cost, of_size)
        return taken

    def remove(self, task: Task) -> None:
        task.queued = False
        self._cost_by_patience[task.patience] -= task.cost
        self._subtract(1, task.cost, len(task.tensor.data))

    def clear(self) -> list[Task]:
        """Remove all."""
        tasks = [task for _, _, run in self._heap for task in reversed(run) if task.queued]
        self._heap.clear()
        self._places = 0
        return tasks

    def cost_before(self, patience: int) -> float:
        """The cost of what goes before a task that came now.

        Who is less patient goes first, and who is as patient came first.
        """
        return sum(cost for other, cost in self._cost_by_patience.items() if other <= patience)

    def _clean(self) -> None:
        runs = [(deadline, turn, [task for task in run if task.queued]) for deadline, turn, run in self._heap]
        self._heap = [entry for entry in runs if entry[2]]
        self._places = sum(len(run) for _, _, run in self._heap)
        heapq.heapify(self._heap)

    def _subtract(self, count: int, cost: float, size: int) -> None:
        self.count -= count
        self.cost -= cost
        self.bytes -= size
        if not self.count:
            # Sums of floats drift: begin anew.
            self.cost = 0.0
            self._cost_by_patience.clear()

    def __len__(self) -> int:
        return self._places
