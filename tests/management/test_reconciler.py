"""Management on a fake container manager and in virtual time; the query frontends are the test's word."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clipper_container import artifact, words
from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipper_container.resources import Resources
from clipper_server.changes import Changes
from clipper_server.management.artifacts import Artifacts
from clipper_server.management.control import Control
from clipper_server.management.control.current import before
from clipper_server.management.events import Events
from clipper_server.management.frontends import Frontends
from clipper_server.management.reconciler import Reconciler
from clipper_server.management.running import Running
from clipper_server.management.specs import Specs
from clipper_server.management.state import Autoscaling, State, Version
from clipper_server.places import Addresses, Spec, Status
from clipper_server.places.ports import FixedPorts
from clipper_server.snapshot import ApplicationSpec, BatchingSpec, ReplicaReport, Report, VersionReport
from clipper_server.supervisor import Supervisor
from tests.support.fakes import FakeManager
from tests.support.virtual_time import run


async def forget_nothing(application: str) -> None:
    """Nothing is learned here."""


class World:
    """Management's parts, and frontends that take over each snapshot and see each replica ready."""

    def __init__(self, folder: Path, num_frontends: int = 1, manager: FakeManager | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.changes, self.manager = Changes(), manager or FakeManager()
        self.state = State(folder / "state.db")
        self.events = Events(self.state, self.changes)
        self.frontends = Frontends(self.changes, self.events, clock=loop.time)
        specs = Specs("test", "token", Addresses("127.0.0.1:1", "127.0.0.1:2", folder))
        artifacts = Artifacts(folder / "artifacts")
        packed = folder / "packed"
        self.artifact = artifact.pack(packed, loader="python", input_type="doubles", parts={})
        packed.rename(folder / "artifacts" / self.artifact.removeprefix("sha256:"))
        self.running = Running(self.frontends)
        self.control = Control(
            *(
                self.state,
                artifacts,
                self.manager,
                FixedPorts({}),
                self.frontends,
                self.running,
                self.changes,
            ),
            self.events,
            *(specs.replica_token, lambda: None, forget_nothing),
        )
        self.reconciler = Reconciler(
            self.state,
            self.manager,
            self.frontends,
            self.running,
            specs,
            self.changes,
            self.events,
            self.control.versions.came_up,
            self.control.versions.did_not_come_up,
            self.control.scaling.scaled,
            num_frontends,
            clock=loop.time,
        )
        self.supervisor = Supervisor(partial(self.events.add, "error"))
        self.speaks = True
        self.sees_ready = True
        self.never_ready: set[str] = set()  # replicas
        self.blind: set[str] = set()  # frontends that see no replica ready
        self.hangs: dict[str, str] = {}
        self.loads: list[VersionReport] = []  # what each frontend reports

    async def reconcile(self) -> None:
        await self.supervisor.keep("reconciler", self.reconciler.turn)

    async def frontend(self, name: str) -> None:
        while True:
            if self.speaks:
                ready = self.sees_ready and name not in self.blind
                replicas = [
                    ReplicaReport(
                        *(s.labels["model"], s.labels["version"], s.labels["replica"]),
                        *(ready and s.labels["replica"] not in self.never_ready, 0, self.hangs.get(s.name)),
                    )
                    for s in self.manager.running.values()
                    if s.kind == "replica"
                ]
                report = Report(name, 1, True, self.state.revision, "", replicas, [], self.loads)
                self.frontends.on_report(report)
            await asyncio.sleep(0.5)

    async def deploy(
        self, version: str, num_replicas: int = 1, input_type: str = "doubles", **options: Any
    ) -> Version:
        wanted = Version("m", version, input_type, self.artifact, [], num_replicas, **options)
        await self.control.versions.deploy(wanted)
        return await self.control.versions.settled("m", version, lambda: self.running.ready("m", version), 30)

    def replicas(self) -> list[str]:
        return sorted(s.name for s in self.manager.running.values() if s.kind == "replica")


@pytest.fixture
def num_frontends() -> int:
    return 1


@pytest.fixture
def in_world(
    tmp_path: Path, num_frontends: int
) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], None]:
    def start(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            world = World(tmp_path, num_frontends)
            frontends = [world.frontend(str(i)) for i in range(num_frontends)]
            tasks = [asyncio.create_task(c) for c in (*frontends, world.reconcile())]
            try:
                await test(world)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                world.state.close()

        run(main())

    return start


InWorld = Callable[[Callable[[World], Coroutine[Any, Any, None]]], None]


def test_what_has_ended_counts_no_more_while_it_is_forgotten(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", 2)
        counted: list[int] = []
        forget = world.manager.forget

        async def slowly(name: str) -> None:
            counted.append(world.running.counted("m", "1"))
            await forget(name)

        monkeypatch.setattr(world.manager, "forget", slowly)
        await world.control.scaling.set_num_replicas("m", "1", 1)
        await asyncio.sleep(5)
        assert counted == [1]

    in_world(test)


def test_a_deployed_version_becomes_current_when_it_is_ready(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        version = await world.deploy("1", num_replicas=2)
        assert version.state == "ready"
        assert world.replicas() == ["m.1.0", "m.1.1"]
        assert world.state.current() == {"m": "1"}

    in_world(test)


def test_a_staged_version_runs_and_waits_to_be_made_current(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        staged = await world.deploy("2", make_current=False)
        assert staged.state == "ready"
        assert world.replicas() == ["m.1.0", "m.2.0"]
        assert world.state.current() == {"m": "1"}
        await world.control.current.set("m", "2", "ann", "it is better")
        assert world.state.current() == {"m": "2"}
        moves = [(move.version, move.who, move.message) for move in world.control.current.history("m")]
        assert moves == [("1", "", ""), ("2", "ann", "it is better")]

    in_world(test)


def test_roll_back_goes_to_the_version_before_and_says_so(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        for version in ("1", "2", "3"):
            await world.deploy(version)
        assert before(world.state, "m") == "2"
        assert (await world.control.current.roll_back("m", "ann", "3 is bad")).version == "2"
        assert (await world.control.current.roll_back("m", "ann", "")).version == "1"
        assert world.state.current() == {"m": "1"}
        texts = [event.text for event in world.events.last(9) if event.kind == "current"]
        assert texts == ["Rolled back to m:2, by ann: 3 is bad.", "Rolled back to m:1, by ann."]
        assert before(world.state, "m") is None
        with pytest.raises(BadRequest, match=r"no version before this one.*set_model_version.*1, 2, 3"):
            await world.control.current.roll_back("m", "ann", "")
        with pytest.raises(NotFound, match="Models: m"):
            await world.control.current.roll_back("n", "ann", "")

    in_world(test)


def test_where_the_current_version_is_removed_the_one_before_it_answers(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        for version in ("1", "2", "3"):
            await world.deploy(version)
        await world.control.versions.remove([("m", "3")], "ann")
        assert world.state.current() == {"m": "2"}
        assert any("m:2 is current now" in event.text for event in world.events.last(5))
        assert world.control.current.history("m")[-1].message == "version 3, which was current, was removed"
        await world.deploy("3", make_current=False)
        assert world.state.current() == {"m": "2"}  # its earlier life makes it nothing

    in_world(test)


def test_where_the_current_version_is_removed_none_without_replicas_is_gone_back_to(
    in_world: InWorld,
) -> None:
    async def test(world: World) -> None:
        remove, last = world.control.versions.remove, world.events.last
        for version in ("1", "2", "3", "4"):
            await world.deploy(version)
        for version in ("1", "3"):
            await world.control.scaling.set_num_replicas("m", version, 0)
        await remove([("m", "4")])
        assert world.state.current() == {"m": "2"}
        await remove([("m", "2")])
        assert world.state.current() == {}
        assert any("once set_num_replicas has given it replicas" in event.text for event in last(9))

    in_world(test)


def test_one_that_comes_when_it_is_asked_for_is_gone_back_to(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        for version in ("1", "2"):
            await world.deploy(version)
        await world.control.scaling.set_num_replicas("m", "1", 0)
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(0, 1))
        await world.control.versions.remove([("m", "2")])
        assert world.state.current() == {"m": "1"}

    in_world(test)


@pytest.mark.parametrize("what", ["unprepared", "broken"])
def test_a_deploy_whose_replicas_cannot_be_started_fails_with_the_reason(
    in_world: InWorld, what: str
) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        setattr(world.manager, what, "pip found no package called nonsuch. Check its spelling.")
        failed = await world.deploy("2")
        assert failed.state == "failed"
        assert "pip found no package called nonsuch. Check its spelling." in (failed.error or "")
        assert world.state.current() == {"m": "1"}
        setattr(world.manager, what, "")
        assert (await world.deploy("2")).state == "ready"

    in_world(test)


def test_what_the_container_manager_refuses_is_refused_before_anything_happens(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        with pytest.raises(BadRequest, match="no GPU"):
            await world.deploy("1", resources=Resources.of(gpus=1))
        assert world.state.versions() == []

    in_world(test)


def test_replicas_that_cannot_be_started_again_are_tried_ever_less_often(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        world.manager.broken = "The disk is full."
        world.manager.exit("m.1.0", -9)
        await asyncio.sleep(60)
        told = [event for event in world.events.last(500) if event.text == "The disk is full."]
        assert 1 <= len(told) <= 12
        world.manager.broken = ""
        assert await world.changes.wait_for(lambda: len(world.replicas()) == 1, 40)
        assert world.state.versions()[0].state == "ready"

    in_world(test)


def test_a_model_that_runs_elsewhere_is_registered_and_nothing_is_started(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.control.versions.deploy(Version("m", "1", "doubles", None, [], 0, deployed_by="ann"))
        assert world.state.current() == {"m": "1"}
        await asyncio.sleep(5)
        assert world.replicas() == []
        with pytest.raises(BadRequest, match="containerless"):
            await world.control.scaling.set_num_replicas("m", "1", 2)

    in_world(test)


def test_an_artifact_goes_with_its_last_version(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        path = world.control.artifacts.path(world.artifact)
        os.utime(path, (0, 0))
        for version in ("1", "2"):
            await world.deploy(version)
        await world.control.versions.remove([("m", "1")])
        assert path.exists()
        await world.control.versions.remove([("m", "2")])
        assert not path.exists()

    in_world(test)


def test_an_artifact_that_was_just_uploaded_is_left_for_its_deploy(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.control.versions.remove([("m", "1")])
        assert world.control.artifacts.path(world.artifact).exists()

    in_world(test)


def load(asked: int, waiting: int = 0, capacity: float | None = 100.0) -> VersionReport:
    return VersionReport("m", "1", asked, waiting, capacity)


def test_an_autoscaled_version_follows_its_load_and_says_why(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(1, 5))
        for step in range(20):
            world.loads = [load(asked=150 * step)]  # each half second
            await asyncio.sleep(0.5)
        assert world.replicas() == [f"m.1.{i}" for i in range(4)]
        assert any(
            "m:1 gets 4 replicas: 300 inputs a second come" in event.text for event in world.events.last(20)
        )
        with pytest.raises(BadRequest, match="set_autoscaling"):
            await world.control.scaling.set_num_replicas("m", "1", 2)
        await world.control.scaling.set_autoscaling("m", "1", None)
        await world.control.scaling.set_num_replicas("m", "1", 1)
        assert await world.changes.wait_for(lambda: world.replicas() == ["m.1.0"], 5)

    in_world(test)


def test_what_came_while_it_was_not_scaled_is_no_load(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(1, 5))
        world.loads = [load(asked=0)]
        await asyncio.sleep(5)
        await world.control.scaling.set_autoscaling("m", "1", None)
        world.loads = [load(asked=1_000_000)]
        await asyncio.sleep(60)
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(1, 5))
        await asyncio.sleep(10)
        assert world.replicas() == ["m.1.0"]

    in_world(test)


def test_a_cpu_load_is_for_engines_that_measure_it(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        with pytest.raises(BadRequest, match="cpu_percent is for clusters on Kubernetes"):
            await world.control.scaling.set_autoscaling("m", "1", Autoscaling(1, 5, 70))

    in_world(test)


def test_a_version_that_sleeps_is_woken_by_its_first_query(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(0, 2))
        assert await world.changes.wait_for(lambda: world.replicas() == [], 90)
        assert world.control.snapshot().versions[0].wakes
        world.loads = [load(asked=1, waiting=1)]
        assert await world.changes.wait_for(lambda: len(world.replicas()) == 1, 2)
        assert any("a query waits for it" in event.text for event in world.events.last(5))

    in_world(test)


def test_of_one_that_wakes_and_whose_first_replica_falls_frontends_learn_at_once(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(0, 2))

        async def wake() -> str:
            world.loads = []
            world.sees_ready = True
            assert await world.changes.wait_for(lambda: world.replicas() == [], 90)
            assert world.control.snapshot().versions[0].wakes
            world.sees_ready = False
            world.loads = [load(asked=1, waiting=1)]
            assert await world.changes.wait_for(lambda: len(world.replicas()) == 1, 2)
            assert world.control.snapshot().versions[0].wakes, "it is on its way up"
            return world.replicas()[0]

        async def learn(before: int) -> None:
            assert await world.changes.wait_for(lambda: world.state.revision > before, 1)
            assert not world.control.snapshot().versions[0].wakes

        first = await wake()
        revision = world.state.revision
        world.manager.exit(first, 1, "ImportError: no pandas")
        await learn(revision)
        revision = world.state.revision
        assert await world.changes.wait_for(lambda: first not in world.replicas() != [], 5)
        world.manager.exit(world.replicas()[0], 1, "ImportError: no pandas")
        await asyncio.sleep(2)
        assert world.state.revision == revision, "it is told once"
        await wake()
        world.manager.exit(world.replicas()[0], 1, "")

    in_world(test)


def test_of_one_that_wakes_and_whose_first_replica_cannot_be_started_frontends_learn_at_once(
    in_world: InWorld,
) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(0, 2))
        assert await world.changes.wait_for(lambda: world.replicas() == [], 90)
        world.manager.broken = "No memory is left."
        world.loads = [load(asked=1, waiting=1)]
        assert await world.changes.wait_for(lambda: not world.control.snapshot().versions[0].wakes, 2)

    in_world(test)


def test_a_version_that_fails_leaves_the_one_that_serves_alone(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        world.sees_ready = False
        deploying = asyncio.create_task(world.deploy("2"))
        await world.changes.wait_for(lambda: "m.2.0" in world.manager.running, 5)
        world.manager.exit("m.2.0", 1, "ImportError: no pandas")
        failed = await deploying
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error.endswith("ImportError: no pandas")
        assert world.state.current() == {"m": "1"}
        assert world.replicas() == ["m.1.0"]
        world.sees_ready = True
        assert (await world.deploy("2")).state == "ready"

    in_world(test)


def test_a_replica_that_ended_before_it_was_ready_and_said_nothing_is_explained(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.sees_ready = False
        deploying = asyncio.create_task(world.deploy("1"))
        await world.changes.wait_for(lambda: "m.1.0" in world.manager.running, 5)
        world.manager.exit("m.1.0", 3, words.NONE)
        error = (await deploying).error
        assert error is not None
        assert "It said nothing. What ends a process without an exception is os._exit()" in error

    in_world(test)


def test_a_crashed_replica_comes_back_under_another_number(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", num_replicas=2)
        world.manager.exit("m.1.0", -9, "killed")
        assert await world.changes.wait_for(lambda: world.replicas() == ["m.1.1", "m.1.2"], 5)
        texts = [event.text for event in world.events.last(9)]
        assert "Starting replica 0 of m:1." in texts
        assert any(text.startswith("Replica 0 of m:1 ended by itself with exit code -9.") for text in texts)

    in_world(test)


def test_a_replica_that_crashes_again_and_again_is_started_ever_less_often(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < 30:
            for name in world.replicas():
                world.manager.exit(name, 1, "boom")
            await asyncio.sleep(0.1)
        assert 4 <= len(world.manager.started) <= 12
        assert world.reconciler.crash_loop("m", "1") == "boom"
        loops = [event.text for event in world.events.last(100) if event.kind == "crash_loop"]
        assert len(loops) == 1
        assert "m:1 crash again and again" in loops[0]

    in_world(test)


def test_scaling_down_stops_the_newest(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", num_replicas=3)
        await world.control.scaling.set_num_replicas("m", "1", 1)
        assert await world.changes.wait_for(lambda: world.replicas() == ["m.1.0"], 5)

    in_world(test)


def test_a_link_is_compared_with_the_version_that_answers(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        for name, input_type in (("texts", "strings"), ("numbers", "doubles")):
            await world.control.applications.register(ApplicationSpec(name, input_type, "", 1000, []))
        link = world.control.applications.link
        await world.deploy("1")
        world.state.add_version(Version("m", "2", "strings", None, [], 0, make_current=False, state="ready"))
        with pytest.raises(BadRequest, match="takes doubles in version 1, and application texts strings"):
            await link("texts", "m")
        await link("numbers", "m")
        await world.control.applications.unlink("numbers", "m")
        await world.control.current.set("m", "2", "", "")
        await link("texts", "m")

    in_world(test)


def test_a_link_fits_also_what_is_about_to_become_current(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.control.applications.register(ApplicationSpec("texts", "strings", "", 1000, []))
        world.state.add_version(Version("m", "1", "strings", None, [], 0))
        world.state.came_up(world.state.versions()[0])
        world.sees_ready = False
        deploying = asyncio.create_task(world.deploy("2"))
        await asyncio.sleep(1)
        with pytest.raises(BadRequest, match="takes doubles in version 2, and application texts strings"):
            await world.control.applications.link("texts", "m")
        world.sees_ready = True
        await deploying
        assert world.state.current() == {"m": "2"}

    in_world(test)


def test_a_version_of_another_type_is_not_made_current_where_the_model_is_linked(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        current = world.control.current
        await world.control.applications.register(ApplicationSpec("texts", "strings", "", 1000, []))
        await world.deploy("1")
        for version in ("2", "3"):
            world.state.add_version(Version("m", version, "strings", None, [], 0, make_current=False))
            world.state.came_up(world.state.versions()[-1])
        await current.set("m", "2", "", "")
        await world.control.applications.link("texts", "m")
        refused = "linked to application texts, which takes strings: version . takes doubles.*Unlink"
        with pytest.raises(BadRequest, match=refused):
            await current.set("m", "1", "", "")
        with pytest.raises(BadRequest, match=refused):
            await current.roll_back("m", "", "")
        with pytest.raises(BadRequest, match=refused):
            await world.deploy("4")
        assert (await world.deploy("4", make_current=False)).state == "ready"
        assert world.state.current() == {"m": "2"}
        await current.set("m", "3", "", "")
        await world.control.versions.remove([("m", "3")])
        assert world.state.current() == {"m": "2"}
        await world.control.versions.remove([("m", "2")])
        assert world.state.current() == {}
        await world.control.applications.unlink("texts", "m")
        await current.set("m", "1", "", "")

    in_world(test)


@pytest.mark.parametrize("label", ["a:b", "a,b", "A", "", "a b", "x" * 64])
def test_a_label_is_refused_as_a_name_is(in_world: InWorld, label: str) -> None:
    async def test(world: World) -> None:
        with pytest.raises(BadRequest, match="cannot be the name of a label"):
            await world.control.versions.deploy(
                Version("m", "1", "doubles", world.artifact, ["good", label], 1)
            )
        assert world.state.versions() == []

    in_world(test)


async def drain(name: str, *, at_once: bool = False) -> None:
    """What a container manager stops here drains for ever."""


def states(world: World) -> dict[str, str]:
    return {status.name: state for status, state in world.running.replicas()}


@pytest.mark.parametrize("autoscaled", [False, True])
def test_what_is_scaled_down_counts_no_longer_when_the_call_returns(
    in_world: InWorld, autoscaled: bool
) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", 3)
        world.manager.stop = drain  # type: ignore[method-assign]
        world.speaks = False
        await asyncio.sleep(3)  # no frontend is live, so that none holds the call up
        if autoscaled:
            await world.control.scaling.set_autoscaling("m", "1", Autoscaling(1, 1))
        else:
            await world.control.scaling.set_num_replicas("m", "1", 1)
        assert states(world) == {"m.1.0": "starting", "m.1.1": "stopping", "m.1.2": "stopping"}
        assert world.running.counted("m", "1") == 1

    in_world(test)


def test_what_is_removed_counts_no_longer_when_the_call_returns(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", 2)
        world.manager.stop = drain  # type: ignore[method-assign]
        world.speaks = False
        await asyncio.sleep(3)
        await world.control.versions.remove([("m", "1")])
        assert states(world) == {"m.1.0": "stopping", "m.1.1": "stopping"}

    in_world(test)


def test_what_cannot_be_stopped_holds_nobody_up_for_long_and_is_told(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", 2)

        async def hang() -> list[Status]:
            await asyncio.sleep(60)
            return []

        world.manager.poll = hang  # type: ignore[method-assign]
        before = asyncio.get_running_loop().time()
        await world.control.scaling.set_num_replicas("m", "1", 1)
        assert asyncio.get_running_loop().time() - before < 15
        assert world.events.last(1)[0].text == (
            "m:1 still has more replicas than it should: they could not be stopped yet."
        )

    in_world(test)


def test_a_removed_version_loses_its_replicas(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", num_replicas=2)
        await world.control.versions.remove([("m", "1")])
        assert await world.changes.wait_for(lambda: world.replicas() == [], 5)
        assert world.state.current() == {}

    in_world(test)


def test_a_version_that_is_removed_and_deployed_again_has_replicas_of_other_names(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", num_replicas=2)
        await world.control.versions.remove([("m", "1")])
        await world.deploy("1")
        started = [name for name in world.manager.started if name.startswith("m.")]
        assert started == ["m.1.0", "m.1.1", "m.1.2"]

    in_world(test)


def test_a_dead_frontend_and_a_silent_one_are_replaced(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        world.manager.exit("query-0", -9)
        assert await world.changes.wait_for(lambda: world.manager.started.count("query-0") == 2, 5)
        world.speaks = False
        assert await world.changes.wait_for(lambda: world.manager.started.count("query-0") == 3, 20)

    in_world(test)


def test_a_replica_that_hangs_is_killed_and_replaced(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", num_replicas=2)
        world.hangs["m.1.0"] = "Replica 0 of m:1 hangs."
        assert await world.changes.wait_for(lambda: world.replicas() == ["m.1.1", "m.1.2"], 5)
        assert world.manager.killed == ["m.1.0"]
        assert world.state.versions()[0].state == "ready"
        assert any("hangs" in event.text for event in world.events.last(20))

    in_world(test)


@pytest.mark.parametrize("num_frontends", [3])
def test_a_version_is_ready_when_every_frontend_has_it(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.blind.add("1")
        deploying = asyncio.create_task(world.deploy("1"))
        assert not await world.changes.wait_for(lambda: world.state.current() != {}, 10)
        assert [s.name for s in world.running.frontends()] == ["query-0", "query-1", "query-2"]
        world.blind.clear()
        assert (await deploying).state == "ready"

    in_world(test)


def test_batching_changes_while_the_replicas_run_on(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        before = world.state.revision
        changed = await world.control.versions.set_batching("m", "1", BatchingSpec("fixed", 4))
        assert str(changed.batching) == "fixed(4)"
        assert world.control.snapshot().versions[0].batching == changed.batching
        assert world.state.revision == before + 1
        assert world.manager.started.count("m.1.0") == 1
        assert world.replicas() == ["m.1.0"]

    in_world(test)


def test_a_frontend_that_falls_silent_does_not_hold_a_call(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        world.speaks = False
        loop = asyncio.get_running_loop()
        began = loop.time()
        await world.control.applications.register(ApplicationSpec("a", "doubles", 0, 1000, []))
        assert loop.time() - began < 6

    in_world(test)


def test_what_cannot_be_is_refused_with_advice(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        control = world.control

        def version(**options: Any) -> Version:
            return Version("m", "3", "doubles", world.artifact, [], 1, **options)

        await world.deploy("1")
        await control.applications.register(ApplicationSpec("a", "doubles", 0, 1000, []))
        await control.applications.register(ApplicationSpec("b", "strings", 0, 1000, []))
        refused: list[tuple[type[Exception], str, Callable[[], Coroutine[Any, Any, object]]]] = [
            (AlreadyExists, "Deploy under a new version", lambda: world.deploy("1")),
            (BadRequest, "packaged for inputs of the type doubles", lambda: world.deploy("2", 1, "json")),
            (AlreadyExists, "unregister_application", lambda: control.applications.register(app("a"))),
            (BadRequest, "lower-case", lambda: control.applications.register(app("A_b"))),
            (BadRequest, "microseconds", lambda: control.applications.register(app("c", slo=0))),
            (NotFound, "Models: m.", lambda: control.applications.link("a", "n")),
            (NotFound, "Applications: a, b.", lambda: control.applications.link("n", "m")),
            (BadRequest, "must be the same", lambda: control.applications.link("b", "m")),
            (NotFound, "Its versions: 1.", lambda: control.current.set("m", "2", "me", "")),
            (BadRequest, "from 0 to 100", lambda: control.scaling.set_num_replicas("m", "1", -1)),
            (NotFound, "nonexistent link", lambda: control.applications.unlink("a", "m")),
            (BadRequest, "hang_after_s", lambda: control.versions.deploy(version(hang_after_s=0.0))),
            (BadRequest, "max_cached_input", lambda: control.versions.deploy(version(max_cached_input=-1))),
            (NotFound, "Its versions: 1.", lambda: control.versions.set_batching("m", "2", BatchingSpec())),
        ]
        for error, advice, call in refused:
            with pytest.raises(error, match=advice):
                await call()

    in_world(test)


def app(name: str, slo: int = 1000) -> ApplicationSpec:
    return ApplicationSpec(name, "doubles", 0, slo, [])


def test_however_many_replicas_there_are_readiness_is_looked_up_once_a_version(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await world.deploy("1", num_replicas=20)
        looked_up: list[tuple[str, str]] = []
        look_up = world.frontends.ready_replicas

        def counted(model: str, version: str) -> set[str]:
            looked_up.append((model, version))
            return look_up(model, version)

        world.frontends.ready_replicas = counted  # type: ignore[method-assign]
        assert [state for _, state in world.running.replicas()] == ["ready"] * 20
        assert looked_up == [("m", "1")]

    in_world(test)


class FullDisk:
    """What the state writes raises, and no process's record can be written, until there is room."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._manager = world.manager
        for name in ("add_event", "set", "next_replica", "set_version_state", "set_num_replicas"):
            monkeypatch.setattr(world.state, name, self._refuse)
        self._manager.broken = "The process cannot be started: No space left on device."

    def _refuse(self, *_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def end(self) -> None:
        self._patch.undo()
        self._manager.broken = ""


def test_with_a_full_disk_and_a_dead_frontend_the_reconciler_neither_spins_nor_stops(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.deploy("2", make_current=False)
        starts = 0
        start = world.manager.start

        async def count(spec: Spec) -> None:
            nonlocal starts
            starts += 1
            await start(spec)

        monkeypatch.setattr(world.manager, "start", count)
        disk = FullDisk(world, pytest.MonkeyPatch())
        world.manager.exit("query-0", -9)
        await asyncio.sleep(60)
        assert 5 < starts < 30
        assert world.supervisor.failing() == ["reconciler"]
        (said,) = world.supervisor.troubles()
        assert "No space left on device" in said
        assert any("Query frontend 0 ends again and again" in text for text in world.reconciler.troubles())
        world.hangs["m.2.0"] = "It hangs."  # nor is the rest left undone
        assert await world.changes.wait_for(lambda: "m.2.0" in world.manager.killed, 10)
        disk.end()
        back = {"query-0", "m.1.0", "m.2.1"}
        assert await world.changes.wait_for(lambda: back == world.manager.running.keys(), 60)
        assert await world.changes.wait_for(lambda: not world.supervisor.failing(), 60)

    in_world(test)


def test_a_frontend_that_dies_again_and_again_is_started_ever_less_often(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        loop = asyncio.get_running_loop()
        started: list[float] = []
        start = world.manager.start

        async def dies(spec: Spec) -> None:
            await start(spec)
            started.append(loop.time())
            world.manager.exit(spec.name, 1, "no such module")

        world.manager.start = dies  # type: ignore[method-assign]
        await asyncio.sleep(60)
        apart = [b - a for a, b in pairwise(started)]
        assert apart[0] < 0.1, "one death is no loop"
        assert apart[-1] >= 5
        assert len(started) < 20
        (trouble,) = world.reconciler.troubles()
        assert "Its last words: no such module" in trouble
        world.manager.start = start  # type: ignore[method-assign]
        await asyncio.sleep(10)
        assert "query-0" in world.manager.running
        await asyncio.sleep(60)
        assert world.reconciler.troubles() == []

    in_world(test)


def test_one_version_that_cannot_be_reconciled_keeps_no_other_from_it(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        await world.deploy("1")
        await world.deploy("2")
        next_replica = world.state.next_replica

        def odd(model: str, version: str) -> int:
            if version == "1":
                raise ZeroDivisionError
            return next_replica(model, version)

        monkeypatch.setattr(world.state, "next_replica", odd)
        world.manager.exit("m.1.0", 1)
        world.manager.exit("m.2.0", 1)
        assert await world.changes.wait_for(lambda: "m.2.1" in world.manager.running, 30)
        assert any(e.kind == "error" and "ZeroDivisionError" in e.text for e in world.events.last(20))

    in_world(test)
