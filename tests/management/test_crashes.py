from __future__ import annotations

import itertools

from clipper_server.management.crashes import BACK_OFF_S, LOOP_S, Crashes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def is_looping(crashes: Crashes) -> bool:
    return crashes.looping  # by a function, so that mypy does not take it for settled


def test_the_first_start_after_a_crash_comes_soon_and_the_next_ones_later() -> None:
    clock = Clock()
    crashes = Crashes(clock)
    waits = []
    for _ in range(8):
        crashes.add("boom")
        began = clock.now
        while not crashes.may_start():
            clock.now += 0.1
        waits.append(clock.now - began)
    assert all(later > sooner - 0.01 for sooner, later in itertools.pairwise(waits))
    assert waits[0] <= 0.5 + 0.1
    assert abs(waits[-1] - BACK_OFF_S[-1]) <= 0.2


def test_three_crashes_in_a_minute_are_a_loop_and_a_minute_without_ends_it() -> None:
    clock = Clock()
    crashes = Crashes(clock)
    for _ in range(2):
        crashes.add("boom")
        clock.now += 1
    assert not is_looping(crashes)
    crashes.add("the last words")
    assert is_looping(crashes)
    assert crashes.last_words == "the last words"
    clock.now += LOOP_S + 1
    assert not is_looping(crashes)
    assert crashes.may_start()
