from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from clipper_container.errors import ClusterError
from clipper_server.management.state import State, Version
from clipper_server.snapshot import ApplicationSpec, BatchingSpec


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
