"""A load as one sees it while it runs."""

from __future__ import annotations

import html

import ipywidgets as widgets

from ..load.run import LoadRun
from .layout import row
from .pictures import Latency, Throughput


class LoadView(widgets.VBox):
    """A load while it runs: what it sent, how it is answered, and a button that stops it."""

    def __init__(self, run: LoadRun) -> None:
        self._run = run
        self.head = widgets.HTML()
        self.progress = widgets.FloatProgress(value=0, max=run.seconds, layout={"width": "16em"})
        self.button = widgets.Button(description="Stop", button_style="warning", layout={"width": "auto"})
        self.throughput, self.latency = Throughput(name=run.application), Latency(name=run.application)
        self.latency.objective_ms = run.objective_ms
        top = row(self.head, self.progress, self.button)
        super().__init__([top, self.throughput, self.latency])
        self.button.on_click(lambda _: run.stop())
        run.listen(self._renew)
        self._renew()

    def _renew(self) -> None:
        run = self._run
        self.throughput.points = run.points
        self.latency.points = run.points
        self.progress.value = min(run.seconds, run.sent / run.rate)
        self.head.value = f'<span role="status">{html.escape(repr(run).strip("<>"))}</span>'
        if not run.running:
            self.button.disabled = True
