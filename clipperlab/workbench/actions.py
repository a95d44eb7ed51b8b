"""Actions: a button, the line of Python that does the same, and what became of it."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence

import ipywidgets as widgets

from clipper_container.errors import ClipperException

from ..progress import told_to
from .line import Line

Do = Callable[[], object]


class Console(widgets.HTML):
    """Runs one action at a time, in a thread of its own, and says what becomes of it.

    Buttons' callbacks may come in any thread, and must be short.
    """

    def __init__(self) -> None:
        super().__init__("")
        self.busy = False
        self._lock = threading.Lock()

    def run(self, what: str, do: Do) -> None:
        """Call `do`; its value, or else `what` in the past, is said at the end. Refuses while busy."""
        with self._lock:
            if self.busy:
                return
            self.busy = True
        threading.Thread(target=self._run, args=(what, do), name="clipper action", daemon=True).start()

    def _run(self, what: str, do: Do) -> None:
        began = time.monotonic()
        self.say(f"{what} …")
        try:
            with told_to(self.say):
                found = do()
        except ClipperException as error:
            self.value = _failed(what, str(error))
        except Exception as error:
            self.value = _failed(what, f"{type(error).__name__}: {error}")
        else:
            said = f" {found}" if isinstance(found, str) else ""
            self.say(f"{what}: done in {time.monotonic() - began:.1f} s.{said}")
        finally:
            self.busy = False

    def say(self, text: str) -> None:
        self.value = f'<div role="status">{html.escape(text)}</div>'


def _failed(what: str, why: str) -> str:
    first, _, rest = why.strip().partition("\n")
    more = f"<pre style='max-height:20em;overflow:auto'>{html.escape(rest)}</pre>" if rest else ""
    return (
        '<div role="alert" style="border-left:4px solid #d1584f;padding:4px 8px">'
        f"<b>{html.escape(what)} failed.</b> {html.escape(first)}{more}</div>"
    )


class Action(widgets.VBox):
    """Controls, a button, and the line of Python that pressing it stands for.

    `line` gives that line for the controls as they are, `what` what happens in words. Where `asks` gives a
    question the button asks it first: for what cannot be undone.
    """

    def __init__(
        self,
        button: str,
        controls: Sequence[widgets.Widget],
        *,
        console: Console,
        line: Callable[[], str],
        what: Callable[[], str],
        do: Callable[[], Do],
        asks: Callable[[], str] | None = None,
        style: str = "",
    ) -> None:
        self.button = widgets.Button(description=button, button_style=style, layout={"width": "auto"})
        self.line = Line()
        self._console, self._line, self._what, self._do, self._asks = console, line, what, do, asks
        self._row = widgets.HBox(
            [*controls, self.button, self.line], layout={"align_items": "center", "flex_flow": "row wrap"}
        )
        self._question = widgets.HTML()
        self.yes = widgets.Button(description="Yes", button_style="danger", layout={"width": "auto"})
        self.no = widgets.Button(description="No", layout={"width": "auto"})
        self._asking = widgets.HBox([self._question, self.yes, self.no], layout={"display": "none"})
        super().__init__([self._row, self._asking])
        self.button.on_click(lambda _: self._press())
        self.yes.on_click(lambda _: self._confirmed())
        self.no.on_click(lambda _: self._close())
        for control in controls:
            control.observe(lambda _: self.renew(), "value")
        self.renew()

    def renew(self) -> None:
        """The line, for the controls as they are; without one nothing can be done."""
        self.line.code = self._line()
        self.button.disabled = not self.line.code

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
        self._console.run(self._what(), self._do())


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
