"""The desired state, in SQLite: applications, models, versions, which is current, and who made it so.

Used from one thread, the event loop's. Every mutation is one transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from clipper_container.errors import ClusterError
from clipper_container.resources import Resources

from ...snapshot import DEFAULT_HANG_AFTER_S, DEFAULT_MAX_CACHED_INPUT, ApplicationSpec, BatchingSpec
from ..containers import Runtime

SCHEMA_VERSION = 4
EVENTS_KEPT = 10_000
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE applications (
    name TEXT PRIMARY KEY, input_type TEXT NOT NULL, default_output TEXT NOT NULL,
    latency_slo_micros INTEGER NOT NULL, on_overload TEXT NOT NULL) STRICT;
CREATE TABLE versions (
    model TEXT NOT NULL, version TEXT NOT NULL, input_type TEXT NOT NULL, artifact TEXT,
    labels TEXT NOT NULL, num_replicas INTEGER NOT NULL, batching TEXT NOT NULL, size TEXT,
    hang_after_s REAL NOT NULL, max_cached_input INTEGER NOT NULL, resources TEXT NOT NULL,
    runtime TEXT NOT NULL, autoscaling TEXT NOT NULL, deployed_by TEXT NOT NULL, message TEXT NOT NULL,
    make_current INTEGER NOT NULL, state TEXT NOT NULL, error TEXT, PRIMARY KEY (model, version)) STRICT;
CREATE TABLE replica_numbers (
    model TEXT NOT NULL, version TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (model, version)) STRICT;
CREATE TABLE links (
    application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE, model TEXT NOT NULL,
    position INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (application, model)) STRICT;
CREATE TABLE current (
    model TEXT PRIMARY KEY, version TEXT NOT NULL,
    FOREIGN KEY (model, version) REFERENCES versions ON DELETE CASCADE) STRICT;
CREATE TABLE history (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL, move TEXT NOT NULL,
    who TEXT NOT NULL, message TEXT NOT NULL) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    text TEXT NOT NULL) STRICT;
"""

VersionState = Literal["starting", "ready", "failed"]
MoveKind = Literal["deploy", "set", "rollback"]


class Autoscaling(msgspec.Struct, frozen=True):
    """Bounds between which the number of replicas follows the load.

    With a `cpu_percent`, of what each asks for, the container manager's engine sees to it.
    """

    min_replicas: int
    max_replicas: int
    cpu_percent: int | None = None


class Version(msgspec.Struct, frozen=True):
    """One version of one model. `error` says why a version failed.

    One without an artifact runs elsewhere, and dials in. `make_current` holds until it has come up.
    """

    model: str
    version: str
    input_type: str
    artifact: str | None
    labels: list[str]
    num_replicas: int
    batching: BatchingSpec = BatchingSpec()
    size: str | None = None
    hang_after_s: float = DEFAULT_HANG_AFTER_S
    max_cached_input: int = DEFAULT_MAX_CACHED_INPUT
    resources: Resources = Resources()
    runtime: Runtime = Runtime()
    autoscaling: Autoscaling | None = None
    deployed_by: str = ""
    message: str = ""
    make_current: bool = True
    state: VersionState = "starting"
    error: str | None = None

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"


class Move(msgspec.Struct, frozen=True):
    """A version became the current one. `at` is in seconds since 1970."""

    version: str
    at: float
    move: MoveKind
    who: str
    message: str


class Event(msgspec.Struct, frozen=True):
    """Something that happened, at `at` seconds since 1970.

    `subject` names what it is about: an application, model, version, replica or frontend, or several.
    """

    id: int
    at: float
    kind: str
    subject: dict[str, str]
    text: str


_JSON_FIELDS: dict[str, Any] = {
    "labels": list[str],
    "batching": BatchingSpec,
    "resources": Resources,
    "runtime": Runtime,
    "autoscaling": Autoscaling | None,
}


class State:
    """The database. `revision` grows with, and in, every change that query frontends must learn of."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA busy_timeout = 5000")
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
        with self._change():
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

    def update_application(self, application: ApplicationSpec) -> None:
        """Its objective and default output are new. The rest cannot change while clients ask it."""
        default_output = msgspec.json.encode(application.default_output).decode()
        with self._change():
            self._db.execute(
                "UPDATE applications SET default_output = ?, latency_slo_micros = ? WHERE name = ?",
                (default_output, application.latency_slo_micros, application.name),
            )

    def remove_application(self, name: str) -> None:
        with self._change():
            self._db.execute("DELETE FROM applications WHERE name = ?", (name,))

    def links(self, application: str) -> list[str]:
        query = "SELECT model FROM links WHERE application = ? ORDER BY position"
        return [row["model"] for row in self._db.execute(query, (application,))]

    def link(self, application: str, *models: str) -> None:
        query = "INSERT INTO links (application, model) VALUES (?, ?)"
        with self._change():
            self._db.executemany(query, [(application, model) for model in models])

    def unlink(self, application: str, *models: str) -> None:
        query = "DELETE FROM links WHERE application = ? AND model = ?"
        with self._change():
            self._db.executemany(query, [(application, model) for model in models])

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

    def current(self) -> dict[str, str]:
        """The version that answers, for each model that has one."""
        return {row["model"]: row["version"] for row in self._db.execute("SELECT * FROM current")}

    def move(self, model: str, version: str, move: MoveKind, who: str, message: str) -> None:
        """Make it the current version."""
        with self._change():
            self._db.execute("INSERT OR REPLACE INTO current VALUES (?, ?)", (model, version))
            self._db.execute(
                "INSERT INTO history (model, version, at, move, who, message) VALUES (?, ?, ?, ?, ?, ?)",
                (model, version, time.time(), move, who, message),
            )

    def came_up(self, version: Version) -> None:
        """It is ready, and current where it was deployed to be: both or, after a crash, neither."""
        with self._change():
            self.set_version_state(version.model, version.version, "ready", None)
            if version.make_current:
                self.move(version.model, version.version, "deploy", version.deployed_by, version.message)

    def history(self, model: str) -> list[Move]:
        """Every move of the model, the last one at the end; also those to versions that are gone."""
        query = "SELECT version, at, move, who, message FROM history WHERE model = ? ORDER BY id"
        return [Move(**row) for row in self._db.execute(query, (model,))]

    # What happened

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

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A transaction that frontends must learn of: the change and its revision, or neither."""
        with self._transaction():
            yield
            self.next_revision()


class _Transaction:
    """All or nothing. Inside another one it is a part of that."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._outermost = not db.in_transaction

    def __enter__(self) -> None:
        if self._outermost:
            self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._outermost:
            self._db.execute("COMMIT" if error is None else "ROLLBACK")
