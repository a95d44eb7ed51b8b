"""One input is asked of a version: the cache knows it, it is under way already, or it waits for a replica."""

from __future__ import annotations

from typing import Protocol

from clipper_container.inputs import Tensor

from .cache import Cache
from .queue import ModelQueue
from .task import Task, Waiter


class Asking(Waiter, Protocol):
    """Who asks, and waits."""

    received_at: float
    deadline: float

    def wait_for(self, task: Task) -> None: ...

    def joins(self, task: Task) -> None:
        """Another one has asked the same before."""


def ask(asking: Asking, cache: Cache, queue: ModelQueue, tensor: Tensor, raw: bool, cached: bool) -> Task:
    """Where `cached`, the cache is asked and filled. The task may have its outcome at once."""
    received_at, deadline = asking.received_at, asking.deadline
    key = cache.key(queue.id, tensor, raw, queue.spec.max_cached_input)
    if key is None or not cached:
        task = Task(queue, tensor, raw, received_at, deadline, key)
    else:
        queue.metrics.lookups += 1
        pending = cache.pending(key)
        if pending is not None:
            queue.metrics.joined += 1
            queue.hurry(pending, deadline)
            asking.joins(pending)
            asking.wait_for(pending)
            return pending
        task = Task(queue, tensor, raw, received_at, deadline, key)
        output = cache.output(key)
        if output is not None:
            queue.metrics.hits += 1
            task.cache = "hit"
            task.outcome = output
            return task
        task.cache = "miss"
        cache.expect(key, task)
    asking.wait_for(task)
    queue.put(task, received_at)
    return task
