"""The table of shadows."""

from __future__ import annotations

import time
from typing import Any

from .database import Database
from .records import Shadow, ShadowState


class Shadows(Database):
    def shadows(self, model: str) -> list[Shadow]:
        """Those of a model, the last one at the end; also those that have ended."""
        rows = self._db.execute("SELECT * FROM shadows WHERE model = ? ORDER BY id", (model,))
        return [_shadow(row) for row in rows]

    def last_shadows(self) -> list[Shadow]:
        """Each model's last one."""
        query = "SELECT * FROM shadows WHERE id IN (SELECT max(id) FROM shadows GROUP BY model) ORDER BY id"
        return [_shadow(row) for row in self._db.execute(query)]

    def live_shadows(self) -> list[Shadow]:
        rows = self._db.execute("SELECT * FROM shadows WHERE state = 'running' ORDER BY id")
        return [_shadow(row) for row in rows]

    def shadow_of(self, model: str) -> Shadow | None:
        """The live one of the model."""
        return next((shadow for shadow in self.live_shadows() if shadow.model == model), None)

    def add_shadow(
        self, model: str, version: str, fraction: float, tolerance: float, who: str, message: str
    ) -> Shadow:
        with self._change():
            self._db.execute(
                "INSERT INTO shadows (model, version, fraction, tolerance, state, who, message, at) "
                "VALUES (?, ?, ?, ?, 'running', ?, ?, ?)",
                (model, version, fraction, tolerance, who, message, time.time()),
            )
        return self.shadows(model)[-1]

    def end_shadow(self, shadow: Shadow, state: ShadowState) -> None:
        with self._change():
            query = "UPDATE shadows SET state = ?, ended_at = ? WHERE id = ?"
            self._db.execute(query, (state, time.time(), shadow.id))


def _shadow(row: Any) -> Shadow:
    return Shadow(**{name: row[name] for name in Shadow.__struct_fields__})
