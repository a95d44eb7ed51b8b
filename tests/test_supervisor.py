"""Loops that never end and never spin."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
from collections.abc import Callable
from itertools import pairwise

import pytest
import requests

from clipper_container.errors import ClusterError
from clipper_server.supervisor import BACK_OFF_S, TELL_AGAIN_S, Supervisor, sentence
from tests.support.virtual_time import run


def watch(turn: Callable[[float], None], for_s: float) -> tuple[list[float], list[str], Supervisor]:
    """When the loop's turns began, and what was told, in so many seconds."""
    began: list[float] = []
    told: list[str] = []
    supervisor = Supervisor(told.append)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def one() -> None:
            began.append(loop.time())
            turn(loop.time())
            await asyncio.sleep(1)

        keeping = asyncio.create_task(supervisor.keep("loop", one))
        await asyncio.sleep(for_s)
        keeping.cancel()

    run(main())
    return began, told, supervisor


def fail(error: Exception) -> Callable[[float], None]:
    def turn(_now: float) -> None:
        raise error

    return turn


@pytest.mark.parametrize(
    "error", [ClusterError("no engine"), MemoryError(), sqlite3.OperationalError("full")]
)
def test_a_loop_that_fails_backs_off_and_is_told_of_once(error: Exception) -> None:
    began, told, supervisor = watch(fail(error), TELL_AGAIN_S + 5)
    apart = [round(b - a, 3) for a, b in pairwise(began)]
    assert apart[:4] == [*BACK_OFF_S, BACK_OFF_S[-1]]
    (said,) = told
    assert sentence(error) in said
    assert supervisor.failing() == ["loop"]
    assert supervisor.troubles() == told


def test_a_loop_that_gets_on_again_is_no_trouble_and_backs_off_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def turn(now: float) -> None:
        if now < 5 or 10 < now < 10.9:
            raise ClusterError("not now")

    with caplog.at_level(logging.INFO):
        began, _, supervisor = watch(turn, 20)
    assert supervisor.failing() == []
    assert "the loop loop goes on" in caplog.text
    second = [now for now in began if now > 10]
    assert second[1] - second[0] == BACK_OFF_S[0]


def test_a_trouble_that_comes_and_goes_is_told_of_once_in_a_while() -> None:
    def turn(now: float) -> None:
        if int(now) % 2:
            raise ClusterError("again")

    began, told, _ = watch(turn, 3 * TELL_AGAIN_S)
    assert len(began) > 90
    assert 2 <= len(told) <= 4


def test_one_who_cannot_be_told_does_not_end_the_loop() -> None:
    async def main() -> int:
        def tell(_text: str) -> None:
            raise OSError("nobody listens")

        turns = 0

        async def turn() -> None:
            nonlocal turns
            turns += 1
            raise ZeroDivisionError

        await Supervisor(tell).keep("loop", turn, lambda: turns == 3)
        return turns

    assert run(main()) == 3


def test_a_turn_that_waits_for_nothing_lets_others_run() -> None:
    async def main() -> None:
        async def turn() -> None:
            pass

        keeping = asyncio.create_task(Supervisor().keep("loop", turn))
        for _ in range(10):
            await asyncio.sleep(0)
        keeping.cancel()

    asyncio.run(main())


def test_a_group_of_failures_is_told_as_its_sentences() -> None:
    full = sqlite3.OperationalError("disk is full")
    group = ExceptionGroup("parts", [ClusterError("No engine."), full, full])
    assert sentence(group) == (
        "No engine. A file cannot be written or read: disk is full. See that the disk has room."
    )


def test_an_error_of_http_is_none_of_files() -> None:
    assert "disk" in sentence(OSError(errno.ENOSPC, "No space left on device"))
    assert sentence(requests.ConnectionError("refused")) == "ConnectionError: refused"
