"""The tables of versions and the numbers of their replicas."""

from __future__ import annotations

from typing import Any

import msgspec

from clipper_container.resources import Resources

from ...places import Runtime
from ...snapshot import BatchingSpec
from .database import Database
from .records import Autoscaling, Version, VersionState

_JSON_FIELDS: dict[str, Any] = {
    "labels": list[str],
    "batching": BatchingSpec,
    "columns": dict[str, str] | None,
    "resources": Resources,
    "runtime": Runtime,
    "env": dict[str, str],
    "uses": list[str],
    "stages": list[list[str]],
    "autoscaling": Autoscaling | None,
}


class Versions(Database):
    def versions(self) -> list[Version]:
        return list(self.remember("versions", self._versions))

    def _versions(self) -> list[Version]:
        rows = self._db.execute("SELECT * FROM versions ORDER BY model, rowid")
        return [self._version(row) for row in rows]

    def version(self, model: str, version: str) -> Version | None:
        query = "SELECT * FROM versions WHERE model = ? AND version = ?"
        row = self._db.execute(query, (model, version)).fetchone()
        return None if row is None else self._version(row)

    @staticmethod
    def _version(row: Any) -> Version:
        fields = {name: row[name] for name in Version.__struct_fields__}
        for name, kind in _JSON_FIELDS.items():
            fields[name] = msgspec.json.decode(row[name], type=kind)
        fields["make_current"] = bool(row["make_current"])
        return Version(**fields)

    def add_version(self, version: Version) -> None:
        """Add the version, in the place of a failed one of the same name."""
        fields = {name: getattr(version, name) for name in Version.__struct_fields__}
        for name in _JSON_FIELDS:
            fields[name] = msgspec.json.encode(fields[name]).decode()
        places = ", ".join(f":{name}" for name in fields)
        with self._change():
            self.remove_version(version.model, version.version)
            self._db.execute(f"INSERT INTO versions ({', '.join(fields)}) VALUES ({places})", fields)

    def remove_version(self, model: str, version: str) -> None:
        with self._change():
            self._db.execute("DELETE FROM versions WHERE model = ? AND version = ?", (model, version))

    def set_version_state(self, model: str, version: str, state: VersionState, error: str | None) -> None:
        with self._change():
            self._db.execute(
                "UPDATE versions SET state = ?, error = ? WHERE model = ? AND version = ?",
                (state, error, model, version),
            )

    def set_num_replicas(self, model: str, version: str, num_replicas: int) -> None:
        self._set(model, version, "num_replicas", num_replicas)

    def set_batching(self, model: str, version: str, batching: BatchingSpec) -> None:
        self._set(model, version, "batching", msgspec.json.encode(batching).decode())

    def set_autoscaling(self, model: str, version: str, autoscaling: Autoscaling | None) -> None:
        self._set(model, version, "autoscaling", msgspec.json.encode(autoscaling).decode())

    def _set(self, model: str, version: str, column: str, value: str | int) -> None:
        query = f"UPDATE versions SET {column} = ? WHERE model = ? AND version = ?"
        with self._change():
            self._db.execute(query, (value, model, version))

    def next_replica(self, model: str, version: str) -> int:
        """A number that no replica of this version has had.

        Not even before the version was removed and came again: the old replica may still be ending.
        """
        row = self._db.execute(
            "INSERT INTO replica_numbers VALUES (?, ?, 1)"
            " ON CONFLICT DO UPDATE SET used = used + 1 RETURNING used - 1",
            (model, version),
        ).fetchone()
        return int(row[0])
