from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper_container.wire import Fault
from clipper_server.query.cache import Cache
from clipper_server.query.task import Outcome
from clipper_server.snapshot import BatchingSpec
from tests.support.fakes import Asker, FakeReplica, fixed, new_queue
from tests.support.virtual_time import run


async def gather(askers: list[Asker]) -> list[Outcome]:
    return list(await asyncio.gather(*(asker.done for asker in askers)))


# Order, credits, late binding


def test_what_comes_together_goes_together_and_the_most_urgent_first() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(32))
        replica = FakeReplica(queue)
        askers = [Asker(queue, name, objective) for name, objective in [("c", 3), ("a", 1), ("b", 2)]]
        await gather(askers)
        assert replica.batches == [["a", "b", "c"]]

    run(main())


@pytest.mark.parametrize(
    ("costs_s", "batches"),
    [
        pytest.param((2e-5, 4e-5), [["a", "b"]], id="less than a batch"),
        pytest.param((2e-5, 4e-3), [["a"], ["b"]], id="more, with what waits"),
    ],
)
def test_a_model_that_takes_less_than_a_batch_costs_waits_a_turn_for_more(
    costs_s: tuple[float, float], batches: list[list[str]]
) -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(32))
        replica = FakeReplica(queue, cost_s=1e-5, measured=[(1, costs_s[0]), (2, costs_s[1])])
        askers = [Asker(queue, "a", 1), Asker(queue, "a", 1)]
        await asyncio.sleep(0)
        askers.append(Asker(queue, "b", 1))
        await gather(askers)
        assert replica.batches == [["a", *batch] if batch[0] == "a" else batch for batch in batches]

    run(main())


def test_no_batch_is_larger_than_the_way_of_batching_allows() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(2))
        replica = FakeReplica(queue)
        await gather([Asker(queue, str(i), 1) for i in range(5)])
        assert [len(batch) for batch in replica.batches] == [2, 2, 1]
        assert dict(queue.metrics.dispatches) == {"full": 2, "idle": 1}

    run(main())


def test_without_a_credit_the_backlog_waits_where_it_can_be_reordered() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(1))
        replica = FakeReplica(queue, credits=1)
        first = Asker(queue, "first", 5)
        await asyncio.sleep(0)
        late, urgent = Asker(queue, "late", 9), Asker(queue, "urgent", 1)
        await gather([first, late, urgent])
        assert replica.batches == [["first"], ["urgent"], ["late"]]

    run(main())


def test_a_busy_replica_gets_its_next_batch_just_before_it_is_free() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(8))
        replica = FakeReplica(queue, cost_s=0.1, measured=[(1, 0.1), (8, 0.1)])
        askers = [Asker(queue, "0", 5)]
        await asyncio.sleep(0.01)
        askers.append(Asker(queue, "1", 5))
        await asyncio.sleep(0.05)
        askers.append(Asker(queue, "urgent", 1))
        await gather(askers)
        assert replica.batches == [["0"], ["urgent", "1"]]
        second = replica.dispatches[1]
        assert 0.07 < second.sent_at < 0.1
        assert asyncio.get_running_loop().time() == pytest.approx(0.2)  # it was never idle in between

    run(main())


def test_a_lone_query_on_an_idle_replica_goes_at_once() -> None:
    async def main() -> None:
        queue = new_queue()
        FakeReplica(queue, cost_s=0.01, measured=[(1, 0.01), (64, 0.011)])
        asker = Asker(queue, "q", 1)
        await asker.done
        assert asyncio.get_running_loop().time() == pytest.approx(0.01)
        assert dict(queue.metrics.dispatches) == {"idle": 1}

    run(main())


def test_a_batch_delay_lets_a_batch_grow_and_no_longer_than_asked() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(4, delay_micros=20_000))
        replica = FakeReplica(queue, cost_s=0.01, measured=[(1, 0.01), (4, 0.01)])
        askers = [Asker(queue, "0", 1)]
        await asyncio.sleep(0.015)
        askers.append(Asker(queue, "1", 1))
        await gather(askers)
        assert replica.batches == [["0", "1"]]
        assert replica.dispatches[0].sent_at == pytest.approx(0.02)
        four = [Asker(queue, str(i), 1) for i in range(4)]
        began = asyncio.get_running_loop().time()
        await gather(four)
        assert replica.dispatches[1].sent_at == pytest.approx(began)  # a full one does not wait
        hurried = Asker(queue, "hurried", 0.02)
        assert await hurried.done == b"hurried"
        assert dict(queue.metrics.dispatches) == {"timer": 1, "full": 1, "deadline": 1}

    run(main())


