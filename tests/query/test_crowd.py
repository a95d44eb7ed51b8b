from __future__ import annotations

import asyncio
import random

import pytest

from clipper_container.wire import Fault
from clipper_server.query.crowd import Crowd, worth_holding
from clipper_server.snapshot import BatchingSpec
from tests.support.fakes import Asker, FakeReplica, new_queue
from tests.support.virtual_time import run

CONSTANT = [(1.0, 0.008), (64.0, 0.008)]  # seconds by cost: a batch takes what a single input takes


class NobodyComesBack(Crowd):
    def missing(self, now: float) -> tuple[float, float]:
        return 0.0, 0.0

    def after(self, count: int) -> tuple[float, float]:
        return 0.0, 0.0


def test_who_comes_back_after_an_answer_is_counted_and_timed() -> None:
    crowd = Crowd()
    for round_ in range(20):
        crowd.answered(round_, 10)
        for i in range(10):
            crowd.came(round_ + 0.001 * (i + 1))
    assert crowd.back_s == pytest.approx(0.009, rel=0.02)
    crowd.answered(20, 10)
    missing, back_in_s = crowd.missing(20.002)
    assert missing == pytest.approx(10, rel=0.01)
    assert back_in_s == pytest.approx(0.007, rel=0.02)
    for i in range(7):
        crowd.came(20 + 0.001 * i)
    assert crowd.missing(20.007)[0] == pytest.approx(3, rel=0.03)


def test_who_does_not_come_back_is_soon_not_expected() -> None:
    crowd = Crowd()
    for _ in range(20):
        crowd.answered(0, 10)
        for _ in range(10):
            crowd.came(0.001)
    for round_ in range(1, 9):
        crowd.answered(round_, 10)
    assert crowd.missing(9)[0] < 2


def test_holding_is_worth_it_where_a_larger_batch_takes_no_longer() -> None:
    assert worth_holding(lambda cost: 0.008, 32, 32, 0.002)
    assert not worth_holding(lambda cost: 0.008, 32, 32, 0.006)  # too long
    assert not worth_holding(lambda cost: 0.008, 60, 1, 0.002)  # for too few
    assert not worth_holding(lambda cost: 0.001 * cost, 32, 32, 0.002)  # two batches would take as long
    assert not worth_holding(lambda cost: None, 32, 32, 0.002)  # nobody knows


@pytest.mark.parametrize("batching", [BatchingSpec("learned"), BatchingSpec("aimd")])
def test_clients_that_ask_again_at_once_share_a_batch(batching: BatchingSpec) -> None:
    """In halves, each half would wait while the other one is served."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue(batching=batching)
        replica = FakeReplica(queue, cost_s=0.008, measured=CONSTANT)
        chance = random.Random(1)
        waits: list[float] = []

        async def client(at: float) -> None:
            await asyncio.sleep(at)
            for _ in range(100):
                await asyncio.sleep(chance.uniform(0.0002, 0.002))
                began = loop.time()
                assert not isinstance(await Asker(queue, "q", 1).done, Fault)
                waits.append(loop.time() - began)

        await asyncio.gather(*(client(0.004 * (i % 2)) for i in range(32)))
        late = sorted(waits[len(waits) // 2 :])
        assert late[len(late) // 2] < 0.0105, "half of them waited for more than one batch"
        sizes = [len(batch) for batch in replica.batches[len(replica.batches) // 2 :]]
        assert sorted(sizes)[len(sizes) // 2] >= 25
        assert queue.metrics.dispatches["crowd"] > 50

    run(main())


@pytest.mark.parametrize(
    "rate", [20, pytest.param(100, marks=pytest.mark.slow), pytest.param(500, marks=pytest.mark.slow), 3000]
)
def test_clients_that_come_of_themselves_do_not_wait_longer_for_it(rate: int) -> None:
    async def mean_s(hold: bool) -> float:
        loop = asyncio.get_running_loop()
        queue = new_queue()
        if not hold:
            queue.crowd = NobodyComesBack()
        FakeReplica(queue, cost_s=0.008, measured=CONSTANT)
        chance = random.Random(rate)
        waits: list[float] = []

        async def client() -> None:
            began = loop.time()
            assert not isinstance(await Asker(queue, "q", 1).done, Fault)
            waits.append(loop.time() - began)

        clients = []
        for _ in range(4000):
            await asyncio.sleep(chance.expovariate(rate))
            clients.append(asyncio.create_task(client()))
        await asyncio.gather(*clients)
        assert max(waits) < 4 * 0.008
        return sum(waits) / len(waits)

    assert run(mean_s(True)) <= 1.01 * run(mean_s(False))


def test_after_the_crowd_a_lone_query_goes_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue()
        FakeReplica(queue, cost_s=0.008, measured=CONSTANT)

        async def client() -> None:
            for _ in range(20):
                await Asker(queue, "q", 1).done
                await asyncio.sleep(0.001)

        await asyncio.gather(*(client() for _ in range(16)))
        await asyncio.sleep(0.1)
        began = loop.time()
        await Asker(queue, "q", 1).done
        assert loop.time() - began == pytest.approx(0.008)

    run(main())
