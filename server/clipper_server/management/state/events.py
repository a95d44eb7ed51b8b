"""The table of what happened."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from .database import Database
from .records import Event

EVENTS_KEPT = 10_000


class EventLog(Database):
    def add_event(self, kind: str, subject: dict[str, str], text: str) -> Event:
        """Note an event, and forget those that are more than ten thousand back."""
        at = time.time()
        cursor = self._db.execute(
            "INSERT INTO events (at, kind, subject, text) VALUES (?, ?, ?, ?)",
            (at, kind, msgspec.json.encode(subject).decode(), text),
        )
        id_ = cursor.lastrowid
        assert id_ is not None
        self._db.execute("DELETE FROM events WHERE id <= ?", (id_ - EVENTS_KEPT,))
        return Event(id_, at, kind, subject, text)

    def events(self, after: int, limit: int) -> list[Event]:
        """The first `limit` events after that one, in order."""
        rows = self._db.execute("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [self._event(row) for row in rows]

    def last_events(self, limit: int) -> list[Event]:
        rows = self._db.execute("SELECT * FROM events ORDER BY id DESC LIMIT ?", (limit,))
        return [self._event(row) for row in rows][::-1]

    @staticmethod
    def _event(row: Any) -> Event:
        return Event(row["id"], row["at"], row["kind"], msgspec.json.decode(row["subject"]), row["text"])
