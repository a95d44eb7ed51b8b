"""Management's side of feedback, in the event loop: deliveries in, tables out, and what is to be told."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

from ...changes import Changes
from ...feedback import Delivery, Receipt, Tables
from ...supervisor import sentence
from ..events import Events
from ..state import State
from . import metrics, plan
from .counts import Counts
from .keys import Keys
from .known import Learned
from .leaving import VOTE_EXPLORE, Leaving
from .plan import Plan
from .sides import Sides
from .sums import Sums
from .tables import Published
from .writer import Writer

EVERY_S = 0.25
SETTLE_EVERY_S = 1.0
TELL_AGAIN_S = 60.0
MAX_ROWS = 200
"""New ones, at a time."""
EPOCHS = 1000
"""So many are reserved at once, so that none comes twice, also after a crash."""

log = logging.getLogger(__name__)


class Feedback:
    """Its file is at `path`. `clock` is in seconds since 1970. `listeners` are told what comes of the sides
    of rollouts, once each.
    """

    def __init__(
        self,
        path: Path,
        state: State,
        changes: Changes,
        events: Events,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._changes = changes
        self._events = events
        self._clock = clock
        self._keys = Keys(state)
        self._sums = Sums(path, clock)
        self._epoch = self._sums.reserve(EPOCHS)
        self._reserved = self._epoch + EPOCHS
        self._plans = plan.of(state.applications(), state.current())
        rows = self._sums.published(self._plans, self._epoch)
        self._published = Published(self._epoch, rows, changes.beside())
        self._leaving = Leaving()
        self._revision = -1
        self._settle_at = -math.inf
        self._counts: dict[str, tuple[Counts, int]] = {}
        self._told: dict[str, tuple[int, float]] = {}  # of forgotten contexts: how many, and when
        self._failed_at: dict[str, float] = {}  # when it was told of each application
        self._regrets: dict[str, tuple[float, float]] = {}
        self._writer = Writer(self._sums)
        self.listeners: list[Callable[[Sides], None]] = []

    def close(self) -> None:
        self._writer.close()
        self._sums.close()

    async def take(self, frontend: str, delivery: Delivery) -> Receipt:
        """Returns when it is written. Raises sqlite3.Error where it cannot be."""
        await self._refresh()
        return await self._writer.take(frontend, delivery)

    async def tables(self, after: int, wait_s: float) -> Tables:
        """What is new since that epoch; waits up to `wait_s` seconds for it."""
        return await self._published.wait(after, wait_s)

    async def forget(self, application: str) -> None:
        """It is removed, with all that was learned of it."""
        await self._writer.call(lambda: self._sums.forget(application))

    def collect(self) -> None:
        """There are keys from now on, where an application collects feedback."""
        self._keys.look(self._clock())

    async def learned(self, application: str, most: int) -> tuple[int, Plan | None, Learned]:
        """The epoch, what the application wants, and what is known, as `Sums.learned` has it."""
        await self._refresh()
        found = await self._writer.call(lambda: self._sums.learned(application, most))
        return self._published.epoch, self._plans.get(application), found

    def regrets(self) -> dict[str, tuple[float, float]]:
        """As `Sums.regrets` has them, at the last look."""
        return self._regrets

    async def metrics(self) -> dict[str, str]:
        """The families by name, in Prometheus's format."""
        counts = await self._writer.call(self._sums.counts)
        return metrics.text(counts, self._published)

    async def turn(self) -> None:
        await self._changes.wait_for(lambda: self._state.revision != self._revision, EVERY_S)
        await self.look()

    async def look(self) -> None:
        """Make tables of what has come, and do what it is time for."""
        now = self._clock()
        if self._keys.look(now):
            self._changes.notify()
        await self._refresh()
        if self._plans and not now - self._settle_at < SETTLE_EVERY_S:
            self._settle_at = now
            await self._writer.call(self._sums.settle)
            self._tell_of_forgotten(await self._writer.call(self._sums.counts), now)
        if self._sums.sides:
            sides = await self._writer.call(self._sums.take_sides)
            for listener in self.listeners:
                listener(sides)
        if self._sums.due:
            self._regrets = await self._writer.call(self._sums.regrets)
            await self._publish()
        if self._sums.failed:
            self._tell_of_failed(await self._writer.call(self._sums.take_failed), now)

    async def _publish(self) -> None:
        epoch = self._epoch + 1
        if epoch >= self._reserved:
            await self._writer.call(lambda: self._sums.reserve(EPOCHS))
            self._reserved += EPOCHS
        rows = await self._writer.call(lambda: self._sums.rows(epoch, MAX_ROWS))
        if not rows:
            return
        self._epoch = epoch
        self._published.publish(epoch, [row for row, *_ in rows])
        for row, updates, least in rows:
            found = self._plans.get(row.application)
            learning = None if found is None else found.learning
            explore = getattr(learning, "explore", VOTE_EXPLORE)
            of = row.application, row.context, row.weights
            for text in self._leaving.see(*of, explore, updates, least):
                self._events.add("learned", text, application=row.application)

    async def _refresh(self) -> None:
        """What the state says now, it says to the sums, before anything else comes to them."""
        revision = self._state.revision
        if revision == self._revision:
            return
        applications = self._state.applications()
        self._plans = plans = plan.of(applications, self._state.current())
        self._revision = revision
        try:
            await self._writer.call(lambda: self._sums.plan(plans, {each.name for each in applications}))
        except BaseException:
            self._revision = -1
            raise

    def _tell_of_failed(self, failed: dict[str, tuple[str, Exception]], now: float) -> None:
        """Of one context at a time: where one fails, others of its application may, all at once."""
        self._failed_at = {name: at for name, at in self._failed_at.items() if now - at < TELL_AGAIN_S}
        for name, (context, error) in failed.items():
            if name not in self._failed_at:
                self._failed_at[name] = now
                where = f"{name} in the context {context!r}" if context else name
                text = (
                    f"What {where} has learned of feedback makes no new table, and the one before goes on: "
                    f"{sentence(error)}"
                )
                log.error("%s", text, exc_info=error)
                self._events.add("error", text, application=name)

    def _tell_of_forgotten(self, counts: dict[str, tuple[Counts, int]], now: float) -> None:
        for name, (of, contexts) in counts.items():
            before, at = self._told.get(name, (None, -math.inf))
            if before is None or of.forgotten < before:
                self._told[name] = of.forgotten, -math.inf
            elif of.forgotten > before and now - at >= TELL_AGAIN_S:
                self._told[name] = of.forgotten, now
                self._events.add(
                    "learned",
                    f"{name} has forgotten {of.forgotten - before:,} contexts: it has had more than "
                    f"{contexts:,}, and those go that were not used for the longest time. Let its clients "
                    "give fewer.",
                    application=name,
                )
