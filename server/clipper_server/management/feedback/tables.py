"""The rows that frontends decide by, each with the epoch in which it was made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from ...changes import Changes
from ...feedback import Row, Tables

MAX_GONE = 10_000
"""Rows that are no more, for those who have not heard of it."""


class Published:
    """`began` is the first epoch of this process: who has an older one gets all."""

    def __init__(self, began: int, rows: Iterable[Row], changes: Changes) -> None:
        self.epoch = self._known = began
        self._changes = changes
        self._rows: OrderedDict[tuple[str, str], tuple[int, Row]] = OrderedDict()  # the newest at the end
        self._gone = 0
        for row in rows:
            self._rows[row.application, row.context] = began, row

    def publish(self, epoch: int, rows: Iterable[Row]) -> None:
        """These are new."""
        for row in rows:
            key = row.application, row.context
            before = self._rows.pop(key, None)
            self._gone += (not row.weights) - (before is not None and not before[1].weights)
            self._rows[key] = epoch, row
        self.epoch = epoch
        while self._gone > MAX_GONE:
            key, (old, _) = next(each for each in self._rows.items() if not each[1][1].weights)
            del self._rows[key]
            self._gone -= 1
            self._known = max(self._known, old)
        self._changes.notify()

    def after(self, epoch: int) -> Tables:
        """What is new since that epoch; all, where nobody knows it any more."""
        if not self._known <= epoch <= self.epoch:
            return Tables(self.epoch, True, [row for _, row in self._rows.values() if row.weights])
        rows: list[Row] = []
        for made, row in reversed(self._rows.values()):
            if made <= epoch:
                break
            rows.append(row)
        return Tables(self.epoch, False, rows)

    async def wait(self, epoch: int, wait_s: float) -> Tables:
        """The same, at once where it is another epoch, or after `wait_s` seconds."""
        await self._changes.wait_for(lambda: self.epoch != epoch, wait_s)
        return self.after(epoch)

    def row(self, application: str, context: str = "") -> dict[str, float]:
        found = self._rows.get((application, context))
        return {} if found is None else found[1].weights
