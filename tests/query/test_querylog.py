"""The query log on its way from a frontend: framed, torn, spooled, brought, and dropped where it must be."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_server.feedback import sampled
from clipper_server.query import querylog
from clipper_server.query.querylog import QueryLog, Records, Sent
from clipper_server.querylog import Batch, Chosen, Dropped, Pair, Reader, Record, Said, Shed, frame, framed


def pair(query_id: int, same: bool = True) -> Pair:
    said = Said(b"1", size=1, ms=2.0)
    return Pair(7, query_id, 1e9, "app", "m:1", same, said, said, b"in", "str", (2,))


def test_what_is_framed_is_read_again() -> None:
    records: list[Record] = [Batch("b"), pair(1), Shed(7, {"busy": 3}), Dropped(2)]
    reader = Reader()
    assert list(reader.records(framed(records))) == records
    assert reader.torn == 0


def test_wherever_it_is_cut_all_before_is_read_and_the_rest_is_told_of() -> None:
    frames = [frame(pair(1)), frame(pair(2))]
    text = b"".join(frames)
    for cut in range(len(text)):
        reader = Reader()
        found = list(reader.records(text[:cut]))
        whole = sum(len(b"".join(frames[: i + 1])) <= cut for i in range(2))
        assert found == [pair(1), pair(2)][:whole]
        assert reader.torn == (cut not in (0, len(frames[0])))


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_byte_that_is_wrong_never_makes_another_record(place: int, byte: int) -> None:
    records = [pair(1), pair(2), pair(3)]
    text = bytearray(framed(records))
    place %= len(text)
    if text[place] == byte:
        return
    text[place] = byte
    reader = Reader()
    assert all(record in records for record in reader.records(bytes(text)))
    assert reader.torn > 0


@given(st.binary())
def test_what_is_no_log_is_no_record(text: bytes) -> None:
    list(Reader().records(text))


class Management:
    """Takes batches while it is up."""

    def __init__(self) -> None:
        self.up = True
        self.batches = 0
        self.got: list[Record] = []

    async def take(self, batch: bytes) -> Sent:
        if not self.up:
            return "later"
        assert len(batch) <= querylog.MAX_BATCH + 1000
        self.batches += 1
        self.got += Reader().records(batch)
        return "taken"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querylog, "EVERY_S", 0)


def spool(folder: Path, records: Records, began: int = 0) -> QueryLog:
    return QueryLog(folder, "0", records, itertools.count(began).__next__)


def test_what_management_does_not_take_waits_on_disk_also_for_the_next_process(tmp_path: Path) -> None:
    async def main() -> None:
        management = Management()
        management.up = False
        records = Records()
        log = spool(tmp_path, records)
        records.add(pair(1))
        await log.turn(management.take)
        records.add(pair(2))
        await log.turn(management.take)
        assert management.got == []
        management.up = True
        await spool(tmp_path, Records(), began=100).turn(management.take)
        assert [record for record in management.got if isinstance(record, Pair)] == [pair(1), pair(2)]
        assert list(tmp_path.iterdir()) == []

    asyncio.run(main())


def test_the_frontends_that_share_a_folder_bring_their_own(tmp_path: Path) -> None:
    async def main() -> None:
        management, records = Management(), Records()
        records.add(pair(1))
        await QueryLog(tmp_path, "10", records, lambda: 1).write()
        await QueryLog(tmp_path, "1", Records(), lambda: 2).turn(management.take)
        assert management.got == []
        assert len(list(tmp_path.iterdir())) == 1

    asyncio.run(main())


def test_too_much_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querylog, "MAX_RECORDS", 3)
    monkeypatch.setattr(querylog, "MAX_SPOOL", 2)

    async def main() -> None:
        management, records = Management(), Records()
        management.up = False
        log = spool(tmp_path, records)
        for batch in range(4):
            for i in range(5):  # of which two are too many
                records.add(pair(10 * batch + i))
            await log.turn(management.take)
        management.up = True
        await log.turn(management.take)
        kept = [record.query_id for record in management.got if isinstance(record, Pair)]
        dropped = sum(record.count for record in management.got if isinstance(record, Dropped))
        assert kept == [30, 31, 32], "what was dropped is a batch, too"
        assert len(kept) + dropped + records.dropped == 20

    asyncio.run(main())


def test_a_disk_that_cannot_be_written_costs_records_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("in the way")
        records = Records()
        records.add(pair(1))
        await spool(tmp_path / "file", records).write()
        assert records.take() == [Dropped(1)]

    asyncio.run(main())


def test_what_is_only_counted_is_asked_for_with_each_batch() -> None:
    counted = iter([[Shed(7, {"busy": 2})], []])
    records = Records(lambda: next(counted))
    assert records.take() == [Shed(7, {"busy": 2})]
    assert records.take() == []


def test_many_large_records_go_in_batches_that_management_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(querylog, "MAX_BATCH", 2000)

    async def main() -> None:
        management, records = Management(), Records()
        for i in range(100):
            records.add(pair(i))
        await spool(tmp_path, records).turn(management.take)
        assert management.batches > 3
        kept = [record.query_id for record in management.got if isinstance(record, Pair)]
        assert kept == list(range(100))

    asyncio.run(main())


def test_what_management_will_never_take_is_counted(tmp_path: Path) -> None:
    async def refuse(batch: bytes) -> Sent:
        return "refused"

    async def main() -> None:
        records = Records()
        for i in range(3):
            records.add(pair(i))
        await spool(tmp_path, records).turn(refuse)
        assert records.take() == [Dropped(3)]
        assert list(tmp_path.iterdir()) == []

    asyncio.run(main())


def test_decisions_leave_room_for_what_is_rare() -> None:
    records = Records()
    chosen = Chosen(1, 1e9, "app", "", ("m:1",), 0.5, 3.0)
    for _ in range(querylog.MAX_RECORDS + 5):
        records.add(chosen)
    records.add(pair(1))
    found = records.take()
    assert found.count(chosen) == querylog.MAX_CHOSEN
    assert pair(1) in found
    assert found[-1] == Dropped(querylog.MAX_RECORDS + 5 - querylog.MAX_CHOSEN)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_of_decisions_a_part_is_sampled_the_same_everywhere(share: float) -> None:
    ids = [(28_000_000 << 22) + 64 * i + frontend for i in range(5000) for frontend in (0, 7)]
    found = [sampled(query_id, share) for query_id in ids]
    assert found == [sampled(query_id, share) for query_id in ids]
    assert sum(found) / len(ids) == pytest.approx(share, abs=0.01)
    for frontend in (0, 1):
        assert sum(found[frontend::2]) / 5000 == pytest.approx(share, abs=0.01)