def linear(size: int) -> float:
    return 0.01 * size


def hardly_longer(size: int) -> float:
    return 0.01 + 1e-6 * size


def long_for_any(size: int) -> float:
    return 0.05 + 0.001 * size


@pytest.mark.parametrize(
    ("takes", "count", "most", "sizes"),
    [
        (linear, 8, 64, [2, 2, 2, 2]),
        (linear, 3, 64, [1, 1, 1]),
        (linear, 11, 64, [2, 3, 3, 3]),
        (hardly_longer, 8, 64, [8]),  # more batches would cost more than they save
        (long_for_any, 8, 64, [8]),  # they would keep all four busy for 52 ms, and not one for 58
        (long_for_any, 40, 64, [40]),
        (hardly_longer, 40, 32, [20, 20]),  # there are two in any case
        (linear, 200, 32, [32] * 6 + [8]),
    ],
)
def test_idle_replicas_share_what_waits_where_that_is_quicker(
    takes: Callable[[int], float], count: int, most: int, sizes: list[int]
) -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(most))
        measured = [(float(size), takes(size)) for size in (1, 2, 4, 8, 16, 32, 64)]
        replicas = [FakeReplica(queue, takes, measured=measured) for _ in range(4)]
        await gather([Asker(queue, str(i), 100) for i in range(count)])
        assert sorted(len(batch) for replica in replicas for batch in replica.batches) == sorted(sizes)

    run(main())


def test_idle_replicas_take_turns() -> None:
    async def main() -> None:
        queue = new_queue()
        replicas = [FakeReplica(queue) for _ in range(3)]
        for i in range(6):
            await Asker(queue, str(i), 100).done
        assert [len(replica.batches) for replica in replicas] == [2, 2, 2]

    run(main())


def test_of_two_replicas_the_faster_gets_more() -> None:
    async def main() -> None:
        queue = new_queue()
        costs: list[Callable[[int], float]] = [lambda n: 0.002 + 0.0002 * n, lambda n: 0.006 + 0.0006 * n]
        fast, slow = (FakeReplica(queue, cost_s=cost, measured=[(1, cost(1))]) for cost in costs)

        async def client() -> None:
            for _ in range(60):
                assert not isinstance(await Asker(queue, "q", 1).done, Fault)

        await asyncio.gather(*(client() for _ in range(64)))
        served = [sum(map(len, replica.batches)) for replica in (fast, slow)]
        assert served[0] >= 2.5 * served[1]

    run(main())


def test_without_a_credit_one_is_asked_for_once() -> None:
    async def main() -> None:
        queue = new_queue()
        replica = FakeReplica(queue, credits=0)
        asker = Asker(queue, "q", 1)
        await asyncio.sleep(0.01)
        assert replica.asked == 1
        replica.credits += 1
        queue.pump_soon()
        assert await asker.done == b"q"

    run(main())


def test_another_way_of_batching_holds_at_once_and_replicas_run_on() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(4))
        replica = FakeReplica(queue)
        await gather([Asker(queue, str(i), 1) for i in range(4)])
        queue.configure(msgspec.structs.replace(queue.spec, batching=BatchingSpec("off")))
        await gather([Asker(queue, str(i), 1) for i in range(3)])
        assert [len(batch) for batch in replica.batches] == [4, 1, 1, 1]

    run(main())


def test_cost_may_be_what_a_size_function_says() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(10), size="len(x)", input_type="strings")
        replica = FakeReplica(queue)
        await gather([Asker(queue, name, 1) for name in ["aaaa", "bbbb", "cccc", "dddddddddddddddd"]])
        assert replica.batches == [["aaaa", "bbbb"], ["cccc"], ["dddddddddddddddd"]]

    run(main())


# Nobody waits, nobody is forgotten


def test_nobody_is_asked_what_nobody_waits_for() -> None:
    async def main() -> None:
        queue = new_queue()
        gone, waiting = Asker(queue, "gone", 1), Asker(queue, "waiting", 2)
        gone.task.leave(gone)
        replica = FakeReplica(queue)
        await waiting.done
        assert replica.batches == [["waiting"]]
        assert queue.metrics.not_begun == 1

    run(main())


