from __future__ import annotations

from pathlib import Path

import pytest

from clipper_server.management.control import current
from clipper_server.management.moves import before
from clipper_server.management.state import Move, MoveKind, State, Version


def moved(*moves: str) -> list[Move]:
    """ "3" was deployed, "=1" set, "<2" rolled back to."""
    kinds: dict[str, MoveKind] = {"=": "set", "<": "rollback"}
    return [Move(move.lstrip("=<"), 0.0, kinds.get(move[0], "deploy"), "", "") for move in moves]


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([], None),
        (["1"], None),
        (["1", "2"], "1"),
        (["1", "2", "3", "<2"], "1"),  # a second roll-back goes further back, and not forward again
        (["1", "2", "3", "<2", "<1"], None),
        (["1", "2", "=1"], "2"),
        (["1", "2", "<1", "3"], "1"),  # what was rolled back from is not gone back to
        (["1", "1", "2", "2"], "1"),
        (["1", "2", "=1", "=2", "<1"], "2"),
    ],
)
def test_the_version_before(moves: list[str], expected: str | None) -> None:
    assert before(moved(*moves), ["1", "2", "3"]) == expected


def test_a_rollout_that_moved_nothing_is_no_way_back() -> None:
    moves = moved("1", "2")
    ended = [Move("3", 0.0, "failed", "", ""), Move("3", 0.0, "aborted", "", "")]
    assert before([*moves, *ended], ["1", "2", "3"]) == "1"


def test_versions_that_are_gone_are_passed_over() -> None:
    assert before(moved("1", "2", "3"), ["1", "3"]) == "1"
    assert before(moved("1", "2", "3"), ["3"]) is None


def test_it_is_read_once_for_all_versions_and_again_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each version of a model is told with whether it is that one, once a second where a panel looks."""
    state = State(tmp_path / "state.db")
    for number in "123":
        version = Version("m", number, "doubles", None, [], 0)
        state.add_version(version)
        state.came_up(version)
    read: list[str] = []
    history_of = state.history

    def history(model: str) -> list[Move]:
        read.append(model)
        return history_of(model)

    monkeypatch.setattr(state, "history", history)
    assert [current.before(state, "m") for _ in state.versions()] == ["2"] * 3
    state.move("m", "2", "rollback", "", "")
    assert [current.before(state, "m") for _ in state.versions()] == ["1"] * 3
    assert read == ["m", "m"]
    state.remove_version("m", "1")
    assert current.before(state, "m") is None
    state.close()
