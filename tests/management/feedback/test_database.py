from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clipper_container.errors import ClusterError
from clipper_server.management.feedback import database
from clipper_server.management.feedback.database import Database
from tests.support.connections import connections


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Sums of schema 2, with a row: today's tables are that one's."""
    path = tmp_path / "feedback.db"
    Database(path).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO meta VALUES ('x', 1.5)")
        db.execute("PRAGMA user_version = 2")
    db.close()
    return path


def found_in(path: Path) -> tuple[int, float]:
    with sqlite3.connect(path) as db:
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        (number,) = db.execute("SELECT value FROM meta WHERE key = 'x'").fetchone()
    db.close()
    return schema, number


def doubled(db: sqlite3.Connection) -> None:
    db.execute("UPDATE meta SET value = 2 * value")


def test_each_schema_since_the_first_releases_leads_to_this_one() -> None:
    assert sorted(database.STEPS) == list(range(2, database.SCHEMA_VERSION))


def test_sums_of_the_first_releases_schema_have_the_tables_of_this_one(tmp_path: Path) -> None:
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(
            (Path(__file__).parents[2] / "golden/schemas/feedback-2.sql").read_text(encoding="utf-8")
        )
        db.execute("PRAGMA user_version = 2")
    found = []
    for path in (old, fresh):
        Database(path).close()
        with closing(sqlite3.connect(path)) as db:
            found.append(
                sorted(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())
            )
    assert found[0] == found[1]


def test_older_sums_are_migrated_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "STEPS", {2: doubled, 3: doubled})
    monkeypatch.setattr(database, "SCHEMA_VERSION", 4)
    for _ in range(2):
        Database(path).close()
        assert found_in(path) == (4, 6.0)


def test_a_migration_that_fails_leaves_them_as_they_were(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(db: sqlite3.Connection) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(database, "STEPS", {2: doubled, 3: fails})
    monkeypatch.setattr(database, "SCHEMA_VERSION", 4)
    with pytest.raises(ClusterError, match=r"schema 2\) could not .* schema 4: no such thing\. They are as"):
        Database(path)
    assert found_in(path) == (2, 1.5)


@pytest.mark.parametrize("schema", [1, 99])
def test_those_without_a_way_are_refused(path: Path, schema: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {schema}")
    db.close()
    with pytest.raises(ClusterError, match=rf"another Clipper Lab \(schema {schema}.*move the file away"):
        Database(path)
    assert found_in(path) == (schema, 1.5)


def test_those_that_are_refused_are_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SCHEMA_VERSION", 99)
    opened = connections(monkeypatch)
    with pytest.raises(ClusterError, match="another Clipper Lab"):
        Database(path)
    (connection,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
