"""What happened, in sentences: the last ten thousand, on disk, for people, widgets and scripts."""

from __future__ import annotations

import logging
import sqlite3

from ..changes import Changes
from .state import Event, State

log = logging.getLogger("clipper")


class Events:
    """Kinds are words such as "deploy" or "crash", and `subject` says what it is about."""

    def __init__(self, state: State, changes: Changes) -> None:
        self._state = state
        self._changes = changes
        self._last_text = ""

    def add(self, kind: str, text: str, **subject: str) -> None:
        log.info("%s", text)
        try:
            self._state.add_event(kind, subject, text)
        except sqlite3.Error as error:
            # A full disk. What happens is more important than that it is noted.
            log.error("the event could not be kept: %s", error)
        self._last_text = text
        self._changes.notify()

    def add_once(self, kind: str, text: str, **subject: str) -> None:
        """The same, but not again and again while nothing else happens."""
        if text != self._last_text:
            self.add(kind, text, **subject)

    def newest(self) -> int:
        """The id of the last event; 0 before the first."""
        last = self._state.last_events(1)
        return last[0].id if last else 0

    def last(self, count: int) -> list[Event]:
        return self._state.last_events(count)

    async def after(self, id_: int, limit: int, wait_s: float) -> list[Event]:
        """The first `limit` events after that one; waits up to `wait_s` seconds for one."""
        found = self._state.events(id_, limit)
        if not found and wait_s:
            await self._changes.wait_for(lambda: bool(self._state.events(id_, 1)), wait_s)
            found = self._state.events(id_, limit)
        return found
