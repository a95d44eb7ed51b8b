from __future__ import annotations

import pytest

from clipper_server.management.moves import before
from clipper_server.management.state import Move, MoveKind


def history(*moves: str) -> list[Move]:
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
    assert before(history(*moves), ["1", "2", "3"]) == expected


def test_a_rollout_that_moved_nothing_is_no_way_back() -> None:
    moves = history("1", "2")
    ended = [Move("3", 0.0, "failed", "", ""), Move("3", 0.0, "aborted", "", "")]
    assert before([*moves, *ended], ["1", "2", "3"]) == "1"


def test_versions_that_are_gone_are_passed_over() -> None:
    assert before(history("1", "2", "3"), ["1", "3"]) == "1"
    assert before(history("1", "2", "3"), ["3"]) is None
