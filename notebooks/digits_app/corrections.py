"""What users said is right, in a SQLite file: pictures with their true digits, to train with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

LIMIT = 10_000
BUSY_S = 2.0
CREATE = """
CREATE TABLE IF NOT EXISTS corrections (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,
  pixels TEXT NOT NULL, digit INTEGER NOT NULL, predicted INTEGER, version TEXT NOT NULL
)"""
# The same id again is the same correction, perhaps with another digit: so it may be sent twice.
PUT = """
INSERT INTO corrections (id, pixels, digit, predicted, version) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET pixels = excluded.pixels, digit = excluded.digit,
  predicted = excluded.predicted, version = excluded.version"""
BY_VERSION = """
SELECT version, count(*), sum(predicted = digit) FROM corrections WHERE predicted IS NOT NULL
GROUP BY version ORDER BY min(number)"""
TRIM = "DELETE FROM corrections WHERE number <= (SELECT max(number) FROM corrections) - ?"


@dataclass(frozen=True)
class Correction:
    """`predicted` is what version `version` had said; None where no model had answered."""

    id: str
    pixels: Sequence[float]
    digit: int
    predicted: int | None
    version: str


class Corrections:
    """Keeps the newest `limit` of them in `folder`. Every thread may use it; methods raise sqlite3.Error."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "corrections.sqlite"
        self._limit = limit
        with self._open() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(CREATE)

    def put(self, correction: Correction) -> int:
        """Keep it, in place of one with the same id. Returns how many there are."""
        pixels = json.dumps(list(correction.pixels))
        row = (correction.id, pixels, correction.digit, correction.predicted, correction.version)
        with self._open() as database:
            database.execute(PUT, row)
            database.execute(TRIM, (self._limit,))
            (count,) = database.execute("SELECT count(*) FROM corrections").fetchone()
        return int(count)

    def all(self) -> list[Correction]:
        """The oldest first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT id, pixels, digit, predicted, version FROM corrections ORDER BY number"
            ).fetchall()
        return [Correction(id, json.loads(pixels), *more) for id, pixels, *more in rows]

    def by_version(self) -> list[tuple[str, int, int]]:
        """Of each version that had answered: how often users said what is right, and how often it was."""
        with self._open() as database:
            return [(version, said, right) for version, said, right in database.execute(BY_VERSION)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=BUSY_S)) as database, database:
            yield database
