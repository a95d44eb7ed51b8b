"""Stands for a notebook and a learner in front of it, who sees what a lesson shows and answers it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("anywidget", reason="answers need anywidget, which is not installed here")

from clipperlab.lessons import shown
from clipperlab.workbench.answers import Choice, Number


class Page:
    """What was shown, the newest last: its `words`, its `html`, and the widgets in it."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.html: list[str] = []
        self.widgets: list[Any] = []

    def show(self, page: str, words: str, widget: Any = None) -> None:
        self.words.append(words)
        self.html.append(page)
        if widget is not None:
            assert "application/vnd.jupyter.widget-view+json" in widget._repr_mimebundle_()
            self.widgets.append(widget)

    @property
    def number(self) -> Number:
        assert isinstance(self.widgets[-1], Number)
        return self.widgets[-1]

    @property
    def choice(self) -> Choice:
        assert isinstance(self.widgets[-1], Choice)
        return self.widgets[-1]

    def choose(self, option: str) -> str:
        """Choose it, in the newest question, and return what is said to it."""
        self.choice.chosen = self.choice.options.index(option)
        return str(self.choice.said)


def notebook(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()
    monkeypatch.setattr(shown, "in_notebook", lambda: True)
    for module in ("shown", "guesses", "bench"):
        monkeypatch.setattr(f"clipperlab.lessons.{module}.show", page.show)
    return page