def test_what_nobody_waits_for_does_not_pile_up() -> None:
    async def main() -> None:
        queue = new_queue()
        for i in range(500):
            asker = Asker(queue, str(i), 1000)
            asker.task.leave(asker)
        Asker(queue, "last", 1000)
        assert queue.waiting.count == 1
        assert len(queue.waiting) < 200

    run(main())


def test_the_reason_at_the_deadline_is_the_true_one() -> None:
    async def main() -> None:
        queue = new_queue()

        async def reason() -> str:
            asker = Asker(queue, "q", 1)
            await asker.done
            return asker.fault.reason

        assert await reason() == "no_replicas"
        queue.starting = 1
        assert await reason() == "starting"
        queue.starting = 0
        replica = FakeReplica(queue, cost_s=60)
        assert await reason() == "deadline"
        replica.die()
        FakeReplica(queue, cost_s=60)
        assert await reason() == "deadline"

    run(main())


def test_a_version_with_no_replicas_to_come_answers_at_once() -> None:
    async def main() -> None:
        asker = Asker(new_queue(num_replicas=0), "q", 9)
        assert asker.fault.reason == "no_replicas"

    run(main())


def test_a_version_that_sleeps_is_woken_once_and_says_starting_where_that_takes_too_long() -> None:
    async def main() -> None:
        woken: list[float] = []
        loop = asyncio.get_running_loop()
        queue = new_queue(num_replicas=0, wakes=True, wake=lambda: woken.append(loop.time()))
        impatient, patient = Asker(queue, "impatient", 1), Asker(queue, "patient", 9)
        await impatient.done
        assert impatient.fault.reason == "starting"
        assert woken == [0.0]
        FakeReplica(queue)
        assert await patient.done == b"patient"

    run(main())


def test_what_is_asked_and_what_a_replica_can_answer_is_known() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(8))
        assert queue.capacity(1.0) is None
        FakeReplica(queue, cost_s=0.1, measured=[(1, 0.1), (8, 0.1)])
        FakeReplica(queue, cost_s=0.1, measured=[(1, 0.1), (8, 0.1)])
        assert queue.capacity(1.0) == pytest.approx(80)
        askers = [Asker(queue, str(i), 0.15) for i in range(20)]
        assert queue.asked() == 20
        await asyncio.sleep(0.05)
        assert queue.asked() == 20
        await gather(askers)
        assert queue.asked() == 20
        sized = new_queue(batching=fixed(8), size="len(x)", input_type="strings")
        FakeReplica(sized, cost_s=0.1, measured=[(1, 0.1), (8, 0.1)])
        await Asker(sized, "four", 1).done
        assert sized.capacity(1.0) == pytest.approx(20)  # inputs, of a cost of four each

    run(main())


def test_a_version_that_is_stopped_answers_all_that_wait() -> None:
    async def main() -> None:
        queue = new_queue()
        askers = [Asker(queue, str(i), 9) for i in range(3)]
        queue.close("m:1 was stopped.")
        assert [asker.fault.message for asker in askers] == ["m:1 was stopped."] * 3

    run(main())


# Overload


def sleeper(size: int) -> float:
    """A thousand a second."""
    return 0.001 * size


def test_what_replicas_take_is_looked_at_anew_some_milliseconds_after_it_has_changed() -> None:
    async def main() -> None:
        replica = FakeReplica(queue := new_queue(), cost_s=1.0)
        replica.credits = 0  # all of it waits
        for cost in (1, 8):
            replica.table.observe(cost, 0.001 * cost)
        waiting = [Asker(queue, f"{i}", 0.1) for i in range(10)]
        task = Asker(queue, "next", 0.1, put=False).task
        admission = queue.admission

        def refused() -> bool:
            return admission.refusal(task, 0.0) is not None

        admission.changed(0.0)
        assert not refused()
        for _ in range(4):
            for cost in (1, 8):
                replica.table.observe(cost, 0.05 * cost)
        admission.changed(0.001)
        assert not refused()
        admission.changed(0.02)
        assert refused()
        assert len(waiting) == 10

    run(main())


