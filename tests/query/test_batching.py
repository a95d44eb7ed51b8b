from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from clipper_container.wire import Fault
from clipper_server.query.batching import AIMD, Fixed, Learned, way_of
from clipper_server.query.latency import LatencyTable
from clipper_server.snapshot import BatchingSpec
from tests.support.fakes import Asker, FakeReplica, new_queue
from tests.support.virtual_time import run


def linear(*costs: int) -> LatencyTable:
    """10 ms, and 1 ms more for each input."""
    table = LatencyTable()
    for cost in costs:
        for _ in range(20):
            table.observe(cost, 0.010 + 0.001 * cost)
    return table


def test_learned_takes_what_fits_into_the_time_that_is_left() -> None:
    table = linear(1, 2, 4, 8, 16, 32, 64, 128)
    limit, reason = Learned().limit(table, 0.1)
    assert reason == "deadline"
    p99 = table.p99(limit)
    assert p99 is not None
    assert 0.08 < p99 <= 0.09 * 1.001


def test_learned_explores_by_doubling_while_there_is_time() -> None:
    table = linear(1)
    assert Learned().limit(table, 10)[0] == 2
    table.observe(2, 0.012)
    assert Learned().limit(table, 10)[0] == 4
    assert Learned().limit(table, 0.025)[0] == 2  # no time for twice what is predicted


def test_learned_does_not_make_a_batch_small_for_nothing() -> None:
    """Where a batch takes hardly longer than one input, a smaller one would not be answered sooner."""
    table = LatencyTable()
    for cost in (1, 8, 64):
        for _ in range(20):
            table.observe(cost, 0.010 + 0.00001 * cost)
    assert Learned().limit(table, 0.011)[0] >= 64


def test_aimd_adds_two_and_takes_a_tenth() -> None:
    way, table = AIMD(), LatencyTable()
    sizes = []
    for latency in (0.01, 0.01, 0.01, 0.06, 0.048):
        way.observe(table, way.limit(table, 1)[0], latency, 0.1)
        sizes.append(way.limit(table, 1)[0])
    assert sizes == pytest.approx([3, 5, 7, 6.3, 6.3])


def test_aimd_learns_nothing_from_a_batch_that_was_not_full() -> None:
    way, table = AIMD(), LatencyTable()
    for _ in range(10):
        way.observe(table, 1, 0.001, 0.1)
    assert way.limit(table, 1)[0] == 3


def test_aimd_does_not_make_a_batch_small_for_nothing() -> None:
    """Where a single input takes as long, a smaller batch would not be quicker."""
    way, table = AIMD(), LatencyTable()
    for cost in (1, 8):
        table.observe(cost, 0.060)
    for _ in range(10):
        way.observe(table, way.limit(table, 1)[0], 0.062, 0.1)
    assert way.limit(table, 1)[0] == 21


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (BatchingSpec(), Learned),
        (BatchingSpec("aimd"), AIMD),
        (BatchingSpec("fixed", 7), Fixed),
        (BatchingSpec("off"), Fixed),
    ],
)
def test_each_way_of_batching_has_its_object(spec: BatchingSpec, kind: type) -> None:
    assert isinstance(way_of(spec), kind)


def test_off_is_one_at_a_time() -> None:
    assert way_of(BatchingSpec("off")).limit(LatencyTable(), 1) == (1, "full")


@pytest.mark.parametrize("way", ["learned", "aimd"])
def test_after_a_step_in_cost_the_objective_holds_again_within_twenty_batches(way: str) -> None:
    """The model becomes three times slower, and later as quick as it was."""
    factor = 1.0

    def cost(size: int) -> float:
        return factor * (0.002 + 0.0004 * size)

    async def main() -> None:
        nonlocal factor
        loop = asyncio.get_running_loop()
        queue = new_queue(batching=BatchingSpec(way))  # type: ignore[arg-type]
        replica = FakeReplica(queue, cost_s=cost, measured=[(n, cost(n)) for n in (1, 2, 4, 8, 16, 32)])

        async def load(seconds: float) -> None:
            """64 clients, each with one query after the other."""
            end = loop.time() + seconds

            async def client() -> None:
                while loop.time() < end:
                    if isinstance(await Asker(queue, "q", 0.05).done, Fault):
                        await asyncio.sleep(0.001)

            await asyncio.gather(*(client() for _ in range(64)))

        await load(1)
        before = _usual(replica)
        factor = 3.0
        first = len(replica.dispatches)
        await load(1)
        late = [i for i, d in enumerate(replica.dispatches[first:]) if (d.compute_s or 0) > 0.05 and i >= 20]
        assert not late
        assert _usual(replica) < before
        factor = 1.0
        await load(2)
        assert _usual(replica) >= 0.8 * before
        assert not isinstance(await Asker(queue, "q", 0.05).done, Fault)

    run(main())


def _usual(replica: FakeReplica) -> float:
    """The mean size of the last batches."""
    last = replica.dispatches[-20:]
    return sum(dispatch.size for dispatch in last) / len(last)


def test_sizes_are_learned_from_what_clients_send() -> None:
    """Without a warm-up the table is empty: it fills with the batches of real queries, and with no other."""

    async def main() -> None:
        queue = new_queue()
        cost: Callable[[int], float] = lambda n: 0.001 + 0.0001 * n  # noqa: E731
        replica = FakeReplica(queue, cost_s=cost)
        askers = [Asker(queue, str(i), 1) for i in range(200)]
        await asyncio.gather(*(asker.done for asker in askers))
        sizes = [dispatch.size for dispatch in replica.dispatches]
        assert sizes[0] == 1
        assert max(sizes) >= 64
        assert all(later <= 2 * max(sizes[: i + 1]) for i, later in enumerate(sizes[1:]))
        assert sum(sizes) == 200

    run(main())
