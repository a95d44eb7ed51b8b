"""A model's moves from version to version, and an application's from policy to policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ..policies import answered_by
from .table import table

if TYPE_CHECKING:
    from ..management import Move, PolicyMove


T = TypeVar("T", "Move", "PolicyMove")


class _Moves(list[T]):
    def __repr__(self) -> str:
        return "\n".join("  ".join(cell for cell in row).rstrip() for row in self._rows()) or "no moves yet"

    def _repr_html_(self) -> str:
        return table(["when", "what", "who", "why"], self._rows())

    def _rows(self) -> list[Sequence[str]]:
        return [(_when(move["at"]), self._what(move), move["who"], move["message"]) for move in self]

    def _what(self, move: T) -> str:
        raise NotImplementedError


class History(_Moves["Move"]):
    """A model's moves, the last one at the end. A list of dictionaries, which prints as a table.

    >>> sorted(conn.get_model_history("digits")[0])
    ['at', 'message', 'move', 'version', 'who']
    """

    def _what(self, move: Move) -> str:
        words = {
            "deploy": "deployed",
            "set": "set to",
            "rollback": "rolled back to",
            "rollout": "rolled out to",
            "failed": "taken back from",
            "aborted": "stopped rolling out",
        }
        return f"{words.get(move['move'], move['move'])} {move['version']}"


class PolicyHistory(_Moves["PolicyMove"]):
    """The policies that an application was given, the last one at the end: likewise.

    >>> conn.set_policy("digits", P.Split({"digits": 0.9, "bayes": 0.1}))
    >>> conn.get_policy_history("digits")[-1]["policy"]["kind"]
    'split'
    """

    def _what(self, move: PolicyMove) -> str:
        return "the first linked model" if move["policy"] is None else answered_by([], move["policy"])


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"
