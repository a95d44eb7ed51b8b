"""Ensembles under load, on a virtual clock: stragglers and saturation cost little accuracy and no time."""

from __future__ import annotations

import asyncio
import random

import pytest

from clipper_container.tensors import Tensor
from clipper_server.policies import VoteSpec
from clipper_server.query.application import Application
from clipper_server.query.configuration import Configuration
from clipper_server.query.request import Answer, Request
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.virtual_time import run

OBJECTIVE_S = 0.1
LABELS = 10


def ensemble(members: int) -> tuple[Configuration, Application]:
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    names = [f"m{i}" for i in range(members)]
    spec = ApplicationSpec("app", "strings", "?", int(1e6 * OBJECTIVE_S), names, policy=VoteSpec(names))
    versions = [version_spec(model=name, input_type="strings") for name in names]
    configuration.apply(Snapshot(1, [spec], versions, dict.fromkeys(names, "1")))
    return configuration, configuration.applications["app"]


def member(configuration: Configuration, name: str, cost_s: float, right: float) -> FakeReplica:
    """Answers a batch in `cost_s` and a tenth of it for each input; so often right as `right`."""
    queue = configuration.queue(name, "1")
    assert queue is not None
    chance = random.Random(name)

    def answer(inputs: list[bytes]) -> list[bytes]:
        return [text if chance.random() < right else b"%d" % chance.randrange(LABELS) for text in inputs]

    return FakeReplica(queue, lambda size: cost_s * (1 + size / 10), answer=answer)  # type: ignore[arg-type]


async def load(application: Application, rate: float, count: int) -> tuple[list[float], float, list[Answer]]:
    """How long each of so many queries took, the share that was right, and the answers."""
    loop = asyncio.get_running_loop()
    chance = random.Random(1)
    took: list[float] = []
    answers: list[Answer] = []
    right = 0
    done = asyncio.Event()

    def asked(label: bytes) -> None:
        began = loop.time()

        def reply(replied: list[Answer]) -> None:
            nonlocal right
            took.append(loop.time() - began)
            answers.extend(replied)
            right += replied[0].output == label
            if len(took) == count:
                done.set()

        application.ask(Request("test", [Tensor(label, (1,), "str")]), reply)

    at = loop.time()
    for _ in range(count):
        at += chance.expovariate(rate)
        loop.call_at(at, asked, b"%d" % chance.randrange(LABELS))
    await done.wait()
    return sorted(took), right / count, answers


def p99(took: list[float]) -> float:
    return took[int(0.99 * len(took))]


@pytest.mark.slow
def test_one_straggler_of_eight_costs_no_time_and_little_accuracy() -> None:
    async def with_straggler(times: float) -> tuple[float, float, float]:
        configuration, application = ensemble(8)
        for i in range(8):
            member(configuration, f"m{i}", 0.02 * (times if i == 0 else 1), 0.75)
        took, right, answers = await load(application, 100, 1500)
        used = [answer.choice.used for answer in answers if answer.choice is not None]
        # Of the first few nobody knows how long a batch takes.
        assert all(answer.fault is None for answer in answers[20:])
        return p99(took), right, sum(used) / len(used)

    _, all_right, all_used = run(with_straggler(1.0))
    late, right, used = run(with_straggler(10.0))
    assert late <= 1.1 * OBJECTIVE_S
    assert all_right - right < 0.01
    assert all_used > 7.5
    assert 6.5 < used < 7.5


def test_saturated_members_do_no_work_that_nobody_waits_for() -> None:
    """At twice what four of eight members can do, the other four answer as if they were alone."""

    async def main(slow: int) -> tuple[float, float, int]:
        configuration, application = ensemble(4 + slow)
        replicas = [member(configuration, f"m{i}", 0.004, 0.75) for i in range(4)]
        # Batches cost 0.1 s and 10 ms an input: at most 90 inputs a second are in time.
        replicas += [member(configuration, f"m{i}", 0.1, 0.75) for i in range(4, 4 + slow)]
        took, right, answers = await load(application, 180, 1200)
        # A straggler's own batches: none has an input whose query was over when it began.
        stale = sum(
            task.entered_at + OBJECTIVE_S < dispatch.sent_at - 1e-9
            for replica in replicas[4:]
            for dispatch in replica.dispatches
            for task in dispatch.tasks
        )
        used = [answer.choice.used for answer in answers if answer.choice is not None]
        assert min(used[20:]) >= 4
        return p99(took), right, stale

    alone, right_alone, _ = run(main(0))
    late, right, stale = run(main(4))
    assert alone < OBJECTIVE_S
    assert late <= 1.1 * OBJECTIVE_S
    assert right >= right_alone - 0.01
    assert stale == 0
