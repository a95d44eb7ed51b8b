"""The tables of what is current, and how it came to be."""

from __future__ import annotations

import time

from .database import Database
from .records import Move, MoveKind


class History(Database):
    def current(self) -> dict[str, str]:
        """The version that answers, for each model that has one."""
        return dict(self.remember("current", self._current))

    def _current(self) -> dict[str, str]:
        return {row["model"]: row["version"] for row in self._db.execute("SELECT * FROM current")}

    def move(self, model: str, version: str, move: MoveKind, who: str, message: str) -> None:
        """Make it the current version, and its shadow no shadow any more."""
        with self._change():
            self._db.execute("INSERT OR REPLACE INTO current VALUES (?, ?)", (model, version))
            self.note(model, version, move, who, message)
            self._db.execute(
                "UPDATE shadows SET state = 'promoted', ended_at = ? "
                "WHERE state = 'running' AND model = ? AND version = ?",
                (time.time(), model, version),
            )

    def note(self, model: str, version: str, move: MoveKind, who: str, message: str) -> None:
        """Add it to the history alone."""
        self._db.execute(
            "INSERT INTO history (model, version, at, move, who, message) VALUES (?, ?, ?, ?, ?, ?)",
            (model, version, time.time(), move, who, message),
        )

    def history(self, model: str) -> list[Move]:
        """Every move of the model, and every rollout that moved nothing, the last one at the end; also those
        to versions that are gone.
        """
        query = "SELECT version, at, move, who, message FROM history WHERE model = ? ORDER BY id"
        return [Move(**row) for row in self._db.execute(query, (model,))]