def test_who_is_refused_is_told_how_much_of_its_time_predictions_may_fill() -> None:
    async def main() -> None:
        replica = FakeReplica(queue := new_queue(), measured=[(1, 0.191), (2, 0.382)])
        replica.credits, replica.free_at = 0, 0.2
        waits = Asker(queue, "first", 9)
        near = Asker(queue, "near", 0.4, put=False).task
        far = Asker(queue, "far", 0.3, put=False).task
        for task, has in ((near, 400), (far, 300)):
            told = queue.admission.refusal(task, 0.0)
            assert told == (
                "is overloaded: a query waits, and this one would be answered in about 391 ms. "
                f"Predictions are not exact, and may fill 90 % of the {has} ms that it has. "
                "More replicas would help"
            )
        assert not waits.done.done()

    run(main())


def test_under_overload_capacity_is_used_and_the_rest_is_told_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue()
        FakeReplica(queue, cost_s=sleeper, measured=[(1, 0.001), (2, 0.002), (4, 0.004)])
        seconds = 3
        waits: dict[str, list[float]] = {"ok": [], "overload": [], "deadline": []}

        async def client() -> None:
            began = loop.time()
            outcome = await Asker(queue, "q", 0.1).done
            kind = outcome.reason if isinstance(outcome, Fault) else "ok"
            waits[kind].append(loop.time() - began)

        clients = []
        for i in range(3000 * seconds):
            await asyncio.sleep(max(0.0, i / 3000 - loop.time()))
            clients.append(asyncio.create_task(client()))
        await asyncio.gather(*clients)
        assert len(waits["ok"]) >= 0.85 * 1000 * seconds
        assert len(waits["deadline"]) <= 0.01 * 3000 * seconds
        told = sorted(waits["overload"])
        assert told[len(told) // 2] < 0.01
        # Afterwards it is as if nothing had been.
        await asyncio.sleep(0.2)
        began = loop.time()
        assert await Asker(queue, "q", 0.1).done == b"q"
        assert loop.time() - began < 0.01

    run(main())


def test_what_fits_into_the_next_batch_is_never_too_much() -> None:
    async def main() -> None:
        queue = new_queue()
        FakeReplica(queue, cost_s=0.009, measured=[(1, 0.009), (64, 0.0095)])
        first = Asker(queue, "first", 0.02)
        await asyncio.sleep(0.004)
        await gather(others := [Asker(queue, str(i), 0.02) for i in range(60)])
        assert not any(isinstance(asker.done.result(), Fault) for asker in [first, *others])

    run(main())


def test_the_queue_is_bounded() -> None:
    async def main() -> None:
        queue = new_queue()
        queue.admission.most = 10
        askers = [Asker(queue, str(i), 9) for i in range(12)]
        assert [asker.fault.reason for asker in askers if asker.done.done()] == ["overload"] * 2
        assert askers[10].fault.message == "m:1 takes no more: 10 queries wait already."

    run(main())


def test_an_urgent_query_is_not_refused_for_the_patient_that_wait() -> None:
    async def main() -> None:
        queue = new_queue()
        FakeReplica(queue, cost_s=sleeper, measured=[(1, 0.001), (32, 0.032)])
        patient = [Asker(queue, str(i), 10) for i in range(1000)]
        await asyncio.sleep(0.05)
        urgent = Asker(queue, "urgent", 0.1)
        assert await urgent.done == b"urgent"
        await gather(patient)

    run(main())


# Failures


def test_a_lost_replica_costs_no_answer_while_another_one_lives() -> None:
    async def main() -> None:
        queue = new_queue()
        dying = FakeReplica(queue, cost_s=1)
        asker = Asker(queue, "q", 9)
        await asyncio.sleep(0.1)
        FakeReplica(queue)
        dying.die()
        assert await asker.done == b"q"

    run(main())


def test_a_query_that_two_replicas_die_with_is_not_tried_on_a_third() -> None:
    async def main() -> None:
        queue = new_queue()
        asker = Asker(queue, "q", 9)
        for _ in range(2):
            replica = FakeReplica(queue, cost_s=1)
            await asyncio.sleep(0.1)
            replica.die()
        assert asker.fault.reason == "replica_lost"

    run(main())


def test_a_query_of_death_takes_no_other_with_it_and_not_the_whole_fleet() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue(batching=fixed(32))
        replicas: list[FakeReplica] = []

        class Mortal(FakeReplica):
            def _reply(self, dispatch: object, inputs: list[bytes], cost_s: float) -> None:
                if self.alive and b"death" in inputs:
                    self.die()
                else:
                    super()._reply(dispatch, inputs, cost_s)  # type: ignore[arg-type]

        replicas += [Mortal(queue, cost_s=0.01, name=str(i)) for i in range(3)]
        names = [str(i) for i in range(20)]
        names.insert(7, "death")
        askers = [Asker(queue, name, 5) for name in names]
        await asyncio.sleep(0.005)
        later = [Asker(queue, f"later {i}", 5) for i in range(20)]
        await gather([*askers, *later])
        assert askers[7].fault.reason == "replica_lost"
        assert [a.done.result() for a in askers if a is not askers[7]] == [
            name.encode() for name in names if name != "death"
        ]
        assert not any(isinstance(asker.done.result(), Fault) for asker in later)
        assert sum(replica.alive for replica in replicas) == 1
        assert loop.time() < 1

    run(main())


def poisoned(inputs: list[bytes]) -> list[Outcome] | Fault:
    if any(i.startswith(b"poison") for i in inputs):
        return Fault("model_error", "The model raised ValueError: poison")
    return list(inputs)


@pytest.mark.parametrize("place", [0, 13, 31])
def test_one_bad_input_costs_one_answer(place: int) -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(32))
        replica = FakeReplica(queue, cost_s=0.01, measured=[(1, 0.01), (32, 0.01)], answer=poisoned)
        names = ["poison" if i == place else str(i) for i in range(32)]
        askers = [Asker(queue, name, 10 * 0.01) for name in names]
        await gather(askers)
        assert askers[place].fault.reason == "model_error"
        good = [asker.done.result() for asker in askers if asker is not askers[place]]
        assert good == [name.encode() for name in names if name != "poison"]
        assert len(replica.batches) <= 8

    run(main())


