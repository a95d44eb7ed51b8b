from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from clipper_container.errors import ClusterError
from clipper_server.management.migrations import Step
from clipper_server.management.state import State, Version, database
from clipper_server.snapshot import ApplicationSpec, BatchingSpec
from tests.support.connections import connections

TODAY = database.SCHEMA_VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def version(name: str, **changes: object) -> Version:
    fields = ["m", name, "doubles", "sha256:0", ["x"], 1, BatchingSpec("fixed", 7, 5), "len(x)", 2.5, 0]
    return Version(*fields, **{"nonce": "a nonce", **changes})  # type: ignore[arg-type]


def test_what_is_written_is_there_after_a_restart(path: Path) -> None:
    state = State(path)
    application = ApplicationSpec("a", "doubles", {"none": [1, None]}, 1000, [], "reject")
    state.add_application(application)
    columns = {"b": "text", "a": "float64"}
    state.add_version(version("1", columns=columns))
    state.link("a", "m")
    state.came_up(version("1"))
    revision = state.revision
    state.close()

    again = State(path)
    assert again.applications() == [msgspec.structs.replace(application, linked_models=["m"])]
    assert again.versions() == [version("1", state="ready", columns=columns)]
    assert list(again.versions()[0].columns or ()) == ["b", "a"]
    assert (again.current(), again.revision) == ({"m": "1"}, revision)
    again.set_batching("m", "1", BatchingSpec("aimd"))
    assert again.versions()[0].batching == BatchingSpec("aimd")
    assert again.revision == revision + 1
    again.close()


def test_the_last_move_of_the_pointer_counts(path: Path) -> None:
    state = State(path)
    for name in ("1", "2"):
        state.add_version(version(name))
        state.move("m", name, "set", "me", "")
    assert state.current() == {"m": "2"}
    state.move("m", "1", "set", "me", "2 is bad")
    assert state.current() == {"m": "1"}
    assert [(move.version, move.message) for move in state.history("m")] == [
        ("1", ""),
        ("2", ""),
        ("1", "2 is bad"),
    ]
    state.remove_version("m", "1")
    assert state.current() == {}
    state.close()


def test_links_keep_their_order_and_go_with_their_application(path: Path) -> None:
    state = State(path)
    state.add_application(ApplicationSpec("a", "doubles", 0, 1, []))
    state.link("a", "z")
    state.link("a", "b")
    assert state.links("a") == ["z", "b"]
    state.remove_application("a")
    assert state.links("a") == []
    state.close()


def test_no_number_of_a_replica_is_given_twice(path: Path) -> None:
    state = State(path)
    state.add_version(version("1"))
    assert [state.next_replica("m", "1") for _ in range(3)] == [0, 1, 2]
    state.close()


def test_the_database_of_another_clipper_lab_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ClusterError, match=r"another Clipper Lab.*fresh=True"):
        State(path)


def test_one_that_is_refused_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"no database, and longer than the head of one" * 10)
    opened = connections(monkeypatch)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        State(path)
    (connection,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_schema_from_before_the_first_that_is_kept_is_refused_as_it_is(path: Path) -> None:
    State(path).close()
    _be_of(path, 12)
    before = _dump(path)
    with pytest.raises(ClusterError, match=r"another Clipper Lab \(schema 12.*fresh=True"):
        State(path)
    assert _dump(path) == before


def test_each_schema_from_the_first_that_is_kept_leads_to_this_one() -> None:
    assert sorted(database.STEPS) == list(range(13, database.SCHEMA_VERSION))


def test_a_state_of_the_first_schema_that_is_kept_has_the_tables_of_this_one(path: Path) -> None:
    """Where the schema grows, its step has to make the same of what was there before."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            (Path(__file__).parents[1] / "golden/schemas/state-13.sql").read_text(encoding="utf-8")
        )
        db.execute("PRAGMA user_version = 13")
    State(path).close()
    State(fresh := path.with_name("fresh.db")).close()
    assert _tables(path) == _tables(fresh)


def _tables(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return sorted((name, " ".join(sql.split())) for name, sql in rows)


def test_an_older_schema_is_migrated_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written_before(path)

    def rebuilt(db: sqlite3.Connection) -> None:
        """As SQLite wants it where a column's constraints change: others refer to this table."""
        db.execute("CREATE TABLE new (name TEXT PRIMARY KEY, added INTEGER NOT NULL) STRICT")
        db.execute("INSERT INTO new SELECT name, 7 FROM applications")
        db.execute("DROP TABLE applications")
        db.execute("ALTER TABLE new RENAME TO applications")

    def filled(db: sqlite3.Connection) -> None:
        db.execute("UPDATE applications SET added = added + 1")

    _be_the_next(monkeypatch, rebuilt, filled)
    state = State(path)
    assert state.links("a") == ["m"]  # nothing went with the old table
    assert [tuple(row) for row in state._db.execute("SELECT name, added FROM applications")] == [("a", 8)]
    assert [found.version for found in state.versions()] == ["1"]
    with pytest.raises(sqlite3.IntegrityError):  # foreign keys are enforced again
        state._db.execute("INSERT INTO links (application, model) VALUES ('none', 'm')")
    state.close()
    with closing(sqlite3.connect(path.with_name(f"state-{TODAY}.db"))) as copy:  # for who wants to go back
        assert copy.execute("PRAGMA user_version").fetchone() == (TODAY,)
        assert copy.execute("SELECT name FROM applications").fetchall() == [("a",)]
    # It is of the new schema from now on: no step is done twice.
    again = State(path)
    assert [tuple(row) for row in again._db.execute("SELECT name, added FROM applications")] == [("a", 8)]
    again.close()


def test_a_migration_that_fails_leaves_the_state_as_it_was_and_says_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written_before(path)
    before = _dump(path)

    def done(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE events")

    def fails(db: sqlite3.Connection) -> None:
        db.execute("UPDATE applications SET name = 'b'")
        raise ValueError("a policy that nobody can read")

    with monkeypatch.context() as patch:
        _be_the_next(patch, done, fails)
        said = (
            rf"schema {TODAY}\) could not .* schema {TODAY + 2}: a policy that nobody can read\. "
            "It is as it was.*fresh=True"
        )
        with pytest.raises(ClusterError, match=said):
            State(path)
        assert _dump(path) == before
    state = State(path)
    assert [application.name for application in state.applications()] == ["a"]
    state.close()


def _forgets_links(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM applications")


def _commits(db: sqlite3.Connection) -> None:
    db.executescript("CREATE TABLE more (a TEXT)")


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (_forgets_links, "a row of links would refer to none of applications"),
        (_commits, "not authorized"),
    ],
)
def test_a_step_that_may_not_be_leaves_the_state_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, why: str
) -> None:
    _written_before(path)
    before = _dump(path)
    _be_the_next(monkeypatch, step)
    with pytest.raises(ClusterError, match=why):
        State(path)
    assert _dump(path) == before


