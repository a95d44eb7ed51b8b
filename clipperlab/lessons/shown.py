"""What a lesson shows and asks below a cell: a box in a notebook, with words that say the same elsewhere."""

from __future__ import annotations

import html
import re
from contextlib import suppress
from typing import Any

from clipper_container.errors import ClusterError

from ..display import Shown, in_notebook, workbench

GOOD = "--jp-success-color1, #388e3c"
NOT_YET = "--jp-warn-color1, #f57c00"
NEUTRAL = "--jp-border-color0, #8888"
NO_WIDGETS = "(It cannot be answered here: that takes a notebook with widgets.)"


def show(page: str, words: str, widget: Shown | None = None) -> None:
    """Show it where the learner looks: below the cell, or in the terminal.

    A saved notebook, whose widgets have no kernel, shows the page.
    """
    if not in_notebook():
        print(words)
        return
    from IPython.display import display

    live: dict[str, Any] = {} if widget is None else widget._repr_mimebundle_()
    display({**live, "text/html": page, "text/plain": words}, raw=True)  # type: ignore[no-untyped-call]


def ask(words: str, widget: str, *arguments: Any) -> None:
    """Show a widget of `workbench.answers`, and where there are none the words alone."""
    view = None
    if in_notebook():
        with suppress(ClusterError):
            view = getattr(workbench("answers"), widget)(*arguments)
    if view is None:
        words = f"{words}\n{NO_WIDGETS}"
    show(box(NEUTRAL, marked_up(words)), words, view)


def box(colour: str, *lines: str) -> str:
    """Lines of HTML with an edge on the left."""
    return (
        f'<div role="status" style="border-left: 6px solid var({colour}); padding: 4px 12px">'
        f"{'<br>'.join(lines)}</div>"
    )


def marked_up(text: str) -> str:
    """The text as HTML, with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False)).replace("\n", "<br>")
