"""Models are asked again, through the cache, for an output that feedback has to be compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from ..application import Application
from ..feedback.answered import Raw
from ..queue import ModelQueue
from ..task import Task

Outputs = tuple[bytes | Raw | None, ...]


class Again:
    """One input on its way through one or several versions, for as long as the application's objective.

    `done` gets what each of them said, in their order; None of those that did not. Perhaps at once.
    """

    __slots__ = ("_done", "_missing", "_tasks", "deadline", "finished")

    def __init__(
        self,
        application: Application,
        queues: Sequence[ModelQueue | None],
        tensor: Tensor,
        raw: bool,
        done: Callable[[Outputs], None],
    ) -> None:
        parts = application.parts
        now = parts.clock()
        self.deadline = now + application.objective_s
        self.finished = False
        self._done = done
        self._missing = 1
        self._tasks: list[Task | None] = []
        for queue in queues:
            task = (
                None
                if queue is None
                else self._ask(application, queue, Task(queue, tensor, raw, now, self.deadline))
            )
            self._tasks.append(task)
        self._missing -= 1
        if self._missing:
            parts.deadlines.watch(self)
        else:
            self.expire()

    def _ask(self, application: Application, queue: ModelQueue, task: Task) -> Task:
        cache = application.parts.cache
        key = cache.key(queue.id, task.tensor, task.raw, queue.spec.max_cached_input)
        if key is not None:
            queue.metrics.lookups += 1
            if (output := cache.output(key)) is not None:
                queue.metrics.hits += 1
                task.outcome = output
                return task
            if (pending := cache.pending(key)) is not None:
                queue.metrics.joined += 1
                queue.hurry(pending, self.deadline)
                self._missing += 1
                pending.add(self)
                return pending
            task.key = key
            cache.expect(key, task)
        self._missing += 1
        task.add(self)
        queue.put(task, task.entered_at)
        return task

    def settled(self, count: int = 1) -> None:
        self._missing -= count
        if not self._missing and not self.finished:
            self.expire()

    def expire(self) -> None:
        """All is there, or it is late."""
        self.finished = True
        self._done(tuple([None if task is None else self._said(task) for task in self._tasks]))

    def _said(self, task: Task) -> bytes | Raw | None:
        outcome = task.outcome
        if outcome is None:
            task.leave(self)
            return None
        if isinstance(outcome, Fault):
            return None
        if isinstance(outcome, Tensor):
            return Raw(bytes(outcome.data), outcome.shape, outcome.dtype)
        return outcome
