"""A version that is scaled automatically is waited for where it really wakes, and is as any other else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clipper_container.tensors import Tensor
from clipper_server.policies import SplitSpec
from clipper_server.query.application import Application
from clipper_server.query.configuration import Configuration
from clipper_server.query.missing import why_unable
from clipper_server.query.queue import ModelQueue
from clipper_server.query.request import Answer, Request
from clipper_server.query.waking import RISE_S
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, new_queue, version_spec
from tests.support.virtual_time import run

SLEEPS: dict[str, Any] = {"wakes": True, "num_replicas": 0}
WAKES: dict[str, Any] = {"wakes": True, "num_replicas": 1}


def awake(queue: ModelQueue) -> None:
    """Management has heard that somebody waits, and a replica is started."""
    queue.configure(version_spec(**WAKES))


def test_one_that_sleeps_or_is_on_its_way_up_is_waited_for() -> None:
    async def main() -> None:
        queue = new_queue(**SLEEPS)
        assert queue.able
        assert why_unable(queue).reason == "starting"
        awake(queue)
        assert queue.able
        assert why_unable(queue).reason == "starting"

    run(main())


def test_one_whose_replicas_are_gone_is_not_until_it_sleeps_again() -> None:
    async def main() -> None:
        queue = new_queue(**SLEEPS)
        awake(queue)
        FakeReplica(queue).die()
        assert not queue.able
        assert why_unable(queue).reason == "no_replicas"
        awake(queue)  # the same is wanted as before
        assert not queue.able
        queue.configure(version_spec(**SLEEPS))
        assert queue.able

    run(main())


def test_one_that_never_slept_is_as_one_that_is_not_scaled_automatically() -> None:
    async def main() -> None:
        for wakes in (True, False):
            queue = new_queue(wakes=wakes)
            assert not queue.able
            assert why_unable(queue).reason == "no_replicas"

    run(main())


def test_one_that_gets_its_first_replica_by_hand_is_not_waited_for() -> None:
    async def main() -> None:
        queue = new_queue(num_replicas=0)
        queue.configure(version_spec())
        assert not queue.able

    run(main())


def test_a_replica_that_was_ready_while_it_went_to_sleep_changes_nothing() -> None:
    async def main() -> None:
        queue = new_queue(**WAKES)
        replica = FakeReplica(queue)
        queue.configure(version_spec(**SLEEPS))
        replica.die()
        assert queue.able

    run(main())


def test_one_whose_first_replica_cannot_load_the_model_is_no_longer_waited_for() -> None:
    async def main() -> None:
        queue = new_queue(**SLEEPS)
        awake(queue)
        queue.starting += 2
        assert queue.able
        queue.fell()
        assert (queue.starting, queue.able) == (1, True)
        queue.fell()
        assert (queue.starting, queue.able) == (0, False)

    run(main())


def test_one_that_does_not_come_is_waited_for_so_long_and_no_longer() -> None:
    async def main() -> None:
        queue = new_queue(**SLEEPS)
        awake(queue)
        seen = []
        for wait_s in (RISE_S - 1, 2):
            await asyncio.sleep(wait_s)
            seen.append(queue.able)
        FakeReplica(queue)
        assert [*seen, queue.able] == [True, False, True]

    run(main())


def test_one_that_is_no_longer_scaled_automatically_is_not_waited_for() -> None:
    async def main() -> None:
        queue = new_queue(**SLEEPS)
        awake(queue)
        queue.configure(version_spec())
        assert not queue.able

    run(main())


def split(**b: Any) -> tuple[Configuration, Application]:
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    policy = SplitSpec({"a": 0.5, "b": 0.5})
    spec = ApplicationSpec("app", "strings", "?", 100_000, ["a", "b"], policy=policy)
    versions = [version_spec(model=name, input_type="strings", **(b if name == "b" else {})) for name in "ab"]
    configuration.apply(Snapshot(1, [spec], versions, {"a": "1", "b": "1"}))
    return configuration, configuration.applications["app"]


def attach(configuration: Configuration, model: str) -> FakeReplica:
    queue = configuration.queue(model, "1")
    assert queue is not None
    return FakeReplica(queue, answer=lambda inputs: [model.encode()] * len(inputs))


async def said(application: Application) -> list[Answer]:
    requests = [Request("test", [Tensor(b"x", (1,), "str")]) for _ in range(30)]
    return [answer for request in requests for answer in await application.answers(request)]


@pytest.mark.parametrize("slept", [True, False])
def test_an_arm_whose_replicas_crashed_gives_its_share_to_the_others_at_once_and_it_is_counted(
    slept: bool,
) -> None:
    async def main() -> None:
        configuration, application = split(**(SLEEPS if slept else WAKES))
        attach(configuration, "a")
        if slept:
            assert {answer.fault.reason for answer in await said(application) if answer.fault} == {"starting"}
            assert application.metrics.arms["b"].skipped == 0
            snapshot = configuration.snapshot
            assert snapshot is not None
            a, _ = snapshot.versions
            b = version_spec(model="b", input_type="strings", **WAKES)
            configuration.apply(Snapshot(2, snapshot.applications, [a, b], snapshot.current))
            assert {answer.fault.reason for answer in await said(application) if answer.fault} == {"starting"}
        there = attach(configuration, "b")
        assert {answer.output for answer in await said(application)} == {b"a", b"b"}
        there.die()
        answers = await said(application)
        assert {answer.output for answer in answers} == {b"a"}
        assert application.metrics.arms["b"].skipped == len(answers)
        trace = configuration.traces.find(answers[0].query_id)
        assert trace is not None
        assert trace.chosen is not None
        assert (trace.chosen.propensity, trace.chosen.skipped) == (1.0, ("b",))
        attach(configuration, "b")
        assert {answer.output for answer in await said(application)} == {b"a", b"b"}

    run(main())


def test_an_arm_that_does_not_come_leaves_its_share_when_it_was_waited_for_long_enough() -> None:
    async def main() -> None:
        configuration, application = split(**SLEEPS)
        attach(configuration, "a")
        snapshot = configuration.snapshot
        assert snapshot is not None
        b = version_spec(model="b", input_type="strings", **WAKES)
        configuration.apply(Snapshot(2, snapshot.applications, [snapshot.versions[0], b], snapshot.current))
        assert any(answer.fault for answer in await said(application))
        assert [version.waking for version in configuration.report().versions] == [False, True]
        await asyncio.sleep(RISE_S)
        assert {answer.output for answer in await said(application)} == {b"a"}
        assert [version.waking for version in configuration.report().versions] == [False, False]

    run(main())
