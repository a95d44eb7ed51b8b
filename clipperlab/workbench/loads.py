"""Loads as one sees them: while they run, and side by side afterwards."""

from __future__ import annotations

import html
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from clipper_container.errors import ClipperException

from ..load.result import Comparison
from ..load.run import LoadRun
from .pictures import Latency, Throughput, esm


class Distribution(anywidget.AnyWidget):
    """How many requests were quicker than what, in each run."""

    _esm = esm("distribution")
    runs = traitlets.List(traitlets.Dict()).tag(sync=True)
    objective_ms = traitlets.Float(0).tag(sync=True)


class LoadView(widgets.VBox):
    """A load while it runs: what it sent, how it is answered, and a button that stops it."""

    def __init__(self, run: LoadRun) -> None:
        self._run = run
        self.head = widgets.HTML()
        self.progress = widgets.FloatProgress(value=0, max=run.seconds, layout={"width": "16em"})
        self.button = widgets.Button(description="Stop", button_style="warning", layout={"width": "auto"})
        self.throughput, self.latency = Throughput(name=run.application), Latency(name=run.application)
        self.latency.objective_ms = run.objective_ms
        self.result = widgets.VBox()
        top = widgets.HBox([self.head, self.progress, self.button], layout={"align_items": "center"})
        super().__init__([top, self.throughput, self.latency, self.result])
        self.button.on_click(lambda _: run.stop())
        run.listen(self._renew)
        self._renew()

    def _renew(self) -> None:
        run = self._run
        self.throughput.points = run.points
        self.latency.points = run.points
        self.progress.value = min(run.seconds, run.sent / run.rate)
        self.head.value = f'<span role="status">{html.escape(repr(run).strip("<>"))}</span>'
        if not run.running and not self.result.children:
            self.button.disabled = True
            try:
                self.result.children = [result_view(Comparison([run.result(0)]))]
            except ClipperException as error:
                self.head.value = f'<span role="alert">{html.escape(str(error))}</span>'


def result_view(comparison: Comparison) -> Any:
    """The table, and one line a run in one picture."""
    runs = [
        {"name": run.name, "percents": run["percents"], "ms": run["distribution_ms"]}
        for run in comparison.runs
    ]
    objective = min((run["objective_ms"] for run in comparison.runs), default=0)
    return widgets.VBox(
        [widgets.HTML(comparison._repr_html_()), Distribution(runs=runs, objective_ms=objective)]
    )