def test_a_batch_of_bad_inputs_is_not_run_for_ever() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(32))
        replica = FakeReplica(queue, cost_s=0.01, answer=poisoned)
        askers = [Asker(queue, f"poison {i}", 100) for i in range(32)]
        await gather(askers)
        assert {asker.fault.reason for asker in askers} == {"model_error"}
        assert len(replica.batches) <= 1 + 14
        assert queue.metrics.retries == len(replica.batches) - 1

    run(main())


def test_the_search_for_a_bad_input_stays_behind_healthy_traffic_and_is_not_starved_by_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue(batching=fixed(8))
        replica = FakeReplica(queue, cost_s=0.01, measured=[(1, 0.01), (8, 0.01)], answer=poisoned)
        batch = [Asker(queue, "poison" if i == 3 else f"old {i}", 0.5) for i in range(8)]

        async def healthy() -> None:
            while loop.time() < 0.5:
                assert not isinstance(await Asker(queue, "healthy", 0.2).done, Fault)

        await asyncio.gather(*(healthy() for _ in range(16)))
        await gather(batch)
        assert sum(isinstance(asker.done.result(), Fault) for asker in batch) == 1
        reasons = [dispatch.reason for dispatch in replica.dispatches]
        assert not any(a == b == "retry" for a, b in itertools.pairwise(reasons))

    run(main())


def test_the_search_ends_with_the_time_that_is_left() -> None:
    async def main() -> None:
        queue = new_queue(batching=fixed(32))
        replica = FakeReplica(queue, cost_s=0.01, measured=[(1, 0.01), (32, 0.01)], answer=poisoned)
        askers = [Asker(queue, "poison" if i == 0 else str(i), 0.025) for i in range(32)]
        await gather(askers)
        assert {asker.fault.reason for asker in askers if isinstance(asker.done.result(), Fault)} <= {
            "model_error",
            "deadline",
        }
        assert len(replica.batches) <= 3

    run(main())


# The cache


def test_a_late_answer_still_fills_the_cache() -> None:
    async def main() -> None:
        cache = Cache(1 << 20)
        queue = new_queue(cache)
        FakeReplica(queue, cost_s=1)
        key = cache.key(queue.id, Asker(queue, "q", 9, put=False).task.tensor, False, 100)
        assert key is not None
        asker = Asker(queue, "q", 0.5, key=key)
        await asker.done
        assert asker.fault.reason == "deadline"
        await asyncio.sleep(1)
        assert cache.output(key) == b"q"
        queue.close("stopped")
        assert cache.output(key) is None
        assert cache.used == 0

    run(main())


