"""Replicas that work on several batches at once, in virtual time: what is predicted, admitted, lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clipper_container.wire import Fault
from clipper_server.query.latencies import Latencies
from clipper_server.snapshot import BatchingSpec
from tests.support.fakes import Asker, FakeReplica, new_queue
from tests.support.virtual_time import run

OFF = BatchingSpec("off")
TAKES_S = 0.02


def test_latency_is_learned_by_how_many_there_are_at_once() -> None:
    latencies = Latencies(32)
    latencies.seen(1).observe(1.0, 0.01)
    latencies.seen(3).observe(1.0, 0.03)
    latencies.seen(32).observe(1.0, 0.3)
    assert [latencies.at(n).mean(1.0) for n in (1, 2, 3, 4, 20, 32, 99)] == [
        *(0.01, 0.03, 0.03, 0.03, 0.03, 0.3, 0.3)
    ]
    assert [(row.at_once, row.mean_ms) for row in latencies.rows()] == [(1, 10.0), (2, 30.0), (32, 300.0)]


@pytest.mark.parametrize(
    ("each_s", "calls", "is_told"), [(0.1, False, True), (0.012, False, False), (0.1, True, False)]
)
def test_several_at_once_that_gain_nothing_are_told(each_s: float, calls: bool, is_told: bool) -> None:
    latencies = Latencies(8, calls=calls)
    for _ in range(30):
        latencies.seen(1).observe(1.0, 0.01)
        assert not latencies.useless()
    for _ in range(30):
        latencies.seen(8).observe(1.0, each_s)
    assert ("concurrency=8" in latencies.useless()) is is_told


async def _load(queue: Any, rate: float, seconds: float, objective_s: float) -> list[Asker]:
    loop, asked = asyncio.get_running_loop(), []
    begins = loop.time()
    for i in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begins + i / rate - loop.time()))
        asked.append(Asker(queue, f"{i}", objective_s))
    await asyncio.gather(*(each.done for each in asked))
    return asked


@pytest.mark.parametrize("concurrency", [4, 32])
def test_it_carries_nine_tenths_of_its_capacity_within_the_objective(concurrency: int) -> None:
    async def main() -> None:
        queue = new_queue(concurrency=concurrency, batching=OFF)
        FakeReplica(queue, TAKES_S)
        asked = await _load(queue, 0.9 * concurrency / TAKES_S, 2.0, 5 * TAKES_S)
        late = sum(isinstance(each.done.result(), Fault) for each in asked)
        assert late <= 0.01 * len(asked)
        assert queue.capacity(5 * TAKES_S) == pytest.approx(concurrency / TAKES_S, rel=0.1)

    run(main())


def test_beyond_its_capacity_who_would_be_late_is_refused_at_once() -> None:
    async def main() -> None:
        queue = new_queue(concurrency=8, batching=OFF)
        FakeReplica(queue, TAKES_S)
        asked = await _load(queue, 2 * 8 / TAKES_S, 2.0, 4 * TAKES_S)
        good = [each for each in asked if not isinstance(each.done.result(), Fault)]
        assert len(good) >= 0.9 * len(asked) / 2
        assert {each.fault.reason for each in asked if each not in good} <= {"overload", "deadline"}
        assert sum(each.fault.reason == "overload" for each in asked if each not in good) > 100

    run(main())


def test_what_a_replica_had_when_it_died_is_tried_once_more_together() -> None:
    async def main() -> None:
        queue = new_queue(concurrency=8, batching=OFF)
        first = FakeReplica(queue, TAKES_S)
        asked = [Asker(queue, f"{i}", 1.0) for i in range(8)]
        await asyncio.sleep(TAKES_S / 2)
        assert len(first.in_flight) == 8
        second = FakeReplica(queue, TAKES_S)
        first.die()
        await asyncio.sleep(TAKES_S / 2)
        assert len(second.in_flight) == 8
        second.die()
        await asyncio.sleep(0)
        assert {each.fault.reason for each in asked} == {"replica_lost"}

    run(main())
