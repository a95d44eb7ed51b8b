"""What a check found: a box in a notebook, with words that say the same elsewhere."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from ..display import in_notebook

_COLOURS = {True: "--jp-success-color1, #388e3c", False: "--jp-warn-color1, #f57c00"}


@dataclass(frozen=True)
class Result:
    """`ok` says whether the check has passed. If not, `what` is missing, and `hint` helps."""

    id: str
    ok: bool
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return "\n".join([f"{self._verdict} · {self.id}", *filter(None, (self.what, self.hint))])

    def show(self) -> None:
        """Show it where the learner looks: below the cell, or in the terminal."""
        if not in_notebook():
            print(self)
            return
        from IPython.display import display

        display({"text/html": self._html(), "text/plain": str(self)}, raw=True)  # type: ignore[no-untyped-call]

    def _ipython_display_(self) -> None:
        """Nothing: a result that ends a cell was shown by its check already."""

    def _html(self) -> str:
        lines = "<br>".join(_marked_up(text) for text in (self.what, self.hint) if text)
        return (
            f'<div role="status" style="border-left: 6px solid var({_COLOURS[self.ok]}); padding: 4px 12px">'
            f"<b>{self._verdict}</b> · {html.escape(self.id)}<br>{lines}</div>"
        )

    @property
    def _verdict(self) -> str:
        return "Passed" if self.ok else "Not yet"


def _marked_up(text: str) -> str:
    """The text as HTML, with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False)).replace("\n", "<br>")
