from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from clipper_container.wire import Fault
from clipper_server.query.deadlines import Deadlines
from clipper_server.query.queue import ModelQueue
from clipper_server.query.task import Task

from .fakes import FakeReplica, make_task, version_spec
from .virtual_time import run


def new_queue(**changes: object) -> ModelQueue:
    return ModelQueue(version_spec(**changes), asyncio.get_running_loop())


def fault_of(task: Task) -> Fault:
    outcome = task.done.result()
    assert isinstance(outcome, Fault)
    return outcome


def test_what_comes_together_goes_together_and_the_most_urgent_first() -> None:
    async def main() -> None:
        queue = new_queue()
        replica = FakeReplica(queue)
        tasks = [make_task(name, deadline) for name, deadline in [("c", 3), ("a", 1), ("b", 2)]]
        for task in tasks:
            queue.put(task)
        await asyncio.gather(*(task.done for task in tasks))
        assert replica.batches == [["a", "b", "c"]]

    run(main())


def test_no_batch_is_larger_than_the_policy_allows() -> None:
    async def main() -> None:
        queue = new_queue(batch_size=2)
        replica = FakeReplica(queue)
        tasks = [make_task(str(i), 1) for i in range(5)]
        for task in tasks:
            queue.put(task)
        await asyncio.gather(*(task.done for task in tasks))
        assert [len(batch) for batch in replica.batches] == [2, 2, 1]

    run(main())


def test_without_a_credit_the_backlog_waits_where_it_can_be_reordered() -> None:
    async def main() -> None:
        queue = new_queue(batch_size=1)
        replica = FakeReplica(queue, credits=1)
        late, urgent = make_task("late", 9), make_task("urgent", 1)
        first = make_task("first", 5)
        queue.put(first)
        await asyncio.sleep(0)
        queue.put(late)
        queue.put(urgent)
        await asyncio.gather(first.done, late.done, urgent.done)
        assert replica.batches == [["first"], ["urgent"], ["late"]]

    run(main())


def test_idle_replicas_take_turns() -> None:
    async def main() -> None:
        queue = new_queue()
        replicas = [FakeReplica(queue) for _ in range(3)]
        for i in range(6):
            task = make_task(str(i), 100)
            queue.put(task)
            await task.done
        assert [len(replica.batches) for replica in replicas] == [2, 2, 2]

    run(main())


def test_nobody_is_asked_what_nobody_waits_for() -> None:
    async def main() -> None:
        queue = new_queue()
        gone, waiting = make_task("gone", 1), make_task("waiting", 2)
        queue.put(gone)
        queue.put(waiting)
        gone.done.cancel()
        replica = FakeReplica(queue)
        queue.pump_soon()
        await waiting.done
        assert replica.batches == [["waiting"]]

    run(main())


def test_a_lost_replica_costs_no_answer_while_another_one_lives() -> None:
    async def main() -> None:
        queue = new_queue()
        dying = FakeReplica(queue, cost_s=1)
        task = make_task("q", 9)
        queue.put(task)
        await asyncio.sleep(0.1)
        FakeReplica(queue)
        dying.die()
        assert await task.done == b"q"

    run(main())


def test_a_query_that_two_replicas_die_with_is_not_tried_on_a_third() -> None:
    async def main() -> None:
        queue = new_queue()
        task = make_task("q", 9)
        queue.put(task)
        for _ in range(2):
            replica = FakeReplica(queue, cost_s=1)
            queue.pump_soon()
            await asyncio.sleep(0.1)
            replica.die()
        assert fault_of(task).reason == "replica_lost"

    run(main())


def test_the_reason_at_the_deadline_is_the_true_one() -> None:
    async def main() -> None:
        queue = new_queue()
        deadlines = Deadlines(asyncio.get_running_loop())
        loop = asyncio.get_running_loop()

        async def reason() -> str:
            task = make_task("q", loop.time() + 1)
            queue.put(task)
            deadlines.watch(task, queue.expire)
            began = loop.time()
            await task.done
            assert loop.time() - began <= 1.01
            return fault_of(task).reason

        assert await reason() == "no_replicas"
        queue.starting = 1
        assert await reason() == "starting"
        queue.starting = 0
        FakeReplica(queue, cost_s=60)
        assert await reason() == "deadline"

    run(main())


def test_a_version_with_no_replicas_to_come_answers_at_once() -> None:
    async def main() -> None:
        queue = new_queue(num_replicas=0)
        task = make_task("q", 9)
        queue.put(task)
        assert fault_of(task).reason == "no_replicas"

    run(main())


def test_a_version_that_is_stopped_answers_all_that_wait() -> None:
    async def main() -> None:
        queue = new_queue()
        tasks = [make_task(str(i), 9) for i in range(3)]
        for task in tasks:
            queue.put(task)
        queue.close("m:1 was stopped.")
        assert [fault_of(task).message for task in tasks] == ["m:1 was stopped."] * 3

    run(main())


def test_expired_tasks_do_not_pile_up_without_replicas() -> None:
    async def main() -> None:
        queue = new_queue()
        deadlines = Deadlines(asyncio.get_running_loop())
        for i in range(100):
            task = make_task(str(i), asyncio.get_running_loop().time() + 0.01)
            queue.put(task)
            deadlines.watch(task, queue.expire)
            await asyncio.sleep(0.02)
        assert len(queue) == 0

    run(main())


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 0.1), st.floats(0.001, 0.2)), min_size=1, max_size=60),
    costs=st.lists(st.floats(0.001, 0.05), min_size=1, max_size=3),
    size=st.integers(1, 8),
    death=st.none() | st.floats(0, 0.1),
)
def test_every_query_is_answered_once_and_by_its_deadline(
    arrivals: list[tuple[float, float]], costs: list[float], size: int, death: float | None
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = new_queue(batch_size=size)
        deadlines = Deadlines(loop)
        replicas = [FakeReplica(queue, cost_s=cost) for cost in costs]
        if death is not None:
            loop.call_later(death, replicas[0].die)

        async def client(i: int, at: float, objective: float) -> None:
            await asyncio.sleep(at)
            task = make_task(str(i), loop.time() + objective)
            began = loop.time()
            queue.put(task)
            deadlines.watch(task, queue.expire)
            outcome = await task.done
            assert loop.time() - began <= objective + 1e-6
            assert isinstance(outcome, Fault) or outcome == str(i).encode()

        await asyncio.gather(*(client(i, at, objective) for i, (at, objective) in enumerate(arrivals)))
        sent = [name for replica in replicas for batch in replica.batches for name in batch]
        assert all(len(batch) <= size for replica in replicas for batch in replica.batches)
        assert all(sent.count(name) <= (1 if death is None else 2) for name in set(sent))
        assert set(sent) <= {str(i) for i in range(len(arrivals))}

    run(main())