def _written_before(path: Path) -> None:
    """By this Clipper Lab, which another one takes for an older one."""
    state = State(path)
    state.add_application(ApplicationSpec("a", "doubles", 0, 1000, []))
    state.add_version(version("1"))
    state.link("a", "m")
    state.close()


def _be_of(path: Path, schema: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {schema}")
    db.close()


def _be_the_next(patch: pytest.MonkeyPatch, *steps: Step) -> None:
    """From now on, this Clipper Lab knows a schema that comes so many steps after today's."""
    patch.setattr(database, "STEPS", dict(enumerate(steps, TODAY)))
    patch.setattr(database, "SCHEMA_VERSION", TODAY + len(steps))


def _dump(path: Path) -> tuple[object, list[str]]:
    with sqlite3.connect(path) as db:
        found = db.execute("PRAGMA user_version").fetchone(), list(db.iterdump())
    db.close()
    return found


def test_a_full_disk_is_told_as_such_and_the_next_change_is_kept(path: Path) -> None:
    state = State(path)
    application = ApplicationSpec("a", "doubles", "x" * 3_000_000, 1000, [])
    state.add_application(msgspec.structs.replace(application, default_output=""))
    (pages,) = state._db.execute("PRAGMA page_count").fetchone()
    state._db.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        state.update_application(application)
    state._db.execute("PRAGMA max_page_count = 1000000")
    state.update_application(msgspec.structs.replace(application, default_output="short"))
    state.close()
    again = State(path)
    assert [found.default_output for found in again.applications()] == ["short"]
    again.close()


def test_a_transaction_that_cannot_be_committed_does_not_swallow_those_after_it(path: Path) -> None:
    state = State(path)

    def unfinished() -> None:
        with state._change():
            state._db.execute("PRAGMA defer_foreign_keys = ON")
            state._db.execute("INSERT INTO links (application, model) VALUES ('none', 'm')")

    with pytest.raises(sqlite3.IntegrityError):
        unfinished()
    state.add_application(ApplicationSpec("a", "doubles", 0, 1000, []))
    state.close()
    again = State(path)
    assert [found.name for found in again.applications()] == ["a"]
    again.close()


def test_what_is_remembered_is_what_is_there(path: Path) -> None:
    state = State(path)

    def told() -> list[object]:
        found: list[object] = [
            [(a.name, a.default_output, a.linked_models) for a in state.applications()],
            [(v.version, v.state, v.num_replicas) for v in state.versions()],
            state.current(),
        ]
        again = State(path)
        assert again.applications() == state.applications()
        assert again.versions() == state.versions()
        assert again.current() == state.current()
        again.close()
        return found

    assert told() == [[], [], {}]
    state.add_application(ApplicationSpec("a", "doubles", 0, 1000, []))
    state.add_version(version("1"))
    assert told() == [[("a", 0, [])], [("1", "starting", 1)], {}]
    state.link("a", "m", "n")
    state.came_up(version("1"))
    state.set_num_replicas("m", "1", 7)
    assert told() == [[("a", 0, ["m", "n"])], [("1", "ready", 7)], {"m": "1"}]
    state.applications().clear()
    state.versions().clear()
    state.current().clear()
    before = told()

    def undone() -> None:
        with state._change():
            state.remove_version("m", "1")
            assert state.versions() == []
            assert state.current() == {}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert told() == before
    state.unlink("a", "m")  # which has the revision that was undone
    state.remove_version("m", "1")
    assert told() == [[("a", 0, ["n"])], [], {}]
    state.close()
