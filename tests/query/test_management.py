"""A query frontend's side of its talk with management."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import httpx2
import msgspec
import pytest

from clipper_container.errors import ClipperException, ClusterError, NotFound
from clipper_server.changes import Changes
from clipper_server.feedback import Delivery, Item, Receipt, Rewarded, Row, Tables
from clipper_server.query.configuration import Configuration
from clipper_server.query.management import Management, PassOn
from clipper_server.snapshot import FORMAT, ApplicationSpec, BatchingSpec, Complaint, Report, Snapshot
from clipper_server.supervisor import Supervisor
from tests.support.fakes import version_spec


def restored(stored: Path) -> Snapshot | None:
    """What a frontend that starts has of the snapshot on its disk."""

    async def start() -> Snapshot | None:
        configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
        Management("127.0.0.1:1", "token", stored, configuration).restore()
        return configuration.snapshot

    return asyncio.run(start())


def test_the_last_snapshot_on_disk_is_served_from_the_start(tmp_path: Path) -> None:
    stored = tmp_path / "0.snapshot"
    assert restored(stored) is None
    snapshot = Snapshot(3, [], [version_spec(batching=BatchingSpec("off"))], {"m": "1"})
    stored.write_bytes(msgspec.json.encode(snapshot))
    assert restored(stored) == snapshot


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"revision":1,"applications":[],"versions":[],"current":{}}', "has the format 1, and"),
        (b'{"format":%d,"revision":1}' % (FORMAT + 1), f"has the format {FORMAT + 1}, and"),
        (b'{"format":%d}' % FORMAT, "required field `revision`"),
        (b"{", "cannot be read"),
    ],
)
def test_a_snapshot_of_another_format_is_left_alone_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes, words: str
) -> None:
    stored = tmp_path / "0.snapshot"
    stored.write_bytes(text)
    with caplog.at_level(logging.WARNING):
        assert restored(stored) is None
    assert words in caplog.text
    assert "0.snapshot is left alone" in caplog.text
    with pytest.raises(ClusterError, match=words):
        Snapshot.decode(text)


class Played:
    """Management, played by the test: it answers `snapshots` one by one, and keeps what it is told."""

    def __init__(self, *snapshots: bytes, most: int = 1 << 20) -> None:
        self.changes = Changes()
        self.reports: list[Report] = []
        self.refused = 0
        self._snapshots = list(snapshots)
        self._most = most

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            if not self._snapshots:
                await asyncio.get_running_loop().create_future()
            return httpx2.Response(200, content=self._snapshots.pop(0))
        body = await request.aread()
        self.changes.notify()
        if len(body) > self._most:
            self.refused += 1
            return httpx2.Response(413, text="too large")
        self.reports.append(msgspec.json.decode(body, type=Report))
        return httpx2.Response(200)

    def told_by(self, configuration: Configuration, folder: Path) -> Management:
        found = Management("m:1", "token", folder / "0.snapshot", configuration, httpx2.MockTransport(self))
        return found


def supervisor(configuration: Configuration) -> Supervisor:
    return Supervisor(lambda text: configuration.complain(Complaint("", "", "", text)))


def test_a_snapshot_that_cannot_be_used_does_not_end_the_talk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        changes = Changes()
        configuration = Configuration("0", changes.notify, asyncio.get_running_loop())
        odd = version_spec(version="2", size="__import__('os')")
        snapshots = [
            Snapshot(2, [], [version_spec(), odd], {"m": "1"}),
            Snapshot(3, [ApplicationSpec("a", "doubles", 0, 1000, ["m"])], [version_spec(), odd], {"m": "1"}),
        ]
        played = Played(b"{", *map(msgspec.json.encode, snapshots))
        apply = configuration.apply
        failures = [ZeroDivisionError]

        def fails_once(snapshot: Snapshot) -> None:
            if failures:
                played._snapshots.insert(0, msgspec.json.encode(snapshot))
                raise failures.pop()
            apply(snapshot)

        monkeypatch.setattr(configuration, "apply", fails_once)
        monkeypatch.setattr("clipper_server.supervisor.BACK_OFF_S", (0.001,))
        management = played.told_by(configuration, tmp_path)
        following = asyncio.create_task(supervisor(configuration).keep("follow", management.follow))
        assert await changes.wait_for(lambda: "a" in configuration.applications, 10)
        following.cancel()
        assert list(configuration.queues) == [("m", "1")]
        ours, complaint = configuration.report().complaints
        assert ours.model == ""
        assert "The loop follow does not get on" in ours.text
        assert (complaint.version, complaint.replica) == ("2", "")
        assert "m:2 cannot be served here: The size" in complaint.text

    asyncio.run(talk())
    assert "ZeroDivisionError" in caplog.text


def test_a_report_that_is_refused_is_sent_without_its_details(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
        versions = [version_spec(version=str(i)) for i in range(100)]
        configuration.apply(Snapshot(7, [], versions, {}))
        configuration.complain(Complaint("m", "1", "0", "It lies."))
        small, large = Played(most=1000), Played()
        for played in (small, large):
            management = played.told_by(configuration, tmp_path)
            telling = asyncio.create_task(management.report(Changes()))
            assert await played.changes.wait_for(lambda played=played: bool(played.reports), 10)  # type: ignore[misc]
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        assert (small.refused, small.reports[0].revision, small.reports[0].versions) == (1, 7, [])
        assert len(large.reports[0].versions) == 100
        assert [c.text for c in large.reports[0].complaints] == ["It lies."]
        assert configuration.report().complaints == []

    asyncio.run(talk())
    assert "management refuses the reports, with 413: too large" in caplog.text


class Learning:
    """Management that has tables and takes feedback, played by the test: now and then it is down, or dies
    between writing and its receipt.
    """

    def __init__(self) -> None:
        self.changes = Changes()
        self.tables: list[Tables] = []
        self.asked: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.written: dict[int, Item] = {}

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/tables"):
            return await self._tables(request)
        assert request.url.path == "/api/v1/frontends/0/feedback"
        status = self.statuses.pop(0) if self.statuses else 200
        self.bodies.append(await request.aread())
        if status == 200 or status == 0:
            for item in msgspec.msgpack.decode(self.bodies[-1], type=Delivery).items:
                self.written.setdefault(item.query_id, item)
        self.changes.notify()
        if status == 0:
            raise httpx2.ReadError("it died")
        return httpx2.Response(status, content=msgspec.msgpack.encode(Receipt()))

    async def _tables(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(dict(request.url.params))
        self.changes.notify()
        if not self.tables:
            await asyncio.get_running_loop().create_future()
        tables = self.tables.pop(0)
        if tables.epoch < 0:
            raise httpx2.ConnectError("it is down")
        return httpx2.Response(200, content=msgspec.msgpack.encode(tables))

    def told_by(self, configuration: Configuration, folder: Path) -> Management:
        return Management("m:1", "token", folder / "0.snapshot", configuration, httpx2.MockTransport(self))


def test_the_last_table_goes_on_while_management_is_down_and_the_next_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        monkeypatch.setattr("clipper_server.query.management.REPORT_EVERY_S", 0.001)
        configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
        played = Learning()
        played.tables = [
            Tables(4, True, [Row("app", "", {"a": 0.9, "b": 0.1}), Row("app", "x", {"a": 0.5, "b": 0.5})]),
            Tables(-1, False, []),
            Tables(6, False, [Row("app", "", {"a": 0.2, "b": 0.8}), Row("app", "x", {})]),
            Tables(2, True, [Row("app", "", {"a": 0.3, "b": 0.7})]),
        ]
        management = played.told_by(configuration, tmp_path)
        rows = configuration.learned.of("app")
        await management.follow_tables()
        assert {context: known.weights["a"] for context, known in rows.items()} == {"": 0.9, "x": 0.5}
        await management.follow_tables()
        assert rows[""].weights["a"] == 0.9
        await management.follow_tables()
        assert (rows[""].epoch, rows[""].weights["a"], "x" in rows) == (6, 0.2, False)
        await management.follow_tables()  # of a management that was started anew
        assert (rows[""].epoch, rows[""].weights["a"]) == (2, 0.3)
        assert [asked["after"] for asked in played.asked] == ["-1", "4", "4", "6"]

    asyncio.run(talk())


def test_feedback_reaches_a_management_that_is_killed_in_mid_stream_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        monkeypatch.setattr("clipper_server.query.feedback.outbox.EVERY_S", 0.001)
        monkeypatch.setattr("clipper_server.query.feedback.outbox.AGAIN_S", 0.001)
        configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
        played = Learning()
        played.statuses = [200, 0, 503, 0, 200, 422]
        management = played.told_by(configuration, tmp_path)
        outbox = configuration.feedback.outbox
        for number in range(3):
            outbox.put(Item(number, "app", "", 0, 1.0, [Rewarded("a:1", 0.5, 1.0)]))
            for _ in range(10):
                await outbox.turn(management.deliver)
                if not outbox.waiting:
                    break
        assert sorted(played.written) == [0, 1]
        assert len(played.bodies) == 6
        assert len(set(played.bodies[1:5])) == 1  # the same again
        assert outbox.dropped == 1
        assert "management refuses feedback, with 422" in caplog.text
        (complaint,) = configuration.complaints.values()
        assert "1 items are lost" in complaint.text

    with caplog.at_level(logging.WARNING):
        asyncio.run(talk())


def passed_on(answer: Callable[[httpx2.Request], httpx2.Response]) -> Exception | None:
    """What comes of asking management for something with a caller's token."""

    async def ask() -> None:
        pass_on = PassOn("m:1", httpx2.MockTransport(answer))
        await pass_on("PUT", "/models/a%2Fb/current", "the-callers", {"version": "2"})

    try:
        asyncio.run(ask())
    except ClipperException as error:
        return error
    return None


def test_what_a_client_asks_is_passed_on_with_its_own_token() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"any": ["thing"]})

    assert passed_on(answer) is None
    (request,) = seen
    assert (request.method, str(request.url)) == ("PUT", "http://m:1/api/v1/models/a%2Fb/current")
    assert request.headers["authorization"] == "Bearer the-callers"
    assert "x-clipper-token" not in request.headers
    assert msgspec.json.decode(request.content) == {"version": "2"}


def test_what_management_says_to_it_is_its_clients() -> None:
    refused = passed_on(lambda _: httpx2.Response(404, json={"error": "NotFound", "message": "Not here."}))
    assert (type(refused), str(refused)) == (NotFound, "Not here.")
    odd = passed_on(lambda _: httpx2.Response(502, text="<html>"))
    assert isinstance(odd, ClusterError)
    assert "Management answered with 502: <html>" in str(odd)


def test_that_management_does_not_answer_is_told() -> None:
    def nobody(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no")

    assert isinstance(passed_on(nobody), ClusterError)
