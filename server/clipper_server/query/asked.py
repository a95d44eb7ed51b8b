"""Inputs are asked of a version: the cache knows one, it is under way already, or it waits for a replica."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clipper_container.tensors import Tensor

from .cache import Cache
from .queue import ModelQueue
from .task import Task, Waiter, patience_of


class Asking(Waiter, Protocol):
    """Who asks, and waits."""

    received_at: float
    deadline: float

    def awaits(self, tasks: Sequence[Task]) -> None:
        """These are new, and it waits for them."""

    def joins(self, task: Task) -> None:
        """Another one has asked the same before, and it is to wait for that."""


def ask(asking: Asking, cache: Cache, queue: ModelQueue, tensor: Tensor, raw: bool, cached: bool) -> Task:
    """As `ask_all`, for one input."""
    return ask_all(asking, cache, queue, (tensor,), raw, cached)[0]


def ask_all(
    asking: Asking, cache: Cache, queue: ModelQueue, tensors: Sequence[Tensor], raw: bool, cached: bool
) -> list[Task]:
    """A task for each, perhaps with its outcome. Where `cached`, the cache is asked and filled."""
    at, deadline = asking.received_at, asking.deadline
    objective_s = deadline - at
    patience = patience_of(objective_s)
    waiters = (asking,)
    if not cache.size:
        new = [
            Task(queue, tensor, raw, at, deadline, None, "off", waiters, deadline, objective_s, patience)
            for tensor in tensors
        ]
        asking.awaits(new)
        queue.put_all(new, at)
        return new
    found: list[Task] = []
    new = []
    try:
        for tensor in tensors:
            key = cache.key(queue.id, tensor, raw, queue.spec.max_cached_input)
            task = Task(
                queue, tensor, raw, at, deadline, key, "off", waiters, deadline, objective_s, patience
            )
            if key is None or not cached:
                new.append(task)
            elif (pending := cache.pending(key)) is not None:
                queue.metrics.joined += 1
                queue.hurry(pending, deadline)
                asking.joins(pending)
                task = pending
            elif (output := cache.output(key)) is not None:
                queue.metrics.hits += 1
                task.cache, task.outcome, task.waiters = "hit", output, ()
            else:
                task.cache = "miss"
                cache.expect(key, task)
                new.append(task)
            queue.metrics.lookups += cached and key is not None
            found.append(task)
    finally:  # others may wait for these by now
        if new:
            asking.awaits(new)
            queue.put_all(new, at)
    return found
