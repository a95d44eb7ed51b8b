"""Tasks that are run again: in search of a bad input, or each alone after a replica died with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from clipper_container.wire import Fault

from .isolation import ISOLATES, Isolation
from .task import Dispatch, Outcome, Search, Task


class Retry(NamedTuple):
    tasks: list[Task]
    search: Search | None


class Retries:
    """Those of one queue, which are behind healthy traffic, and yet not starved by it.

    `settle` gives a task its outcome.
    """

    def __init__(self, settle: Callable[[Task, Outcome], None]) -> None:
        self._settle = settle
        self._waiting: deque[Retry] = deque()
        self.are_next = False  # others were last

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self, *, idle: bool) -> Retry | None:
        """The first; None where it wants its replica for itself, which is not idle."""
        tasks, search = self._waiting[0]
        if search is None and not idle and any(task.waiters for task in tasks):
            return None
        return self._waiting.popleft()

    def alone(self, task: Task) -> None:
        """It may have killed its replica."""
        self._waiting.append(Retry([task], None))

    def passed(self, dispatch: Dispatch) -> None:
        """Nothing in this batch is to blame, or it is not known."""
        if dispatch.search is not None:
            dispatch.search.passed()
            self._search_on(dispatch.search)

    def failed(self, dispatch: Dispatch, fault: Fault) -> None:
        """Look for the one that is to blame, where it may be one."""
        if dispatch.search is not None:
            dispatch.search.failed(fault)
            self._search_on(dispatch.search)
        elif len(dispatch.tasks) > 1 and fault.reason in ISOLATES:
            self._search_on(Isolation(dispatch.tasks, fault))
        else:
            for task in dispatch.tasks:
                self._settle(task, fault)

    def close(self, fault: Fault) -> None:
        """All that wait get this answer."""
        for tasks, search in self._waiting:
            for task in tasks:
                self._settle(task, fault)
            if search is not None:
                search.give_up()
        self._waiting.clear()

    def _search_on(self, search: Search) -> None:
        if tasks := search.next():
            self._waiting.append(Retry(tasks, search))
