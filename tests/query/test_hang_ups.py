"""Clients that hang up before their answer: it counts as a late one of the version that had their query."""

from __future__ import annotations

import asyncio

import pytest

from clipper_container.tensors import Tensor
from clipper_server.management.control.rollouts import GUARDRAILS
from clipper_server.management.judge import Judge
from clipper_server.policies import SplitSpec
from clipper_server.query.application import Application
from clipper_server.query.calls import Call
from clipper_server.query.configuration import Configuration
from clipper_server.query.metrics import CallMetrics
from clipper_server.query.policies import Between
from clipper_server.query.request import Request
from clipper_server.query.rollouts import Side
from clipper_server.query.task import Dispatch
from clipper_server.query.traces import describe
from clipper_server.rollouts import ArmCounts, RolloutSpec, Shares
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.virtual_time import run

QUICK_S, SLOW_S = 0.01, 0.5
PATIENCE_S = 0.1  # of clients, which is less than the objective


def configured(policy: SplitSpec | None = None) -> tuple[Configuration, Application]:
    """Version 2 is the canary of the model m, with half of the queries, or an arm; it is slow."""
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    spec = ApplicationSpec("app", "strings", "?", 1_000_000, ["m"], policy=policy)
    versions = [version_spec(version=version, input_type="strings") for version in "12"]
    rollouts = [] if policy else [RolloutSpec(1, "m", "1", "2")]
    configuration.apply(Snapshot(1, [spec], versions, {"m": "1"}, rollouts=rollouts))
    configuration.rollouts.hear(Shares(1, {1: 0.5}, lifetime_s=1e9))
    for version, cost_s in (("1", QUICK_S), ("2", SLOW_S)):
        queue = configuration.queue("m", version)
        assert queue is not None
        for name in map(str, range(40)):
            FakeReplica(queue, cost_s, name=name)
    return configuration, configuration.applications["app"]


async def ask(application: Application, patience_s: float = PATIENCE_S, inputs: int = 1) -> None:
    """As a client does that hangs up when it has waited for so long."""
    tensors = [Tensor(b"x", (1,), "str")] * inputs
    query = application.ask(Request("test", tensors), lambda _answers: None)
    await asyncio.sleep(patience_s)
    query.cancel()


def counts(configuration: Configuration) -> list[tuple[ArmCounts, ArmCounts]]:
    """Of the control and of the canary, by epoch."""
    return [(told.control, told.canary) for told in configuration.rollouts.report()]


def test_a_canary_that_is_so_slow_that_clients_hang_up_is_taken_back() -> None:
    async def main() -> None:
        configuration, application = configured()
        for epoch in range(1, 5):
            configuration.rollouts.hear(Shares(epoch, {1: 0.5}, lifetime_s=1e9))
            await asyncio.gather(*(ask(application) for _ in range(50)))
        judge = Judge(GUARDRAILS, 0.0, 0.0)
        for second, (control, canary) in enumerate(counts(configuration)):
            judge.add(control, canary, 0.5, float(second))
        assert judge.control.chosen + judge.canary.chosen == 200
        assert (judge.control.late, judge.control.errors, judge.canary.errors) == (0, 0, 0)
        verdict = judge.verdict(4.0, 0.5)
        assert verdict.kind == "fail"
        said = f"{judge.canary.chosen:,} in {judge.canary.chosen:,} inputs of the new version, 0 in"
        assert "Too many late answers" in verdict.text
        assert said in verdict.text

    run(main())


@pytest.mark.parametrize("inputs", [3, 5000])
def test_a_client_that_hangs_up_counts_once_however_much_it_asked(inputs: int) -> None:
    async def main() -> None:
        configuration, application = configured()
        configuration.rollouts.hear(Shares(2, {1: 1.0}, lifetime_s=1e9))
        await ask(application, SLOW_S / 2, inputs)
        await asyncio.sleep(1)  # what is done in slices is done
        ((_, canary),) = counts(configuration)
        assert (canary.chosen, canary.late) == (1, 1)
        assert application.metrics.cancelled == inputs

    run(main())


