"""The file, its tables and its transactions."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

from clipper_container.errors import ClusterError

from ..migrations import Step, is_way, keep, migrate, opening

log = logging.getLogger("clipper")

SCHEMA_VERSION = 14


def _with_tolerance(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE shadows ADD COLUMN tolerance REAL NOT NULL DEFAULT 0")


STEPS: Mapping[int, Step] = {13: _with_tolerance}
"""From each schema to the next one, since the first release's, 13."""
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE applications (
    name TEXT PRIMARY KEY, input_type TEXT NOT NULL, default_output TEXT NOT NULL,
    latency_slo_micros INTEGER NOT NULL, on_overload TEXT NOT NULL, policy TEXT NOT NULL,
    feedback TEXT NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE policies (
    id INTEGER PRIMARY KEY, application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE,
    policy TEXT NOT NULL, at REAL NOT NULL, who TEXT NOT NULL, message TEXT NOT NULL) STRICT;
CREATE TABLE versions (
    model TEXT NOT NULL, version TEXT NOT NULL, input_type TEXT NOT NULL, artifact TEXT,
    labels TEXT NOT NULL, num_replicas INTEGER NOT NULL, batching TEXT NOT NULL, size TEXT,
    columns TEXT NOT NULL, hang_after_s REAL NOT NULL, max_cached_input INTEGER NOT NULL,
    resources TEXT NOT NULL, runtime TEXT NOT NULL, env TEXT NOT NULL, autoscaling TEXT NOT NULL,
    concurrency INTEGER NOT NULL, uses TEXT NOT NULL, stages TEXT NOT NULL,
    deployed_by TEXT NOT NULL, message TEXT NOT NULL, make_current INTEGER NOT NULL, nonce TEXT NOT NULL,
    state TEXT NOT NULL, error TEXT,
    PRIMARY KEY (model, version)) STRICT;
CREATE TABLE replica_numbers (
    model TEXT NOT NULL, version TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (model, version)) STRICT;
CREATE TABLE links (
    application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE, model TEXT NOT NULL,
    position INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (application, model)) STRICT;
CREATE TABLE current (
    model TEXT PRIMARY KEY, version TEXT NOT NULL,
    FOREIGN KEY (model, version) REFERENCES versions ON DELETE CASCADE) STRICT;
CREATE TABLE version_labels (
    model TEXT NOT NULL, label TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (model, label),
    FOREIGN KEY (model, version) REFERENCES versions ON DELETE CASCADE) STRICT;
CREATE TABLE history (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL, move TEXT NOT NULL,
    who TEXT NOT NULL, message TEXT NOT NULL) STRICT;
CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, control TEXT NOT NULL, canary TEXT NOT NULL,
    steps TEXT NOT NULL, hold_s REAL NOT NULL, guardrails TEXT NOT NULL, observe INTEGER NOT NULL,
    sticky INTEGER NOT NULL, state TEXT NOT NULL, step INTEGER NOT NULL, verdict TEXT NOT NULL,
    who TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL, ended_at REAL) STRICT;
CREATE TABLE shadows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, version TEXT NOT NULL, fraction REAL NOT NULL,
    state TEXT NOT NULL, who TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL, ended_at REAL,
    tolerance REAL NOT NULL DEFAULT 0) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    text TEXT NOT NULL) STRICT;
"""


T = TypeVar("T")


class Database:
    """What all tables share.

    `revision` grows with, and in, every change that query frontends must learn of. Until the next one, what
    they change is remembered as it was read last.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._remembered: dict[str, object] = {}
        self._remembered_at = (-1, -1)  # changes of this connection, and the revision then
        with opening(self._db):
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA busy_timeout = 5000")
        found: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif found != SCHEMA_VERSION:
            self._migrate(path, found)
        self._db.execute("PRAGMA foreign_keys = ON")

    def _migrate(self, path: Path, found: int) -> None:
        if not is_way(STEPS, found, SCHEMA_VERSION):
            raise ClusterError(
                f"The state in {path} was written by another Clipper Lab (schema {found}; this one knows "
                f"{SCHEMA_VERSION}). Use that version, another cluster name, or start with fresh=True."
            )
        try:
            copy = keep(self._db, path, found)
            with self.transaction():
                migrate(self._db, STEPS, found, SCHEMA_VERSION)
        except Exception as error:
            raise ClusterError(
                f"The state in {path} (schema {found}) could not be brought to schema {SCHEMA_VERSION}: "
                f"{error}. It is as it was. See that the disk has room, use the Clipper Lab that wrote it, "
                "another cluster name, or start with fresh=True."
            ) from error
        log.info("The state is of schema %d now. As it was it is in %s.", SCHEMA_VERSION, copy)

    def close(self) -> None:
        self._db.close()

    # What concerns the cluster as a whole

    def get(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row["value"])

    def set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def set_for_frontends(self, key: str, value: str) -> None:
        """The same, of which they must learn."""
        with self._change():
            self.set(key, value)

    @property
    def revision(self) -> int:
        return int(self.get("revision") or 0)

    def next_revision(self) -> int:
        self.set("revision", str(self.revision + 1))
        return self.revision

    def remember(self, what: str, read: Callable[[], T]) -> T:
        """What `read()` gives, or gave since the last revision. Nobody may change it."""
        if self._db.in_transaction:  # which may be undone
            return read()
        changes, revision = self._remembered_at
        if self._db.total_changes != changes:
            self._remembered_at = self._db.total_changes, self.revision
            if self._remembered_at[1] != revision:
                self._remembered.clear()
        if what not in self._remembered:
            self._remembered[what] = read()
        return cast(T, self._remembered[what])

    def transaction(self) -> _Transaction:
        """All changes in the block, or none."""
        return _Transaction(self._db)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A transaction that frontends must learn of: the change and its revision, or neither."""
        with self.transaction():
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
        if not self._outermost:
            return
        try:
            if error is None:
                self._db.execute("COMMIT")
        finally:
            # On a full disk SQLite has rolled some back by itself. One that stayed open would take what
            # comes later for a part of it.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
