"""The query log as management keeps it, and what it makes of shadows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipper_container import named
from clipper_server.changes import Changes
from clipper_server.management import querylog
from clipper_server.management.api.shadows import written
from clipper_server.management.events import Events
from clipper_server.management.querylog import QueryLog
from clipper_server.management.shadows import Tallies, interval
from clipper_server.management.state import State
from clipper_server.querylog import Batch, Dropped, Pair, Record, Reward, Said, Shed, framed


class World:
    """A folder, and management that is started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = State(folder / "state.db")
        self.begin()

    def begin(self) -> None:
        self.log = QueryLog(self.folder / "querylog", Events(self.state, Changes()))
        self.tallies = Tallies()
        self.log.listeners.append(self.tallies.add)
        self.log.restore()

    def take(self, name: str, *records: Record) -> None:
        self.log.take("0", framed([Batch(name), *records]))

    def segments(self) -> list[Path]:
        return sorted((self.folder / "querylog").iterdir())

    def kept(self) -> list[Record]:
        """All of it, the oldest first."""
        return [record for _, records in self.log.newest() for record in records][::-1]

    def events(self) -> list[str]:
        return [event.text for event in self.state.last_events(10)]


class _Full:
    """A file, in the place of `Path.open`'s, on a disk that is full after half of what is written."""

    def __init__(self, path: Path, _mode: str) -> None:
        self._path = path

    def __enter__(self) -> _Full:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, text: bytes) -> None:
        self._path.write_bytes(self._path.read_bytes() + text[: len(text) // 2])
        raise OSError("No space left on device")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.state.close()


def pair(query_id: int, same: bool = True, before: str = "", after: str = "", **fields: Any) -> Pair:
    first, second = (Said(b"" if reason else b"1", reason=reason, ms=2.0) for reason in (before, after))
    return Pair(7, query_id, 1e9, "app", "m:1", same, first, second, **fields)


def test_pairs_are_counted_by_what_came_of_them(world: World) -> None:
    same = [pair(i) for i in range(8)]
    different = [pair(i, same=False) for i in (8, 9)]
    failed = [pair(10, same=False, after="deadline"), pair(11, same=False, after="model_error", before="x")]
    world.take("b", *same, *different, *failed, pair(12, same=False, before="model_error"))
    world.take("c", Shed(7, {"busy": 2}), Dropped(5), Shed(7, {"busy": 1, "not_ready": 1}))
    seen = world.tallies.of(7)
    assert (seen["compared"], seen["same"], seen["agreement"], seen["mended"]) == (10, 8, 0.8, 1)
    assert seen["failed"] == {"deadline": 1, "model_error": 1}
    assert seen["shed"] == {"busy": 3, "not_ready": 1}
    assert seen["before_ms"]["p50"] == pytest.approx(2, abs=1)
    assert world.tallies.dropped == 5
    assert world.tallies.of(8)["agreement"] is None


def test_the_interval_is_wilsons() -> None:
    """Newcombe (1998), table I: 81 of 263, and none of 20."""
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert interval(0, 0) == (None, None)


def test_a_batch_that_comes_twice_counts_once_also_after_a_restart(world: World) -> None:
    world.take("b", pair(1), pair(2))
    world.take("b", pair(1), pair(2))
    world.begin()
    assert world.tallies.of(7)["compared"] == 2
    world.take("b", pair(1), pair(2))
    assert world.tallies.of(7)["compared"] == 2


def test_what_was_torn_is_left_out_and_told_of(world: World) -> None:
    text = framed([Batch("b"), pair(1), pair(2)])
    world.log.take("0", text[:-1])
    assert world.tallies.of(7)["compared"] == 1
    assert "The query log has 1 torn records in what query frontend 0 brought" in world.events()[-1]
    # Management is killed while it writes the next one.
    world.take("c", pair(3), pair(4))
    (segment,) = world.segments()
    segment.write_bytes(segment.read_bytes()[:-1])
    world.begin()
    assert world.tallies.of(7)["compared"] == 2
    assert "1 torn records in its files" in world.events()[-1]
    world.take("d", pair(5))
    world.begin()
    assert world.tallies.of(7)["compared"] == 3, "what comes after it stands in another file"


def test_a_disk_that_is_full_in_the_midst_of_it_costs_that_batch_and_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take("a", pair(1))

    with monkeypatch.context() as broken:
        whole = Path.open
        broken.setattr(Path, "open", lambda path, mode="r": (_Full if mode == "ab" else whole)(path, mode))
        with pytest.raises(OSError, match="No space"):
            world.take("b", pair(2))
    world.take("b", pair(2))
    world.take("c", pair(3))
    kept = [record.query_id for record in world.kept() if isinstance(record, Pair)]
    assert kept == [1, 2, 3]


def test_managements_own_records_are_lost_on_a_full_disk_and_counted_when_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reward = Reward(1, "app", [("m:1", 1.0)])
    world.log.add([reward])
    with monkeypatch.context() as broken:
        whole = Path.open
        broken.setattr(Path, "open", lambda path, mode="r": (_Full if mode == "ab" else whole)(path, mode))
        for _ in range(3):
            world.log.add([reward])
    assert sum("cannot be written" in event for event in world.events()) == 1
    world.log.add([reward])
    assert world.tallies.dropped == 3
    assert world.kept() == [reward, Dropped(3), reward]


def test_the_oldest_goes_where_there_is_too_much(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(framed([Batch("00"), pair(1, data=b"x" * 100)]))
    monkeypatch.setattr(querylog, "SEGMENT", 3 * size)
    monkeypatch.setattr(querylog, "MAX_BYTES", 10 * size)
    for i in range(40):
        world.take(f"{i:02}", pair(i, data=b"x" * 100))
    kept = [record.query_id for record in world.kept() if isinstance(record, Pair)]
    assert kept == list(range(40 - len(kept), 40))
    assert 7 <= len(kept) <= 10
    assert world.tallies.of(7)["compared"] == 40


def test_what_is_no_log_is_told_of_and_nothing_else(world: World) -> None:
    world.log.take("0", b"\xff" * 100)
    assert world.segments() == []
    assert "torn" in world.events()[-1]


def test_inputs_of_all_kinds_are_written() -> None:
    row = named.dtype_of([named.Part("rooms", "<i8", 0), named.Part("city", "json", 1)])
    inputs: list[dict[str, Any]] = [
        {"data": bytes(8), "dtype": "<f8", "shape": (1,)},
        {"data": bytes(8) + b'"Rome"', "dtype": row, "shape": (6,)},
        {"data": b"[1]", "dtype": "json", "shape": (3,)},
        {"data": b"\xff", "dtype": "bytes", "shape": (1,)},
        {},
    ]
    told = json.loads(written([pair(i, **fields) for i, fields in enumerate(inputs)]))
    assert [each["input"] for each in told] == [[0.0], {"rooms": 0, "city": "Rome"}, [1], "/w==", None]