def test_one_that_hangs_up_before_anything_was_asked_counts_for_nobody() -> None:
    async def main() -> None:
        configuration, application = configured()
        configuration.rollouts.hear(Shares(2, {1: 1.0}, lifetime_s=1e9))
        query = application.ask(Request("test", [Tensor(b"x", (1,), "str")] * 5000), lambda _answers: None)
        query.cancel()
        await asyncio.sleep(1)
        ((_, canary),) = counts(configuration)
        assert (canary.chosen, application.metrics.cancelled) == (0, 5000)

    run(main())


def test_one_that_hangs_up_after_its_answer_changes_nothing() -> None:
    async def main() -> None:
        configuration, application = configured()
        await asyncio.gather(*(ask(application, 2 * SLOW_S) for _ in range(20)))
        ((control, canary),) = counts(configuration)
        assert (control.chosen + canary.chosen, control.late, canary.late) == (20, 0, 0)

    run(main())


def test_an_arm_is_late_for_them_too() -> None:
    async def main() -> None:
        _, application = configured(SplitSpec({"m:1": 0.5, "m:2": 0.5}))
        await asyncio.gather(*(ask(application) for _ in range(40)))
        quick, slow = (application.metrics.arms[name] for name in ("m:1", "m:2"))
        assert quick.chosen + slow.chosen == 40
        assert (quick.faults.total(), dict(slow.faults)) == (0, {"deadline": slow.chosen})

    run(main())


@pytest.mark.parametrize("inputs", [1, 3, 5000])
def test_its_trace_says_that_the_client_left(inputs: int) -> None:
    async def main() -> None:
        configuration, application = configured(SplitSpec({"m:2": 1.0}))
        await ask(application, PATIENCE_S, inputs)
        await asyncio.sleep(1)
        trace = configuration.traces.last
        assert trace is not None
        story = describe(trace, "0")
        assert (story["answer"], story["reason"]) == ("cancelled", "not_needed")
        assert story["explanation"] == "The client left before there was an answer."
        (leg,) = story["models"]
        assert (leg["fault"], leg["explanation"]) == (
            "not_needed",
            "m:2 was not waited for: the client left.",
        )

    run(main())


def test_where_there_was_no_replica_its_trace_says_that_too() -> None:
    async def main() -> None:
        configuration, application = configured()
        queue = configuration.queue("m", "1")
        assert queue is not None
        configuration.rollouts.hear(Shares(2, {1: 0.0}, lifetime_s=1e9))
        queue.ready.clear()
        await ask(application)
        assert configuration.traces.last is not None
        (leg,) = describe(configuration.traces.last, "0")["models"]
        assert leg["fault"] == "no_replicas"

    run(main())


def test_a_pipeline_that_does_not_wait_for_a_side_is_as_a_client_that_hangs_up() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        configuration, _ = configured()
        queue = configuration.queue("m", "2")
        assert queue is not None
        side = Side(1, Between("m", "1", "2", 0.5), set())
        dispatch = Dispatch([], 1.0, 1.0, "idle", loop.time())
        for waits_s in (PATIENCE_S, 2 * SLOW_S):
            call = Call(1, 1, dispatch, loop.time() + 9, loop.time, lambda _: None, CallMetrics())
            call.put(configuration.cache, queue, Tensor(b"x", (1,), "str"), side)
            await asyncio.sleep(waits_s)
            call.leave()
        assert (side.counts.chosen, side.counts.late) == (2, 1)
        call = Call(1, 1, dispatch, loop.time() + 9, loop.time, lambda _: None, CallMetrics())
        call.put(configuration.cache, queue, Tensor(b"x", (1,), "str"), side)
        call.leave(counts=False)  # whoever called it is dead
        assert (side.counts.chosen, side.counts.late) == (2, 1)

    run(main())
