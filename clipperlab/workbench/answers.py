"""Where a learner answers: one of several choices, or a number."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from .pictures import esm

Answered = Callable[[int], str]
Typed = Callable[[str], str]


class Choice(anywidget.AnyWidget):
    """A question with one answer among `options`. `chosen` is its place, -1 while there is none.

    `answered` is called with the place whenever one is chosen, and returns what is said to it.
    """

    _esm = esm("choice")
    question = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(self, question: str, options: Sequence[str], answered: Answered, chosen: int = -1) -> None:
        said = "" if chosen < 0 else answered(chosen)
        super().__init__(question=question, options=list(options), chosen=chosen, said=said)
        self.observe(lambda change: self.set_trait("said", answered(change["new"])), "chosen")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """Without anywidget's metadata, as other widgets give it."""
        bundle = super()._repr_mimebundle_()
        return bundle[0] if bundle else {}


class Number(widgets.VBox):
    """A box for a number. `typed` is called with every text that stands in it, and returns what is said."""

    def __init__(self, label: str, typed: Typed, text: str = "") -> None:
        self.box = widgets.Text(
            *(text,), description=label, placeholder="your guess", style={"description_width": "initial"}
        )
        self.box.layout.width = "min(100%, 32em)"
        self.note = widgets.HTML()
        super().__init__([self.box, self.note])
        self._typed = typed
        self._say()
        self.box.observe(lambda _: self._say(), "value")

    def _say(self) -> None:
        said = self._typed(self.box.value)
        self.note.value = f'<div role="status">{html.escape(said)}</div>'
