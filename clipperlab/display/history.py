"""A model's moves from version to version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from .table import table

if TYPE_CHECKING:
    from ..management import Move


class History(list["Move"]):
    """A model's moves, the last one at the end. A list of dictionaries, which prints as a table.

    >>> sorted(conn.get_model_history("digits")[0])
    ['at', 'message', 'move', 'version', 'who']
    """

    def __repr__(self) -> str:
        return "\n".join("  ".join(cell for cell in row).rstrip() for row in self._rows()) or "no moves yet"

    def _repr_html_(self) -> str:
        return table(["when", "what", "who", "why"], self._rows())

    def _rows(self) -> list[Sequence[str]]:
        words = {
            "deploy": "deployed",
            "set": "set to",
            "rollback": "rolled back to",
            "rollout": "rolled out to",
        }
        return [
            (
                f"{datetime.fromtimestamp(move['at']):%Y-%m-%d %H:%M:%S}",
                f"{words.get(move['move'], move['move'])} {move['version']}",
                move["who"],
                move["message"],
            )
            for move in self
        ]
