"""The file of the sums, and one transaction of all that changed in them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from clipper_container.errors import ClusterError

from ..migrations import Step, is_way, keep, migrate, opening
from .context import Context
from .counts import Counts
from .pages import Pages

log = logging.getLogger("clipper")

SCHEMA_VERSION = 2
STEPS: Mapping[int, Step] = {}  # from each schema to the next one, since the first release's, 2
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value REAL NOT NULL) STRICT;
CREATE TABLE contexts (
    application TEXT NOT NULL, context TEXT NOT NULL, used INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (application, context)) STRICT;
CREATE TABLE counts (application TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE pages (
    frontend INTEGER NOT NULL, page INTEGER NOT NULL, bits BLOB NOT NULL, since REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (frontend, page)) STRICT;
CREATE TABLE taken (
    frontend TEXT NOT NULL, began REAL NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (frontend, began)) STRICT;
CREATE TABLE unanswered (
    application TEXT NOT NULL, at INTEGER NOT NULL, context TEXT NOT NULL, arm TEXT NOT NULL,
    dealt INTEGER NOT NULL, times INTEGER NOT NULL, inverse REAL NOT NULL,
    PRIMARY KEY (application, at, context, arm, dealt)) STRICT;
"""
Decided = tuple[str, int, str, str, int]  # application, second, context, arm, dealt


class Database:
    """Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        with opening(self._db):
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        found: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif found != SCHEMA_VERSION:
            self._migrate(path, found)

    def _migrate(self, path: Path, found: int) -> None:
        if not is_way(STEPS, found, SCHEMA_VERSION):
            raise ClusterError(
                f"The sums in {path} were written by another Clipper Lab (schema {found}; this one knows "
                f"{SCHEMA_VERSION}). Use that version, or move the file away: what was learned is lost then."
            )
        try:
            copy = keep(self._db, path, found)
            with self.transaction():
                migrate(self._db, STEPS, found, SCHEMA_VERSION)
        except Exception as error:
            raise ClusterError(
                f"The sums in {path} (schema {found}) could not be brought to schema {SCHEMA_VERSION}: "
                f"{error}. They are as they were. See that the disk has room; or move the file away, and "
                "what was learned is lost; or use the Clipper Lab that wrote them, and where there is a "
                "state-<number>.db beside them, put that in the place of state.db."
            ) from error
        log.info("The sums are of schema %d now. As they were they are in %s.", SCHEMA_VERSION, copy)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    # What is there

    def number(self, key: str, default: float) -> float:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else float(row[0])

    def contexts(self) -> Iterator[tuple[str, str, int, Context]]:
        """The least recently used first."""
        query = "SELECT application, context, used, body FROM contexts ORDER BY used"
        for application, context, used, body in self._db.execute(query):
            yield application, context, used, Context.decode(body)

    def counts(self) -> dict[str, Counts]:
        rows = self._db.execute("SELECT application, body FROM counts")
        return {application: msgspec.msgpack.decode(body, type=Counts) for application, body in rows}

    def pages(self) -> Pages:
        rows = self._db.execute("SELECT frontend, page, bits, since, last FROM pages")
        return Pages(rows, self.number("gone_at", 0.0))

    def taken(self, frontend: str, began: float) -> int:
        """The number of the last delivery, of a frontend that began then; -1 before the first."""
        query = "SELECT number FROM taken WHERE frontend = ? AND began = ?"
        row = self._db.execute(query, (frontend, began)).fetchone()
        return -1 if row is None else int(row[0])

    def unanswered(self, application: str, before: int) -> list[tuple[str, str, int, int, int]]:
        """Context, arm, the table of shares that dealt it, how many decisions made before that second nobody
        spoke of, and their sum of 1/propensity.
        """
        query = (
            "SELECT context, arm, dealt, SUM(times), SUM(inverse) FROM unanswered "
            "WHERE application = ? AND at < ? AND times > 0 GROUP BY context, arm, dealt"
        )
        rows = self._db.execute(query, (application, before))
        return [(*of, times, round(inverse)) for *of, times, inverse in rows]

    def has_unanswered(self, application: str, before: int) -> bool:
        query = "SELECT 1 FROM unanswered WHERE application = ? AND at < ? LIMIT 1"
        return self._db.execute(query, (application, before)).fetchone() is not None

    def last_without_room(self, application: str, room: int) -> int | None:
        """The second of the newest of the unanswered for which there is no room; None where there is."""
        query = "SELECT at FROM unanswered WHERE application = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
        row = self._db.execute(query, (application, room)).fetchone()
        return None if row is None else int(row[0])

    # Changes, within a transaction

    def set_number(self, key: str, value: float) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def put_contexts(self, contexts: Iterable[tuple[str, str, int, Context]]) -> None:
        rows = [(a, c, used, context.encode()) for a, c, used, context in contexts]
        self._db.executemany("INSERT OR REPLACE INTO contexts VALUES (?, ?, ?, ?)", rows)

    def drop_contexts(self, contexts: Iterable[tuple[str, str]]) -> None:
        self._db.executemany("DELETE FROM contexts WHERE application = ? AND context = ?", contexts)

    def put_counts(self, counts: Iterable[tuple[str, Counts]]) -> None:
        rows = [(application, msgspec.msgpack.encode(of)) for application, of in counts]
        self._db.executemany("INSERT OR REPLACE INTO counts VALUES (?, ?)", rows)

    def put_pages(self, pages: Pages) -> None:
        """Those that changed, and not any more those that went."""
        rows = [(*key, *pages.of(key)) for key in pages.changed]
        self._db.executemany("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?)", rows)
        if pages.dropped:
            self._db.executemany("DELETE FROM pages WHERE frontend = ? AND page = ?", list(pages.dropped))
            self.set_number("gone_at", pages.gone_at)

    def put_taken(self, frontend: str, began: float, number: int, now: float, keep_s: float) -> None:
        row = (frontend, began, number, now)
        self._db.execute("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM taken WHERE frontend = ? AND at < ?", (frontend, now - keep_s))

    def add_unanswered(self, decided: Mapping[Decided, Sequence[int]]) -> None:
        """More of them, or fewer."""
        self._db.executemany(
            "INSERT INTO unanswered VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET times = times + excluded.times, inverse = inverse + excluded.inverse",
            [(*key, times, float(inverse)) for key, (times, inverse) in decided.items()],
        )

    def drop_unanswered(self, application: str, before: int) -> None:
        self._db.execute("DELETE FROM unanswered WHERE application = ? AND at < ?", (application, before))

    def drop_application(self, application: str) -> None:
        for table in ("contexts", "counts", "unanswered"):
            self._db.execute(f"DELETE FROM {table} WHERE application = ?", (application,))
