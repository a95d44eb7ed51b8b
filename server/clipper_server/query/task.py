"""One input on its way through one model version, the batch that it went in, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence, Sized
from typing import Any, Protocol

import msgspec

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

log = logging.getLogger(__name__)

Output = bytes | Tensor
"""A JSON text, or a raw tensor where one was asked for."""

Outcome = Output | Fault
"""An output, or the reason why there is none and a sentence about it."""

NOT_NEEDED = "not_needed"
NO_TIME = "no_time"
ELSEWHERE = ("overload", "starting", "no_replicas", "low_confidence", NOT_NEEDED, NO_TIME)
"""Reasons for having no output that are no error of the model: it was not asked, or nobody waited for it."""

GONE = Tensor(b"", (), "")


class Waiter(Protocol):
    def settled(self, count: int = 1) -> None:
        """So many of the tasks that it waits for have their outcomes."""


class Queue(Protocol):
    """What a task, and who waits for it, need of its version's queue: of its replicas those that are `ready`,
    how many are `starting`, and whether it is `waking`.
    """

    name: str
    starting: int

    @property
    def ready(self) -> Sized: ...
    @property
    def waking(self) -> object: ...

    def settle(self, task: Task, outcome: Outcome) -> None:
        """The task has its outcome."""

    def abandon(self, task: Task) -> None:
        """Nobody waits for it any more, and its turn has not come."""


class Search(Protocol):
    """A search for the bad input of a batch: what was run passed, or it failed again."""

    fault: Fault

    def next(self) -> list[Task]: ...

    def passed(self) -> None: ...

    def failed(self, fault: Fault) -> None: ...

    def give_up(self) -> None: ...


class Dispatch(msgspec.Struct, gc=False, eq=False):
    """A batch that was sent to a replica, and why. Times are in seconds, on the frontend's clock.

    Traces keep thousands of them. So they, and traces, are not the garbage collector's to look through;
    `tasks` is emptied in the end, and leaves no cycle.
    """

    tasks: Sequence[Task]
    cost: float
    limit: float
    reason: str
    sent_at: float
    size: int = 0
    at_once: int = 1  # that its replica worked on, this one included
    replica: str = ""
    was_idle: bool = False
    predicted_s: float | None = None
    search: Search | None = None  # ... for a bad input, of which it is a part
    alone: bool = False  # it may kill its replica, and shares it with nothing
    replied_at: float | None = None
    compute_s: float | None = None
    partial: bool = False  # defaults stand in it for what was called
    calls: list[Any] | None = None  # what it called, as legs of its traces

    def __post_init__(self) -> None:
        self.size = len(self.tasks)


class Task(msgspec.Struct, eq=False):
    """`deadline` is that of the most urgent query that waits for it, `latest` that of the most patient.

    `raw` asks for the output as a tensor. `key` is its place in the cache, where it has one. `waiters` are
    the same object where tasks have the same ones, so that these are told once of all of them.
    """

    queue: Queue
    tensor: Tensor
    raw: bool
    entered_at: float
    deadline: float
    key: object = None
    cache: str = "off"  # what the cache knew: hit, miss, or nothing, as it is off for this input
    waiters: Collection[Waiter] = ()
    latest: float = 0.0
    objective_s: float = 0.0
    patience: int = -1
    cost: float = 1.0
    outcome: Outcome | None = None
    queued: bool = False  # it waits for a replica
    dispatch: Dispatch | None = None  # the last one
    losses: int = 0  # replicas that died while they computed it

    def __post_init__(self) -> None:
        if self.patience < 0:
            self.latest = self.deadline
            self.objective_s = self.deadline - self.entered_at
            self.patience = patience_of(self.objective_s)

    def add(self, waiter: Waiter) -> None:
        """One more waits for it."""
        if isinstance(self.waiters, set):
            self.waiters.add(waiter)
        else:
            self.waiters = {*self.waiters, waiter} if self.waiters else (waiter,)

    def leave(self, waiter: Waiter) -> None:
        """The query does not wait any more. Work that nobody waits for is not begun."""
        if isinstance(self.waiters, set):
            self.waiters.discard(waiter)
        elif waiter in self.waiters:
            self.waiters = ()
        if self.queued and not self.waiters:
            self.queue.abandon(self)


def tell(waiters: Collection[Waiter], count: int, of: Queue) -> None:
    """Those who waited for so many tasks of a queue, which have their outcomes."""
    for waiter in waiters:
        try:
            waiter.settled(count)
        except Exception:  # whoever else waits, and the replica that answered, have no part in it
            log.exception("a query that waited for %s cannot take its outcome", of.name)


def patience_of(objective_s: float) -> int:
    """Objectives by the octave, in milliseconds."""
    return int(1000 * objective_s).bit_length()
