from __future__ import annotations

from pathlib import Path

import pytest

from clipper_container.errors import ClusterError
from clipper_server.management.state import State
from clipper_server.places.kubernetes.numbers import YOUNG_S, Numbers
from clipper_server.snapshot import MAX_FRONTENDS


def test_numbers_are_small_kept_and_given_again_only_when_nobody_has_them(tmp_path: Path) -> None:
    now = 1000.0
    state = State(tmp_path / "state.db")
    numbers = Numbers(state, clock=lambda: now)
    assert [numbers.give(name, ()) for name in ("a", "b", "c", "a")] == [0, 1, 2, 0]
    assert numbers.give("d", ("a", "c", "d")) == 3  # b has asked just now: it may only not be seen yet
    now += YOUNG_S
    assert numbers.give("e", ("a", "c", "d")) == 1
    assert numbers.find("b") is None
    again = Numbers(state, clock=lambda: now)
    assert [again.find(name) for name in "acde"] == [0, 2, 3, 1]
    alive = [*"acde", *(f"f{i}" for i in range(MAX_FRONTENDS - 4))]
    assert {again.give(name, alive) for name in alive} == set(range(MAX_FRONTENDS))
    with pytest.raises(ClusterError, match="can have no more"):
        again.give("one-more", alive)
    state.close()
