"""A query whose arms are asked one after the other: each of its inputs goes as far as it has to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from .asked import ask
from .missing import why_unable
from .parts import Parts
from .policies import Stepping
from .query import Query
from .queue import ModelQueue
from .request import Request
from .slices import Steps, let_go
from .task import GONE, NO_TIME, Task


class Waiting(Protocol):
    """Who waits for the end of an input's way."""

    deadline: float
    finished: bool

    def settled(self, count: int = 1) -> None: ...


class Climb:
    """The way of one input from arm to arm. `tasks` are what was asked of these, in their order.

    One that was passed over is among them, with a fault that says why.
    """

    __slots__ = (
        *("tasks", "joined", "received_at", "deadline"),
        *("_query", "_parts", "_policy", "_queues", "_request", "_tensor", "_waits"),
    )

    def __init__(
        self,
        query: Waiting,
        parts: Parts,
        policy: Stepping,
        queues: Sequence[ModelQueue],
        request: Request,
        tensor: Tensor,
    ) -> None:
        self.tasks: list[Task] = []
        self.joined: list[Task] = []
        self.received_at = 0.0  # when the arm was asked that it waits for
        self.deadline = query.deadline
        self._query = query
        self._parts = parts
        self._policy = policy
        self._queues = queues
        self._request = request
        self._tensor = tensor
        self._waits = False

    def go_on(self) -> bool:
        """Ask arm after arm, until there is one to wait for, or no other is needed; whether it waits."""
        while not self._done():
            queue = self._queues[len(self.tasks)]
            self.received_at = now = self._parts.clock()
            why_not = self._why_not(queue, now)
            if why_not is not None:
                task = Task(queue, GONE, False, now, self.deadline)
                task.outcome = why_not
                self.tasks.append(task)
                continue
            request = self._request
            task = ask(self, self._parts.cache, queue, self._tensor, request.raw, request.cached)
            self.tasks.append(task)
            if task.outcome is None:
                self._waits = True
                return True
        self._tensor = GONE
        return False

    def _done(self) -> bool:
        """No other arm is left, or needed, or has the time."""
        tasks = self.tasks
        if not tasks or len(tasks) == len(self._queues):
            return bool(tasks) or not self._queues
        outcome = tasks[-1].outcome
        assert outcome is not None
        if isinstance(outcome, Fault):
            return outcome.reason == NO_TIME
        return self._policy.enough(tasks[-1].queue.name, outcome)

    def _why_not(self, queue: ModelQueue, now: float) -> Fault | None:
        """Why the arm is passed over; None where it is to be asked.

        Where no arm has answered and none is left, it is asked in any case.
        """
        answered = any(not isinstance(task.outcome, Fault) for task in self.tasks)
        if not answered and len(self.tasks) == len(self._queues) - 1:
            return None
        if not queue.able:
            return why_unable(queue)
        left_s = self.deadline - now
        takes_s = queue.takes_s(left_s, now)
        if not answered or takes_s is None or takes_s <= left_s or self._is_known(queue):
            return None
        message = (
            f"{queue} was not asked: it takes about {1000 * takes_s:.0f} ms, and "
            f"{1000 * left_s:.0f} ms were left."
        )
        return Fault(NO_TIME, message)

    def _is_known(self, queue: ModelQueue) -> bool:
        cache, request = self._parts.cache, self._request
        key = cache.key(queue.id, self._tensor, request.raw, queue.spec.max_cached_input)
        return request.cached and key is not None and cache.output(key) is not None

    def awaits(self, tasks: Sequence[Task]) -> None:
        """Nothing: it always waits for the last one of its own."""

    def joins(self, task: Task) -> None:
        self.joined.append(task)
        task.add(self)

    def settled(self, count: int = 1) -> None:
        if self._waits and not self._query.finished:  # else it was settled while it was asked
            self._waits = False
            if not self.go_on():
                self._query.settled()

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self._waits = False
        if self.tasks and self.tasks[-1].outcome is None:
            self.tasks[-1].leave(self)


class Cascading(Query):
    """Waits for the climbs of its inputs."""

    __slots__ = ("_climbs",)

    def __init__(self, *asked: Any) -> None:
        self._climbs: list[Climb] = []
        super().__init__(*asked)

    def _ask(self, request: Request, tensors: Sequence[Tensor]) -> None:
        assert isinstance(self._policy, Stepping)
        for tensor in tensors:
            climb = Climb(self, self.application.parts, self._policy, self._queues, request, tensor)
            self._climbs.append(climb)
            self._missing += climb.go_on()

    def _tasks_of(self, i: int) -> list[Task]:
        """What was asked for this input, for which nobody waits from now on."""
        if i >= len(self._climbs):  # at the deadline nothing was, yet
            return [Task(q, GONE, False, self.received_at, self.deadline) for q in self._queues[:1]]
        climb = self._climbs[i]
        climb.leave()
        if climb.joined:
            self._joined = self._joined or set()
            self._joined.update(climb.joined)
        return climb.tasks

    def _task_at(self, i: int, place: int) -> Task | None:
        tasks = self._climbs[i].tasks if i < len(self._climbs) else []
        return tasks[place] if place < len(tasks) else None

    def _finish(self, decided: bool = False) -> None:
        super()._finish(decided)
        if self._inputs == 1:
            self._climbs.clear()  # which breaks a cycle, as it does below

    def _answer(self) -> Steps[None]:
        yield from super()._answer()
        yield from let_go(self._climbs)

    def _let_go(self) -> Steps[None]:
        yield from super()._let_go()
        yield from let_go(self._climbs)
