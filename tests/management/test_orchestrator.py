"""Management over something that counts replicas itself, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.resources import Resources
from clipper_server.management.api.describe import Describe
from clipper_server.management.state import Autoscaling
from clipper_server.places import ByCpu, Orchestrator, Status, Trouble, Wanted
from clipper_server.snapshot import VersionReport
from tests.management.test_reconciler import World
from tests.support.fakes import FakeManager
from tests.support.virtual_time import run


class FakeOrchestrator(FakeManager):
    """Has as many as are wanted, at once, and one query frontend."""

    def __init__(self) -> None:
        super().__init__()
        self.running["query-0"] = Status("query-0", "query", {"frontend": "0"}, 0, None, "")
        self.marked: set[str] = set()
        self.wrong: list[Trouble] = []
        self.surging: set[str] = set()  # more than there should be, until they are ready
        self.made = 0
        self.by_cpu: dict[tuple[str, str], ByCpu | None] = {}
        self.installing: dict[tuple[str, str], str] = {}
        self.decision: tuple[int, str] | None = None  # on each that is scaled by its CPU load

    def number(self, frontend: str) -> int:
        return 0

    def preparing(self, model: str, version: str) -> str:
        return self.installing.get((model, version), "")

    def decided(self, model: str, version: str) -> tuple[int, str] | None:
        return self.decision if self.by_cpu.get((model, version)) else None

    async def want(self, wanted: Sequence[Wanted], ready: Collection[str]) -> None:
        if self.broken:
            raise ClusterError(self.broken)
        self.marked = set(ready)
        keys = [(one.spec.labels["model"], one.spec.labels["version"]) for one in wanted]
        self.by_cpu = {key: one.by_cpu for key, one in zip(keys, wanted, strict=True)}
        counts = {key: one.num_replicas for key, one in zip(keys, wanted, strict=True)}
        have: dict[tuple[str, str], list[str]] = {key: [] for key in counts}
        for name, status in list(self.running.items()):
            if status.kind == "replica" and name not in self.surging:
                key = (status.labels["model"], status.labels["version"])
                if key in have and len(have[key]) < counts[key]:
                    have[key].append(name)
                else:
                    del self.running[name]
        for (model, version), names in have.items():
            for _ in range(counts[model, version] - len(names)):
                self.made += 1
                labels = {"model": model, "version": version, "replica": f"pod-{self.made}"}
                name = f"{model}.{version}.pod-{self.made}"
                self.running[name] = Status(name, "replica", labels, 0, None, "")

    def wires(self) -> list[str]:
        return []

    def troubles(self) -> list[Trouble]:
        return self.wrong


def in_world(folder: Path, test: Any, manager: FakeOrchestrator | None = None) -> None:
    manager = manager or FakeOrchestrator()

    async def main() -> None:
        assert isinstance(manager, Orchestrator)
        world = World(folder, 1, manager)
        tasks: list[Coroutine[Any, Any, None]] = [world.frontend("0"), world.reconcile()]
        running = [asyncio.create_task(task) for task in tasks]
        try:
            await test(world, manager)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            world.state.close()

    run(main())


def test_it_says_what_is_wanted_and_starts_nothing(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        assert (await world.deploy("1", 2)).state == "ready"
        await world.deploy("2")
        assert len(world.replicas()) == 3
        assert manager.started == []
        await world.control.scaling.set_num_replicas("m", "1", 1)
        await asyncio.sleep(1)
        assert [name.startswith("m.1.") for name in world.replicas()] == [True, False]
        assert manager.marked == set(world.replicas())
        await world.control.versions.remove([("m", "1")])
        await asyncio.sleep(1)
        assert [name.startswith("m.2.") for name in world.replicas()] == [True]

    in_world(tmp_path, test)


def test_what_the_engine_stops_counts_no_longer_when_the_call_returns(tmp_path: Path) -> None:
    class Slow(FakeOrchestrator):
        """Takes a second to pick the replicas that go, and they drain for ever."""

        async def want(self, wanted: Sequence[Wanted], ready: Collection[str]) -> None:
            before = dict(self.running)
            await super().want(wanted, ready)
            gone = before.keys() - self.running.keys()
            self.running = before | self.running
            if gone:
                asyncio.get_running_loop().call_later(1, self.mark, gone)

        def mark(self, names: Collection[str]) -> None:
            for name in names:
                self.running[name] = dataclasses.replace(self.running[name], stopping=True)

    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1", 3)
        await world.deploy("2", 1)
        await world.control.scaling.set_num_replicas("m", "1", 1)
        assert [state for _, state in world.running.replicas()].count("stopping") == 2
        await world.control.versions.remove([("m", "2")])
        assert world.running.counted("m", "2") == 0
        assert len(world.running.replicas()) == 4

    in_world(tmp_path, test, Slow())


def test_only_what_every_frontend_has_is_marked(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        world.sees_ready = False
        deploying = asyncio.create_task(world.deploy("1"))
        await asyncio.sleep(2)
        assert len(world.replicas()) == 1
        assert manager.marked == set()
        world.sees_ready = True
        assert (await deploying).state == "ready"
        await asyncio.sleep(1)
        assert manager.marked == set(world.replicas())

    in_world(tmp_path, test)


@pytest.mark.parametrize("hopeless", [True, False])
def test_a_trouble_is_told_once_and_fails_the_deploy_where_there_is_no_hope(
    tmp_path: Path, hopeless: bool
) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        world.sees_ready = False
        subject = {"model": "m", "version": "1"}
        manager.wrong = [Trouble("The image is not there.", subject, hopeless)]
        deploying = asyncio.create_task(world.deploy("1"))
        await asyncio.sleep(5)
        assert [e.text for e in world.events.last(100)].count("The image is not there.") == 1
        assert world.reconciler.troubles("m", "1") == ["The image is not there."]
        assert world.reconciler.troubles("m", "2") == []
        if hopeless:
            failed = await deploying
            assert failed.state == "failed"
            assert "The image is not there." in str(failed.error)
            return
        manager.wrong = []
        world.sees_ready = True
        assert (await deploying).state == "ready"
        assert world.reconciler.troubles("m", "1") == []

    in_world(tmp_path, test)


def test_a_trouble_that_comes_and_goes_is_told_once_a_minute(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        trouble = Trouble("The registry is slow.", {"model": "m", "version": "1"})

        def told() -> int:
            return [e.text for e in world.events.last(100)].count(trouble.text)

        for _ in range(10):
            manager.wrong = [trouble]
            await asyncio.sleep(1)
            manager.wrong = []
            await asyncio.sleep(1)
        assert told() == 1
        await asyncio.sleep(60)
        manager.wrong = [trouble]
        await asyncio.sleep(1)
        assert told() == 2

    in_world(tmp_path, test)


def test_how_far_a_version_is_with_its_packages_is_what_the_engine_says(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        version = await world.deploy("1")
        assert world.reconciler.preparing(version) == ""
        manager.installing = {("m", "1"): "pip installs six"}
        assert world.reconciler.preparing(version) == "pip installs six"

    in_world(tmp_path, test)


def test_what_is_wrong_with_the_cluster_itself_is_told_apart(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        manager.wrong = [
            Trouble("A frontend waits.", {}),
            Trouble("A replica waits.", {"model": "m", "version": "1"}),
        ]
        await asyncio.sleep(1)
        assert world.reconciler.troubles() == ["A frontend waits."]
        assert world.reconciler.troubles("m", "1") == ["A replica waits."]

    in_world(tmp_path, test)


def test_what_was_wrong_with_a_replica_is_told_no_more_of_a_version_that_has_them_all(tmp_path: Path) -> None:
    """The engine is looked at now and then: a replica may be ready by then, or another in its place."""

    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1")
        whose = {"model": "m", "version": "1"}
        one = Trouble("A node is drained.", {**whose, "replica": "pod-1"})
        manager.wrong = [one, Trouble("It is not scaled.", whose)]
        await asyncio.sleep(1)
        describe = Describe(world.state, world.reconciler, world.running, world.frontends)

        def told() -> tuple[str, list[str]]:
            version = world.state.version("m", "1")
            assert version is not None
            found = describe(version)
            return found["state"], found["warnings"]

        assert told() == ("ready", ["It is not scaled."])
        another = Trouble("Its image cannot be pulled.", {**whose, "replica": "pod-new"}, hopeless=True)
        labels = dict(another.subject)
        manager.surging = {"m.1.pod-new"}
        manager.running["m.1.pod-new"] = Status("m.1.pod-new", "replica", labels, 0, None, "")
        manager.wrong = [one, another]
        world.never_ready = {"pod-new"}
        await asyncio.sleep(1)
        assert told() == ("ready", [another.text])
        manager.wrong = [one, Trouble("It is not scaled.", whose)]
        manager.surging = set()
        assert one.text in [event.text for event in world.events.last(100)]
        world.sees_ready = False
        await asyncio.sleep(1)
        assert told() == ("starting", [one.text, "It is not scaled."])

    in_world(tmp_path, test)


def test_what_is_wrong_is_told_also_where_nothing_can_be_changed(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        manager.broken = "Nobody answers."
        manager.wrong = [Trouble("A replica waits.", {"model": "m", "version": "1"})]
        await asyncio.sleep(1)
        assert world.reconciler.troubles("m", "1") == ["A replica waits."]
        manager.wrong = []
        await asyncio.sleep(1)
        assert world.reconciler.troubles("m", "1") == []

    in_world(tmp_path, test)


def test_a_replica_that_is_put_off_for_minutes_is_a_crash_loop_all_the_while(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1")
        assert world.reconciler.crash_loop("m", "1") is None
        subject = {"model": "m", "version": "1"}
        manager.wrong = [Trouble("It ends again and again.", subject, last_words="boom")]
        await asyncio.sleep(300)
        assert world.reconciler.crash_loop("m", "1") == "boom"
        manager.wrong = []
        await asyncio.sleep(1)
        assert world.reconciler.crash_loop("m", "1") is None

    in_world(tmp_path, test)


def test_the_last_words_of_a_replica_are_told_for_a_minute(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1")
        (name,) = world.replicas()
        manager.exit(name, 137, "too little memory")
        await asyncio.sleep(2)
        assert world.reconciler.last_end("m", "1").endswith("Its last words: too little memory")
        assert world.reconciler.last_end("m", "2") == ""
        await asyncio.sleep(60)
        assert world.reconciler.last_end("m", "1") == ""

    in_world(tmp_path, test)


def test_what_the_engine_decides_by_cpu_is_taken_over_and_not_decided_here(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1", resources=Resources(cpus=1))
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(2, 5, 70))
        await asyncio.sleep(1)
        assert manager.by_cpu == {("m", "1"): ByCpu(2, 5, 70)}
        manager.decision = 4, "it uses 140 % of its CPU"
        await asyncio.sleep(2)
        assert len(world.replicas()) == 4
        assert "m:1 gets 4 replicas: it uses 140 % of its CPU." in [e.text for e in world.events.last(9)]
        await world.control.scaling.set_autoscaling("m", "1", None)
        manager.decision = 5, "nobody asks any more"
        await asyncio.sleep(2)
        assert manager.by_cpu == {("m", "1"): None}
        assert len(world.replicas()) == 4

    in_world(tmp_path, test)


@pytest.mark.parametrize(
    ("bounds", "cpus", "why"),
    [
        (Autoscaling(0, 5, 70), 1, "at least 1"),
        (Autoscaling(1, 5, 0), 1, "from 1 to 1000"),
        (Autoscaling(1, 5, 70), None, "asks for no CPU"),
    ],
)
def test_what_no_engine_can_do_by_cpu_is_refused(
    tmp_path: Path, bounds: Autoscaling, cpus: float | None, why: str
) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1", resources=Resources(cpus=cpus))
        with pytest.raises(BadRequest, match=why):
            await world.control.scaling.set_autoscaling("m", "1", bounds)
        assert world.state.versions()[0].autoscaling is None

    in_world(tmp_path, test)


def test_while_it_does_not_answer_nothing_is_lost(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1")
        before = world.replicas()
        manager.broken = "Nobody answers."
        await world.control.scaling.set_num_replicas("m", "1", 2)
        await asyncio.sleep(60)
        assert world.replicas() == before
        assert sum("Nobody answers." in e.text for e in world.events.last(100)) == 1
        manager.broken = ""
        await asyncio.sleep(3)
        assert len(world.replicas()) == 2

    in_world(tmp_path, test)


def test_one_that_somebody_else_ends_is_no_crash(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1")
        (name,) = world.replicas()
        labels = manager.running[name].labels
        manager.running[name] = Status(name, "replica", labels, 0, None, "", stopping=True)
        await asyncio.sleep(1)
        assert world.running.ready("m", "1") == 0
        manager.running[name] = Status(name, "replica", labels, 0, -1, "drained", stopping=True)
        await asyncio.sleep(1)
        texts = [e.text for e in world.events.last(100)]
        assert f"Stopped replica {labels['replica']} of m:1." in texts
        assert not any("ended by itself" in text for text in texts)

    in_world(tmp_path, test)


def test_frontends_learn_of_one_that_wakes_and_has_no_hope(tmp_path: Path) -> None:
    async def test(world: World, manager: FakeOrchestrator) -> None:
        await world.deploy("1")
        await world.control.scaling.set_autoscaling("m", "1", Autoscaling(0, 2))
        assert await world.changes.wait_for(lambda: world.replicas() == [], 90)
        manager.wrong = [Trouble("The image is not there.", {"model": "m", "version": "1"}, hopeless=True)]
        revision = world.state.revision
        await asyncio.sleep(2)
        assert world.state.revision == revision, "it sleeps"
        world.sees_ready = False
        world.loads = [VersionReport("m", "1", asked=1, waiting=1, capacity=None)]
        assert await world.changes.wait_for(lambda: not world.control.snapshot().versions[0].wakes, 2)

    in_world(tmp_path, test)
