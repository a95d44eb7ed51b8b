"""Actions: a button, the line of Python that does the same, and what became of it, all in one place."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence

import ipywidgets as widgets

from clipper_container.errors import BadRequest, ClipperException

from ..progress import told_to
from .layout import row
from .line import Line

Do = Callable[[], object]


class Answer(str):
    """HTML that says all that became of an action: nothing is said before it."""


class Worker:
    """Does one thing at a time, in a thread of its own.

    What became of the last one is said where it was asked for, and nowhere else. `trouble` is why nothing can
    be done at the moment, in a few words. Buttons' callbacks may come in any thread, and must be short.
    """

    def __init__(self) -> None:
        self.busy = False
        self.trouble = ""
        self._what = ""
        self._said: widgets.HTML | None = None
        self._lock = threading.Lock()

    def run(self, what: str, do: Do, said: widgets.HTML) -> None:
        """Call `do`, and say in `said` what becomes of it: its value, or else `what` in the past.

        While another thing is being done it says so, and does nothing.
        """
        with self._lock:
            if self.busy:
                if said is not self._said:
                    said.value = _status(f"{self._what} is not done yet: wait for that.")
                return
            self.busy, self._what = True, what
            before, self._said = self._said, said
        if before is not None:
            before.value = ""
        threading.Thread(target=self._run, args=(what, do, said), name="clipper action", daemon=True).start()

    def _run(self, what: str, do: Do, said: widgets.HTML) -> None:
        def say(text: str) -> None:
            said.value = _status(text)

        began = time.monotonic()
        say(f"{what} …")
        try:
            with told_to(say):
                found = do()
        except ClipperException as error:
            said.value = _failed(what, str(error))
        except Exception as error:
            said.value = _failed(what, f"{type(error).__name__}: {error}")
        else:
            more = f" {found}" if isinstance(found, str) else ""
            done = f"{what}: done in {time.monotonic() - began:.1f} s.{more}"
            said.value = f'<div role="status">{found}</div>' if isinstance(found, Answer) else _status(done)
        finally:
            self.busy = False


def _status(text: str) -> str:
    return f'<div role="status">{html.escape(text)}</div>'


def _failed(what: str, why: str) -> str:
    first, _, rest = why.strip().partition("\n")
    more = f"<pre tabindex='0'>{html.escape(rest)}</pre>" if rest else ""
    return (
        f'<div role="alert" class="clipper-failed"><b>{html.escape(what)} failed.</b> '
        f"{html.escape(first)}{more}</div>"
    )


class Action(widgets.VBox):
    """Controls, a button, the line of Python that pressing it stands for, and below them what became of it.

    `line` gives that line for the controls as they are, and raises BadRequest where nothing can be done with
    them: its sentence stands beside the button. `what` tells what happens in words. Where `asks` gives a
    question the button asks it first: for what cannot be undone.
    """

    def __init__(
        self,
        button: str,
        controls: Sequence[widgets.Widget],
        *,
        worker: Worker,
        line: Callable[[], str],
        what: Callable[[], str],
        do: Callable[[], Do],
        asks: Callable[[], str] | None = None,
        style: str = "",
    ) -> None:
        self.button = widgets.Button(description=button, button_style=style, layout={"width": "auto"})
        self.line = Line()
        self.why_not = widgets.HTML()
        self.said = widgets.HTML()
        self._worker, self._line, self._what, self._do, self._asks = worker, line, what, do, asks
        self._question = widgets.HTML()
        self.yes = widgets.Button(description="Yes", button_style="danger", layout={"width": "auto"})
        self.no = widgets.Button(description="No", layout={"width": "auto"})
        self._asking = widgets.HBox([self._question, self.yes, self.no], layout={"display": "none"})
        super().__init__([row(*controls, self.button, self.why_not, self.line), self._asking, self.said])
        self.button.on_click(lambda _: self._press())
        self.yes.on_click(lambda _: self._confirmed())
        self.no.on_click(lambda _: self._close())
        for control in controls:
            control.observe(lambda _: self.renew(), "value")
        self.said.observe(lambda _: _show_if_any(self.said), "value")
        self.renew()
        _show_if_any(self.said)

    def renew(self) -> None:
        """The line for the controls as they are; or why nothing can be done with them."""
        try:
            self.line.code, why_not = self._line(), self._worker.trouble
        except BadRequest as error:
            self.line.code, why_not = "", self._worker.trouble or str(error)
        said = f"<small>{html.escape(why_not)}</small>" if why_not else ""
        if self.why_not.value != said:
            self.why_not.value = said
        _show_if_any(self.why_not)
        self.button.disabled = bool(why_not)

    def _press(self) -> None:
        if self._asks is None:
            self._start()
            return
        self._question.value = f'<span role="alertdialog">{html.escape(self._asks())}</span>'
        self._asking.layout.display = "flex"

    def _confirmed(self) -> None:
        self._close()
        self._start()

    def _close(self) -> None:
        self._asking.layout.display = "none"

    def _start(self) -> None:
        # What is chosen now counts, and not what is chosen when the thread runs.
        self._worker.run(self._what(), self._do(), self.said)


def _show_if_any(shown: widgets.HTML) -> None:
    """An empty one takes no room."""
    display = None if shown.value else "none"
    if shown.layout.display != display:
        shown.layout.display = display


def choose(dropdown: widgets.Dropdown, options: Sequence[str], preferred: str | None = None) -> None:
    """New options, with what was chosen kept where it is still there."""
    if list(dropdown.options) == list(options):
        return
    kept = dropdown.value
    with dropdown.hold_sync():
        dropdown.options = list(options)
        if kept in options:
            dropdown.value = kept
        else:
            dropdown.value = preferred if preferred in options else next(iter(options), None)
