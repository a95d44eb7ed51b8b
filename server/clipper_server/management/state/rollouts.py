"""The table of rollouts."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from .database import Database
from .records import LIVE, Guardrail, Rollout, RolloutState

_JSON_FIELDS: dict[str, Any] = {"steps": list[float], "guardrails": list[Guardrail]}
_FLAGS = ("observe", "sticky")


class Rollouts(Database):
    def rollouts(self, model: str | None = None) -> list[Rollout]:
        """Those of a model, or of all, the last one at the end; also those that have ended."""
        rows = self._db.execute("SELECT * FROM rollouts ORDER BY id")
        return [_rollout(row) for row in rows if model is None or row["model"] == model]

    def last_rollouts(self) -> list[Rollout]:
        """Each model's last one, also where it has ended."""
        query = "SELECT * FROM rollouts WHERE id IN (SELECT max(id) FROM rollouts GROUP BY model) ORDER BY id"
        return [_rollout(row) for row in self._db.execute(query)]

    def live_rollouts(self) -> list[Rollout]:
        """Those that run, or are paused."""
        query = f"SELECT * FROM rollouts WHERE state IN ({', '.join('?' * len(LIVE))}) ORDER BY id"
        return [_rollout(row) for row in self._db.execute(query, LIVE)]

    def rollout_of(self, model: str) -> Rollout | None:
        """The live one of the model."""
        return next((rollout for rollout in self.live_rollouts() if rollout.model == model), None)

    def add_rollout(self, rollout: Rollout) -> Rollout:
        """Its id and its time are new."""
        fields = {name: getattr(rollout, name) for name in Rollout.__struct_fields__ if name != "id"}
        for name in _JSON_FIELDS:
            fields[name] = msgspec.json.encode(fields[name]).decode()
        fields["at"] = time.time()
        places = ", ".join(f":{name}" for name in fields)
        with self._change():
            done = self._db.execute(f"INSERT INTO rollouts ({', '.join(fields)}) VALUES ({places})", fields)
        (found,) = (each for each in self.live_rollouts() if each.id == done.lastrowid)
        return found

    def set_step(self, rollout: Rollout, step: int) -> None:
        """No change of the snapshot: the shares have a table of their own."""
        self._db.execute("UPDATE rollouts SET step = ? WHERE id = ?", (step, rollout.id))

    def set_verdict(self, rollout: Rollout, verdict: str) -> None:
        self._db.execute("UPDATE rollouts SET verdict = ? WHERE id = ?", (verdict, rollout.id))

    def set_rollout_state(self, rollout: Rollout, state: RolloutState) -> None:
        """From running to paused, or back."""
        self._db.execute("UPDATE rollouts SET state = ? WHERE id = ?", (state, rollout.id))

    def end_rollout(self, rollout: Rollout, state: RolloutState, verdict: str) -> None:
        query = "UPDATE rollouts SET state = ?, verdict = ?, ended_at = ? WHERE id = ?"
        with self._change():
            self._db.execute(query, (state, verdict, time.time(), rollout.id))

    def next_epoch(self) -> int:
        """Of the table of shares: larger than any before, also than those before a crash."""
        epoch = int(self.get("epoch") or 0) + 1
        self.set("epoch", str(epoch))
        return epoch


def _rollout(row: Any) -> Rollout:
    fields = {name: row[name] for name in Rollout.__struct_fields__}
    for name, kind in _JSON_FIELDS.items():
        fields[name] = msgspec.json.decode(row[name], type=kind)
    for name in _FLAGS:
        fields[name] = bool(row[name])
    return Rollout(**fields)
