"""Keys: made when they are wanted, changed from time to time, and kept while a token may need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clipper_server.feedback import FeedbackSpec
from clipper_server.management.feedback import keys
from clipper_server.management.feedback.keys import PERIOD_S, SLACK_S, Keys
from clipper_server.management.state import State
from clipper_server.snapshot import ApplicationSpec

WINDOW_S = 3600.0


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state.db")
    state.add_application(ApplicationSpec("app", "doubles", 0, 1000, []))
    yield state
    state.close()


def test_there_are_none_until_an_application_collects_feedback(state: State) -> None:
    assert not Keys(state).look(0)
    assert keys.of(state) == []
    state.set_feedback("app", FeedbackSpec())
    revision = state.revision
    assert Keys(state).look(0)
    assert state.revision == revision + 1
    assert [len(bytes.fromhex(key)) for key in keys.of(state)] == [32, 32]
    assert not Keys(state).look(PERIOD_S - 1)


def test_a_key_is_known_a_period_before_it_signs_and_a_window_after_it_has(state: State) -> None:
    state.set_feedback("app", FeedbackSpec(window_s=WINDOW_S))
    Keys(state).look(0)
    first, second = keys.of(state)
    assert Keys(state).look(PERIOD_S)
    assert keys.of(state)[:2] == [first, second]
    (third,) = keys.of(state)[2:]
    assert not Keys(state).look(PERIOD_S + WINDOW_S + SLACK_S - 1)
    assert Keys(state).look(PERIOD_S + WINDOW_S + SLACK_S)
    assert keys.of(state) == [second, third]
    assert Keys(state).look(2 * PERIOD_S)
    assert keys.of(state)[:2] == [second, third]


def test_in_the_longest_window_there_are_as_many_as_it_has_periods(state: State) -> None:
    state.set_feedback("app", FeedbackSpec(window_s=7 * 86_400.0))
    for period in range(60):
        Keys(state).look(period * PERIOD_S)
    assert len(keys.of(state)) == len(set(keys.of(state))) == 17
