"""What a check found."""

from __future__ import annotations

import html
from dataclasses import dataclass

from .shown import GOOD, NEUTRAL, NOT_YET, box, marked_up, show


@dataclass(frozen=True)
class Result:
    """`ok` says whether the check has passed. If not, `what` is missing, and `hint` helps.

    `tried` says whether the learner had a part in it: else the lesson's own cells have shown it, no more.
    """

    id: str
    ok: bool
    what: str
    hint: str = ""
    tried: bool = True

    def __str__(self) -> str:
        return "\n".join([f"{self._verdict} · {self.id}", *filter(None, (self.what, self.hint))])

    def show(self) -> None:
        """Show it where the learner looks: below the cell, or in the terminal."""
        show(self._html(), str(self))

    def _ipython_display_(self) -> None:
        """Nothing: a result that ends a cell was shown by its check already."""

    def _html(self) -> str:
        colour = NOT_YET if not self.ok else GOOD if self.tried else NEUTRAL
        lines = [marked_up(text) for text in (self.what, self.hint) if text]
        return box(colour, f"<b>{self._verdict}</b> · {html.escape(self.id)}", *lines)

    @property
    def _verdict(self) -> str:
        if not self.ok:
            return "Not yet"
        return "Passed" if self.tried else "Shown"
