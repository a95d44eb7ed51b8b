"""Large work, done a little at a time."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.query import slices
from clipper_server.query.request import Answer, are_small
from clipper_server.query.slices import Slices, Steps, at_once, let_go
from clipper_server.turns import TURN_S

pytestmark = pytest.mark.anyio


async def test_others_have_their_turn_between_two_slices() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    turns: list[str] = []

    def work(name: str) -> Steps[None]:
        for _ in range(3):
            until = time.perf_counter() + TURN_S
            while time.perf_counter() <= until:
                pass
            turns.append(name)
            yield
        if name == "second":
            done.set()

    def other() -> None:
        turns.append("-")
        if not done.is_set():
            loop.call_soon(other)

    all_slices = Slices(loop)
    all_slices.add(work("first"))
    all_slices.add(work("second"))
    loop.call_soon(other)
    await done.wait()
    worked = [turn for turn in turns if turn != "-"]
    assert worked == ["first"] * 3 + ["second"] * 3
    assert all(pair.count("-") for pair in pairwise(turns))


async def test_work_that_comes_while_other_work_is_done_follows_it() -> None:
    done = asyncio.Event()
    all_slices = Slices(asyncio.get_running_loop())

    def first() -> Steps[None]:
        all_slices.add(second())
        yield

    def second() -> Steps[None]:
        done.set()
        yield

    all_slices.add(first())
    await done.wait()


async def test_work_that_fails_is_logged_and_keeps_no_other_from_being_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()
    all_slices = Slices(asyncio.get_running_loop())

    def fails() -> Steps[None]:
        yield
        raise ZeroDivisionError

    def other() -> Steps[None]:
        done.set()
        yield

    all_slices.add(fails())
    all_slices.add(other())
    await asyncio.wait_for(done.wait(), 10)
    assert "left half done" in caplog.text


def test_work_may_be_done_at_once() -> None:
    def work() -> Steps[int]:
        yield
        return 3

    assert at_once(work()) == 3
    items = list(range(1000))
    steps = sum(1 for _ in let_go(items))
    assert not items
    assert steps == -(-1000 // slices.SMALL)


def of_size(count: int, size: int, *, raw: bool) -> list[Answer]:
    output = Tensor(bytes(size), (size,), "|u1") if raw else bytes(size)
    return [Answer(i, output, None, "1") for i in range(count)]


@pytest.mark.parametrize("raw", [False, True])
def test_answers_are_written_at_once_where_they_are_few_and_small(raw: bool) -> None:
    assert are_small([])
    assert are_small([Answer(0, None, Fault("timeout", "late"), "1")])
    assert are_small(of_size(slices.SMALL, 100, raw=raw))
    assert not are_small(of_size(slices.SMALL + 1, 1, raw=raw))
    assert not are_small(of_size(slices.SMALL, 1000, raw=raw))
    assert not are_small(of_size(1, 100_000, raw=raw))
