"""What management makes of the reports of query frontends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from clipper_server.changes import Changes
from clipper_server.management.events import Events
from clipper_server.management.frontends import LIVE_S, Frontends
from clipper_server.management.state import State
from clipper_server.snapshot import Complaint, ReplicaReport, Report, VersionReport


class World:
    def __init__(self, folder: Path) -> None:
        self.changes = Changes()
        self.now = 0.0
        self.state = State(folder / "state.db")
        self.events = Events(self.state, self.changes)
        self.frontends = Frontends(self.changes, self.events, lambda: self.now)

    def wait(self, seconds: float) -> None:
        """As the reconciler does, which looks twice a second who lives."""
        for _ in range(round(2 * seconds)):
            self.now += 0.5
            self.frontends.live()

    def tells(self, report: Report) -> bool:
        """Whether those who wait for something are woken by it."""
        before = self.changes.count
        self.frontends.on_report(report)
        return self.changes.count > before


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.state.close()


def report(*replicas: ReplicaReport, frontend: str = "0", revision: int = 1, waiting: int = 0) -> Report:
    versions = [VersionReport("m", "1", 10, waiting, None)]
    return Report(frontend, 1, True, revision, "127.0.0.1:1", list(replicas), [], versions)


def seen(name: str, *, ready: bool = True, answered: int = 0, hangs: str | None = None) -> ReplicaReport:
    return ReplicaReport("m", "1", name, ready, answered, hangs)


def test_only_news_wakes_those_who_wait(world: World) -> None:
    assert world.tells(report(seen("0")))  # the first word of this frontend
    assert not world.tells(report(seen("0", answered=5)))
    assert not world.tells(report(seen("0", answered=9)))
    assert world.tells(report(seen("0"), revision=2))
    assert world.tells(report(seen("0"), seen("1", ready=False), revision=2))
    assert world.tells(report(seen("0"), seen("1"), revision=2))
    assert world.tells(report(seen("0"), seen("1", hangs="it hangs"), revision=2))
    assert world.tells(report(seen("0"), revision=2))
    assert world.tells(report(seen("0"), revision=2, waiting=3))  # a version may have to wake up for it
    assert not world.tells(report(seen("0"), revision=2, waiting=4))
    world.wait(LIVE_S + 1)
    assert world.tells(report(seen("0"), revision=2, waiting=4))  # it had fallen silent


def test_one_frontend_that_waits_for_a_version_is_enough(world: World) -> None:
    world.tells(report(frontend="0"))
    assert not world.frontends.waking("m", "1")
    rises = [VersionReport("m", "1", 10, 3, None, waking=True)]
    world.tells(msgspec.structs.replace(report(frontend="1"), versions=rises))
    assert world.frontends.waking("m", "1")
    assert not world.frontends.waking("m", "2")
    world.wait(LIVE_S + 1)
    assert not world.frontends.waking("m", "1")


def test_while_management_is_held_up_nobody_falls_silent(world: World) -> None:
    """A commit may take a disk seconds, and what was said meanwhile is read after it."""
    world.tells(report(seen("0")))
    world.now += 0.5
    assert world.frontends.silent_s("0") == 0.5
    world.now += 20
    assert [said.frontend for said in world.frontends.live()] == ["0"]
    assert world.frontends.ready_replicas("m", "1") == {"0"}
    assert world.frontends.silent_s("0") < LIVE_S
    assert not world.tells(report(seen("0")))
    world.wait(LIVE_S + 0.5)
    assert world.frontends.live() == []
    assert world.frontends.silent_s("0") == LIVE_S + 0.5


@pytest.mark.anyio
async def test_a_change_waits_for_those_that_were_not_read_meanwhile(world: World) -> None:
    world.tells(report(revision=1))
    world.now += 20
    waits = asyncio.create_task(world.frontends.acknowledge(2))
    await asyncio.sleep(0)
    assert not waits.done()
    world.tells(report(revision=2))
    await asyncio.wait_for(waits, 60)
    assert world.events.last(1) == []


def test_what_was_counted_is_known_all_the_same(world: World) -> None:
    world.tells(report(seen("0", answered=5), seen("1")))
    world.tells(report(seen("0", answered=7), seen("1", ready=False), frontend="1"))
    assert world.frontends.answered("m", "1", "0") == 12
    assert world.frontends.answered("m", "1", "none") == 0
    assert world.frontends.ready_replicas("m", "1") == {"0"}
    assert world.frontends.ready_replicas("m", "2") == set()
    world.wait(LIVE_S + 1)
    assert world.frontends.ready_replicas("m", "1") == set()


def test_a_report_says_nothing_of_what_is_as_usual() -> None:
    sent = msgspec.json.encode(seen("0", answered=5))
    assert b"hangs" not in sent
    assert msgspec.json.decode(sent, type=ReplicaReport) == seen("0", answered=5)


def test_what_a_frontend_complains_of_is_an_event_for_the_owner(world: World) -> None:
    complaint = Complaint("m", "1", "0", "replica 0 of m:1 is closed: It lies.")
    world.tells(msgspec.structs.replace(report(seen("0")), complaints=[complaint]))
    event = world.events.last(1)[0]
    assert (event.kind, event.text) == ("refused", complaint.text)
    assert event.subject == {"model": "m", "version": "1", "replica": "0"}


def test_what_a_replica_has_to_tell_is_an_event_of_that_kind(world: World) -> None:
    notice = Complaint("m", "1", "0", "replica 0 of m:1: It is down.", "notice")
    world.tells(msgspec.structs.replace(report(seen("0")), complaints=[notice]))
    event = world.events.last(1)[0]
    assert (event.kind, event.text) == ("notice", notice.text)


def test_what_a_frontend_has_to_tell_of_itself_is_an_event_about_it(world: World) -> None:
    troubled = msgspec.structs.replace(report(), complaints=[Complaint("", "", "", "It has no room.")])
    world.frontends.on_report(troubled)
    (event,) = world.events.last(10)
    assert (event.kind, event.subject) == ("error", {"frontend": "0"})
    assert event.text == "Query frontend 0: It has no room."
