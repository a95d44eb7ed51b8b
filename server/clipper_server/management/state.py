"""The desired state, in SQLite: applications, models, versions, which is current, and since when.

Used from one thread, the event loop's. Every mutation is one transaction.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from clipper_container.errors import ClusterError

from ..snapshot import DEFAULT_HANG_AFTER_S, DEFAULT_MAX_CACHED_INPUT, ApplicationSpec, BatchingSpec

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE applications (
    name TEXT PRIMARY KEY, input_type TEXT NOT NULL, default_output TEXT NOT NULL,
    latency_slo_micros INTEGER NOT NULL, on_overload TEXT NOT NULL) STRICT;
CREATE TABLE versions (
    model TEXT NOT NULL, version TEXT NOT NULL, input_type TEXT NOT NULL, artifact TEXT NOT NULL,
    labels TEXT NOT NULL, num_replicas INTEGER NOT NULL, batching TEXT NOT NULL, size TEXT,
    hang_after_s REAL NOT NULL, max_cached_input INTEGER NOT NULL, state TEXT NOT NULL, error TEXT,
    PRIMARY KEY (model, version)) STRICT;
CREATE TABLE replica_numbers (
    model TEXT NOT NULL, version TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (model, version)) STRICT;
CREATE TABLE links (
    application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE, model TEXT NOT NULL,
    position INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (application, model)) STRICT;
CREATE TABLE history (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL,
    FOREIGN KEY (model, version) REFERENCES versions ON DELETE CASCADE) STRICT;
"""

VersionState = Literal["starting", "ready", "failed"]


class Version(msgspec.Struct, frozen=True):
    """One version of one model. `error` says why a version failed."""

    model: str
    version: str
    input_type: str
    artifact: str
    labels: list[str]
    num_replicas: int
    batching: BatchingSpec = BatchingSpec()
    size: str | None = None
    hang_after_s: float = DEFAULT_HANG_AFTER_S
    max_cached_input: int = DEFAULT_MAX_CACHED_INPUT
    state: VersionState = "starting"
    error: str | None = None


class State:
    """The database. `revision` grows with every change that query frontends must learn of."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        found: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, SCHEMA_VERSION):
            raise ClusterError(
                f"The state in {path} was written by another Clipper Lab (schema {found}; this one knows "
                f"{SCHEMA_VERSION}). Use that version, another cluster name, or start with fresh=True."
            )
        if found == 0:
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        self._db.close()

    # What concerns the cluster as a whole

    def get(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row["value"])

    def set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def revision(self) -> int:
        return int(self.get("revision") or 0)

    def next_revision(self) -> int:
        self.set("revision", str(self.revision + 1))
        return self.revision

    # Applications and links

    def applications(self) -> list[ApplicationSpec]:
        return [
            ApplicationSpec(
                row["name"],
                row["input_type"],
                msgspec.json.decode(row["default_output"]),
                row["latency_slo_micros"],
                self.links(row["name"]),
                row["on_overload"],
            )
            for row in self._db.execute("SELECT * FROM applications ORDER BY name")
        ]

    def application(self, name: str) -> ApplicationSpec | None:
        return next((a for a in self.applications() if a.name == name), None)

    def add_application(self, application: ApplicationSpec) -> None:
        default_output = msgspec.json.encode(application.default_output).decode()
        self._db.execute(
            "INSERT INTO applications VALUES (?, ?, ?, ?, ?)",
            (
                application.name,
                application.input_type,
                default_output,
                application.latency_slo_micros,
                application.on_overload,
            ),
        )

    def remove_application(self, name: str) -> None:
        self._db.execute("DELETE FROM applications WHERE name = ?", (name,))

    def links(self, application: str) -> list[str]:
        query = "SELECT model FROM links WHERE application = ? ORDER BY position"
        return [row["model"] for row in self._db.execute(query, (application,))]

    def link(self, application: str, model: str) -> None:
        self._db.execute("INSERT INTO links (application, model) VALUES (?, ?)", (application, model))

    def unlink(self, application: str, model: str) -> None:
        self._db.execute("DELETE FROM links WHERE application = ? AND model = ?", (application, model))

    # Models and versions

    def versions(self) -> list[Version]:
        rows = self._db.execute("SELECT * FROM versions ORDER BY model, rowid")
        return [self._version(row) for row in rows]

    def version(self, model: str, version: str) -> Version | None:
        query = "SELECT * FROM versions WHERE model = ? AND version = ?"
        row = self._db.execute(query, (model, version)).fetchone()
        return None if row is None else self._version(row)

    @staticmethod
    def _version(row: Any) -> Version:
        fields = {name: row[name] for name in Version.__struct_fields__}
        fields["labels"] = msgspec.json.decode(row["labels"])
        fields["batching"] = msgspec.json.decode(row["batching"], type=BatchingSpec)
        return Version(**fields)

    def add_version(self, version: Version) -> None:
        """Add the version, in the place of a failed one of the same name."""
        with self._transaction():
            self.remove_version(version.model, version.version)
            self._db.execute(
                "INSERT INTO versions (model, version, input_type, artifact, labels, num_replicas,"
                " batching, size, hang_after_s, max_cached_input, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    version.model,
                    version.version,
                    version.input_type,
                    version.artifact,
                    msgspec.json.encode(version.labels).decode(),
                    version.num_replicas,
                    msgspec.json.encode(version.batching).decode(),
                    version.size,
                    version.hang_after_s,
                    version.max_cached_input,
                    version.state,
                ),
            )

    def remove_version(self, model: str, version: str) -> None:
        self._db.execute("DELETE FROM versions WHERE model = ? AND version = ?", (model, version))

    def set_version_state(self, model: str, version: str, state: VersionState, error: str | None) -> None:
        self._db.execute(
            "UPDATE versions SET state = ?, error = ? WHERE model = ? AND version = ?",
            (state, error, model, version),
        )

    def set_num_replicas(self, model: str, version: str, num_replicas: int) -> None:
        self._db.execute(
            "UPDATE versions SET num_replicas = ? WHERE model = ? AND version = ?",
            (num_replicas, model, version),
        )

    def set_batching(self, model: str, version: str, batching: BatchingSpec) -> None:
        self._db.execute(
            "UPDATE versions SET batching = ? WHERE model = ? AND version = ?",
            (msgspec.json.encode(batching).decode(), model, version),
        )

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

    def current(self) -> dict[str, str]:
        """The version that answers, for each model that has one: the last that its history names."""
        query = "SELECT model, version FROM history WHERE id IN (SELECT max(id) FROM history GROUP BY model)"
        return {row["model"]: row["version"] for row in self._db.execute(query)}

    def set_current(self, model: str, version: str) -> None:
        self._db.execute(
            "INSERT INTO history (model, version, at) VALUES (?, ?, ?)", (model, version, time.time())
        )

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if error is None else "ROLLBACK")