# Everything at once


@settings(deadline=None, max_examples=60)
@given(
    arrivals=st.lists(st.tuples(st.floats(0, 0.1), st.floats(0.001, 0.2)), min_size=1, max_size=60),
    costs=st.lists(st.floats(0.001, 0.05), min_size=1, max_size=3),
    batching=st.sampled_from(
        [
            fixed(1),
            fixed(3),
            fixed(8, 5000),
            BatchingSpec("aimd"),
            BatchingSpec(),
            BatchingSpec(delay_micros=9000),
        ]
    ),
    death=st.none() | st.floats(0, 0.1),
    poisons=st.sets(st.integers(0, 59), max_size=3),
    gone=st.sets(st.integers(0, 59), max_size=5),
)
def test_every_query_is_answered_once_and_by_its_deadline(
    arrivals: list[tuple[float, float]],
    costs: list[float],
    batching: BatchingSpec,
    death: float | None,
    poisons: set[int],
    gone: set[int],
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue(batching=batching)
        replicas = [FakeReplica(queue, cost_s=cost, answer=poisoned) for cost in costs]
        if death is not None:
            loop.call_later(death, replicas[0].die)

        async def client(i: int, at: float, objective: float) -> None:
            await asyncio.sleep(at)
            began = loop.time()
            name = f"poison {i}" if i in poisons else str(i)
            asker = Asker(queue, name, objective)
            if i in gone:
                asker.task.leave(asker)
                return
            outcome = await asker.done  # an Asker fails where it is answered twice
            assert loop.time() - began <= objective + 1e-6
            assert isinstance(outcome, Fault) or (outcome == name.encode() and i not in poisons)

        await asyncio.gather(*(client(i, at, objective) for i, (at, objective) in enumerate(arrivals)))
        await asyncio.sleep(10)
        sent = [name for replica in replicas for batch in replica.batches for name in batch]
        names = {f"poison {i}" if i in poisons else str(i) for i in range(len(arrivals))}
        assert set(sent) <= names  # no input that no client sent
        for replica in replicas:
            for dispatch, batch in zip(replica.dispatches, replica.batches, strict=True):
                assert len(batch) == dispatch.size
                assert dispatch.size <= max(1, dispatch.limit)
                if batching.way == "fixed" and dispatch.reason != "retry":
                    assert dispatch.size <= batching.size
        if not poisons:
            assert all(sent.count(name) <= (1 if death is None else 2) for name in names)
        assert queue.waiting.count == 0

    run(main())


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), fixed_s=st.floats(0, 0.01), each_s=st.floats(0.0001, 0.002))
def test_under_capacity_every_answer_comes_within_its_objective(
    seed: int, fixed_s: float, each_s: float
) -> None:
    """Poisson arrivals at half of what batches of ten can serve, and an objective of five such batches."""

    def cost(size: int) -> float:
        return fixed_s + each_s * size

    async def main() -> None:
        loop = asyncio.get_running_loop()
        chance = random.Random(seed)
        queue = new_queue()
        FakeReplica(queue, cost_s=cost, measured=[(n, cost(n)) for n in (1, 2, 4, 8, 16)])
        rate, objective = 0.5 * 10 / cost(10), max(0.01, 5 * cost(10))
        askers = []
        for _ in range(300):
            await asyncio.sleep(chance.expovariate(rate))
            askers.append(Asker(queue, "q", objective))
        await gather(askers)
        late = [asker.fault for asker in askers if isinstance(asker.done.result(), Fault)]
        assert not late, late[0]
        assert loop.time() > 0

    run(main())


def test_an_overhead_that_is_over_is_forgotten_by_a_busy_replica_too() -> None:
    async def main() -> None:
        queue = new_queue()
        replica = FakeReplica(queue, cost_s=0.1, measured=[(1, 0.1), (8, 0.1)])
        replica.table.overhead_s = 1.0  # as after a moment in which the frontend had far too much to do
        first = Asker(queue, "0", 5)
        await asyncio.sleep(0.01)
        second = Asker(queue, "1", 5)
        await gather([first, second])
        assert [dispatch.was_idle for dispatch in replica.dispatches] == [True, False]
        assert replica.table.overhead_s == pytest.approx(0.9**2)

    run(main())
