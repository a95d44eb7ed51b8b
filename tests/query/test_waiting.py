"""What waits: runs of tasks, from which each may go by itself."""

from __future__ import annotations

from typing import Any, cast

from clipper_container.tensors import Tensor
from clipper_server.query.task import Task
from clipper_server.query.waiting import Waiting


def tasks(names: str, deadline: float = 1.0, size: int = 1) -> list[Task]:
    return [
        Task(cast(Any, None), Tensor(name.encode() * size, (), "str"), False, 0.0, deadline) for name in names
    ]


def names(taken: list[Task]) -> str:
    return "".join(chr(bytes(task.tensor.data)[0]) for task in taken)


def test_a_run_is_taken_in_its_order_and_in_parts() -> None:
    waiting = Waiting()
    waiting.push_all(tasks("cdef", 2.0), 4)
    waiting.push_all(tasks("ab", 1.0), 2)
    assert (waiting.count, waiting.cost, waiting.bytes) == (6, 6.0, 6)
    assert names(waiting.take(3.0, 100, 100)) == "abc"
    assert (waiting.count, waiting.cost, waiting.bytes, len(waiting)) == (3, 3.0, 3, 3)
    assert names(waiting.take(100.0, 2, 100)) == "de"
    assert names(waiting.take(100.0, 100, 100)) == "f"
    assert (waiting.count, waiting.cost, waiting.bytes, len(waiting)) == (0, 0.0, 0, 0)
    assert waiting.head() is None


def test_what_does_not_fit_any_more_stays_and_the_first_one_always_fits() -> None:
    waiting = Waiting()
    waiting.push_all(tasks("ab", 1.0, size=10), 20)
    waiting.push_all(tasks("cd", 2.0, size=50), 100)
    assert names(waiting.take(100.0, 100, 20)) == "ab"  # none of the second run, and none of it is lost
    assert names(waiting.take(100.0, 100, 20)) == "c"
    assert names(waiting.take(100.0, 100, 20)) == "d"


def test_one_of_a_run_may_leave_or_be_in_more_of_a_hurry() -> None:
    waiting = Waiting()
    run = tasks("abcd", 2.0)
    waiting.push_all(run, 4)
    waiting.remove(run[0])
    waiting.hurry(run[2], 1.0)
    assert waiting.head() is run[2]
    assert waiting.cost_before(run[0].patience) == 3.0
    assert names(waiting.take(100.0, 100, 100)) == "cbd"
    assert waiting.count == 0


def test_places_of_those_who_left_do_not_pile_up() -> None:
    waiting = Waiting()
    for _ in range(50):
        run = tasks("abcdefghij", 5.0)
        waiting.push_all(run, 10)
        for task in run:
            waiting.remove(task)
    waiting.push(tasks("z", 9.0)[0])
    assert len(waiting) < 100
    assert names(waiting.take(100.0, 100, 100)) == "z"
