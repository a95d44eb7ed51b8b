"""The logs of the cluster's processes, as they grow."""

from __future__ import annotations

import html

import ipywidgets as widgets

from clipper_container.errors import ClipperException

from ..management import Management
from .actions import choose
from .watch import Seen

SHOWN = 20_000  # characters


class Logs(widgets.VBox):
    """One process's log, the newest lines at the end."""

    def __init__(self) -> None:
        self.process = widgets.Dropdown(description="Process")
        self.text = widgets.HTML()
        self._read: tuple[str | None, int, str] = (None, 0, "")
        super().__init__([self.process, self.text])

    def show(self, seen: Seen, management: Management | None) -> None:
        if seen.overview is None:
            return
        frontends = [f"query-{frontend['id']}" for frontend in seen.overview["cluster"]["frontends"]]
        here = [
            f"{r['model_name']}.{r['model_version']}.{r['model_replica_id']}"
            for r in seen.replicas
            if r["pid"] is not None
        ]
        choose(self.process, [*frontends, *here, "management"])
        if management is None or self.process.value is None:
            return
        before, position, text = self._read
        name = self.process.value
        if name != before:
            position, text = 0, ""
        try:
            more, position = management.log(name, position)
        except ClipperException as error:
            more = str(error)
        if more or name != before:
            text = (text + more)[-SHOWN:]
            shown = html.escape(text) or "It has said nothing."
            self.text.value = f'<pre style="max-height:24em;overflow:auto">{shown}</pre>'
        self._read = name, position, text
