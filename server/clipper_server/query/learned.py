"""What management has learned of feedback, as a query frontend has it.

It has no end: while management is down, the last that was heard goes on.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from ..feedback import Tables


class Known(NamedTuple):
    """Probabilities, or a vote's weights, by the arms' names, since that epoch; or what a query's numbers are
    worth with each, as `Row` has it.
    """

    epoch: int
    weights: dict[str, float]
    draws: dict[str, bytes] = {}  # noqa: RUF012 - nobody changes it


Rows = dict[str, Known]
"""Of one application, by context."""


class Learned:
    def __init__(self) -> None:
        self.epoch = -1
        self._rows: defaultdict[str, Rows] = defaultdict(dict)

    def of(self, application: str) -> Rows:
        """The rows of that application: always the same dict, which changes when something is heard."""
        return self._rows[application]

    def hear(self, tables: Tables) -> None:
        if tables.whole:
            for rows in self._rows.values():
                rows.clear()
        self.epoch = tables.epoch
        for row in tables.rows:
            if row.weights:
                self._rows[row.application][row.context] = Known(tables.epoch, *row[2:])
            else:
                self._rows[row.application].pop(row.context, None)
