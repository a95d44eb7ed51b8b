"""The query lens: one input, its answer, and the path that it took."""

from __future__ import annotations

import html
import json
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from clipper_container.errors import BadRequest, ClipperException

from ..display import live
from ..handles import ApplicationHandle
from ..operations import Operations
from ..rows import rows as values
from .actions import Action, Answer, Do, Worker, choose
from .layout import LABEL, SHORT, row, style
from .pictures import esm
from .typed import parse
from .watch import Seen

HIDDEN = {"display": "none"}
LONGEST = 4000  # characters of an input in the line of Python
CURRENT = "the current version"
TYPED, DRAWN, ROW = "typed or pasted", "an image", "a row of data"


class Sketch(anywidget.AnyWidget):
    """An image of `width` by `height` pixels, drawn or opened: `pixels` from 0 to `top`, row by row."""

    _esm = esm("sketch")
    width = traitlets.Int(8).tag(sync=True)
    height = traitlets.Int(8).tag(sync=True)
    top = traitlets.Float(16).tag(sync=True)
    pixels = traitlets.List(traitlets.Float()).tag(sync=True)


class Timeline(anywidget.AnyWidget):
    """What `why` tells of a query."""

    _esm = esm("timeline")
    trace = traitlets.Dict().tag(sync=True)


