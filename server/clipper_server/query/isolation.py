"""Finds the inputs that make a batch fail, by halving, so that one bad input costs one answer."""

from __future__ import annotations

from collections.abc import Sequence

from clipper_container.wire import Fault

from .task import Task

ISOLATES = {"model_error", "wrong_output_length"}
"""The faults that one input may have brought over a whole batch."""


class Isolation:
    """The search in one failed batch. `next` is to be run; then `passed` or `failed` is to be called.

    Half of the suspects are run: if they pass, the others are to blame; if they fail, the others are set
    aside, until one suspect fails alone. What was set aside is then run at once, for most often it was one
    input: then a batch of n takes log2(n) + 2 runs. There are twice as many for it at most; what is not
    cleared by then gets the fault.
    """

    def __init__(self, tasks: Sequence[Task], fault: Fault) -> None:
        self.fault = fault
        self.runs_left = 2 * ((len(tasks) - 1).bit_length() + 2)
        self._suspects = list(tasks)
        self._aside: list[Task] = []
        self._running: list[Task] = []

    def next(self) -> list[Task]:
        """The tasks to run now; none when the search is over."""
        self._suspects = [task for task in self._suspects if task.outcome is None]
        self._aside = [task for task in self._aside if task.outcome is None]
        if not self.runs_left:
            self.give_up()
        elif self._suspects:
            half = max(1, len(self._suspects) // 2)
            self._running, self._suspects = self._suspects[:half], self._suspects[half:]
        else:
            self._running, self._aside = self._aside, []
        self.runs_left -= bool(self._running)
        return self._running

    def passed(self) -> None:
        """What was run has its answers: one of the other suspects is to blame."""
        self._running = []

    def failed(self, fault: Fault) -> None:
        """What was run failed again."""
        self.fault = fault
        self._aside += self._suspects
        self._suspects, self._running = self._running, []
        if len(self._suspects) == 1:
            self._give_up(self._suspects)
            self._suspects = []

    def give_up(self) -> None:
        """Nothing will be run any more: what has no answer gets the fault."""
        self._give_up(self._running + self._suspects + self._aside)
        self._running, self._suspects, self._aside = [], [], []

    def _give_up(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            task.queue.settle(task, self.fault)