class Lens(widgets.VBox):
    """Asks an application. `rows` is a dataframe, an array or a list, whose rows can be sent."""

    def __init__(self, conn: Operations, application: str | None = None, rows: Any = None) -> None:
        self._conn = conn
        self._alone = application is not None
        self._seen = Seen()
        self._rows = None if rows is None else values(rows)
        self.worker = Worker()
        options = [application] if application else []
        self.application = widgets.Dropdown(description="Application", options=options, value=application)
        self.version = widgets.Dropdown(description="Version", options=[CURRENT], value=CURRENT)
        self.context = widgets.Text(description="Context", placeholder="0.5, -1, ...", layout=HIDDEN)
        self.source = widgets.ToggleButtons(options=[TYPED, DRAWN], value=TYPED)
        self.text = widgets.Textarea(
            description="Input",
            style=LABEL,
            placeholder="[0.0, 1.5, …] or any JSON",
            layout={"width": "calc(100% - 4px)"},
        )
        self.sketch = Sketch()
        self.width = widgets.BoundedIntText(
            8, min=1, max=512, description="Pixels", layout=SHORT, style=LABEL
        )
        self.height = widgets.BoundedIntText(8, min=1, max=512, description="by", layout=SHORT, style=LABEL)
        self.top = widgets.FloatText(
            16, description="Black is sent as 0, white as", layout={"width": "20em"}, style=LABEL
        )
        self.row = widgets.BoundedIntText(0, min=0, max=0, description="Row")
        self.fresh = widgets.Checkbox(
            False, description="without the cache", indent=False, layout={"width": "auto"}
        )
        self._drawn = widgets.VBox([row(self.width, self.height, self.top), self.sketch])
        self._input = widgets.VBox([self.text])
        self.timeline = Timeline()
        self.path = widgets.HTML()
        self.ask = Action(
            "Ask",
            [self.fresh],
            worker=self.worker,
            style="primary",
            line=self._line,
            what=lambda: f"Asking {self.application.value}",
            do=self._ask,
        )
        if self._rows is not None:
            self.source.options = [ROW, TYPED, DRAWN]
            self.source.value = ROW
            self.row.max = len(self._rows) - 1
        top = [] if self._alone else [self.application]
        super().__init__(
            [
                *(style(), row(*top, self.version, self.context)),
                *(self.source, self._input, self.ask, self.timeline, self.path),
            ]
        )
        self.add_class("clipper-form")
        for control in (self.application, self.version, self.context, self.text, self.row, self.source):
            control.observe(lambda _: self.ask.renew(), "value")
        self.source.observe(lambda _: self._on_source(), "value")
        self.sketch.observe(lambda _: self.ask.renew(), "pixels")
        for control, name in ((self.width, "width"), (self.height, "height"), (self.top, "top")):
            widgets.dlink((control, "value"), (self.sketch, name))
        self._on_source()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        name = self.application.value or ""
        still = f"<p>A place to ask {html.escape(name)}.</p>{self.ask.said.value}{self.path.value}"
        saved = live.saved(self._conn.cm.cluster_name, "application", name, still)
        return {**super()._repr_mimebundle_(**kwargs), **saved}

    def show(self, seen: Seen) -> None:
        """Bring the choices up to date."""
        self._seen, self.worker.trouble = seen, seen.why_not
        if not self._alone:
            choose(self.application, [a["name"] for a in seen.applications], seen.busiest_application())
        found = seen.application(self.application.value)
        policy = found["policy"] if found else None
        by_numbers = policy is not None and policy["kind"] == "lints"
        self.context.layout.display = None if by_numbers else "none"
        linked = found["linked_models"][:1] if found else []
        versions = [version["model_version"] for model in linked for version in seen.versions_of(model)]
        choose(self.version, [CURRENT, *versions])
        self.ask.renew()

    def _on_source(self) -> None:
        shown = {TYPED: self.text, DRAWN: self._drawn, ROW: self.row}
        self._input.children = [shown[self.source.value]]
        self.ask.renew()

    def input(self) -> Any:
        """What would be sent now. Raises BadRequest where it cannot be read."""
        if self.source.value == ROW:
            assert self._rows is not None
            return self._rows[self.row.value]
        if self.source.value == DRAWN:
            return list(self.sketch.pixels)
        application = self._seen.application(self.application.value)
        return parse(self.text.value, application["input_type"] if application else "")

    def _line(self) -> str:
        if not self.application.value:
            raise BadRequest("There is no application yet.")
        text = repr(self.input())
        version = "" if self.version.value == CURRENT else f", version={self.version.value!r}"
        cache = ", cache=False" if self.fresh.value else ""
        context = "" if self._context() is None else f", context={self._context()!r}"
        shown = text if len(text) <= LONGEST else "input"
        return f"conn.application({self.application.value!r}).predict({shown}{version}{cache}{context})"

    def _context(self) -> str | None:
        """The numbers that the application's policy weighs, where it does."""
        return None if self.context.layout.display == "none" else self.context.value

    def _ask(self) -> Do:
        name, input = self.application.value, self.input()
        version = None if self.version.value == CURRENT else self.version.value
        cache, context = not self.fresh.value, self._context()

        def ask() -> Answer:
            self.timeline.trace, self.path.value = {}, ""
            asked = ApplicationHandle(self._conn, name)
            answer = asked.predict(input, version=version, cache=cache, context=context)
            if isinstance(answer, list):
                raise BadRequest("These are several inputs, and the lens asks one.")
            try:
                trace = self._conn.why(answer["query_id"])
            except ClipperException as error:
                self.path.value = html.escape(str(error))
            else:
                self.timeline.trace = dict(trace)
                self.path.value = f'<pre class="clipper-path">{html.escape(str(trace))}</pre>'
            return Answer(_answer(answer))

        return ask


def _answer(answer: dict[str, Any]) -> str:
    output = html.escape(json.dumps(answer["output"]))
    if not answer.get("default"):
        return f"<p>Output: <b><code>{output}</code></b>{_chosen(answer)}</p>"
    why = html.escape(str(answer.get("default_explanation", "")))
    return f"<p>Default output: <b><code>{output}</code></b>. {why}</p>"


def _chosen(answer: dict[str, Any]) -> str:
    """What a policy chose for it."""
    if "model" in answer:
        sure = f", with a confidence of {answer['confidence']:.0%}" if "confidence" in answer else ""
        stands = ", where another model was wanted" if "models" in answer and answer.get("partial") else ""
        return f", by {html.escape(answer['model'])}{sure}{stands}"
    if "confidence" in answer:
        used = f"{answer['models']['used']} of {answer['models']['asked']} models"
        return f", of {used}, with a confidence of {answer['confidence']:.0%}"
    return ""
