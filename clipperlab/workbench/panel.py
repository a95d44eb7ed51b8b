"""The panel: everything in a cluster at a glance, and everything that can be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from ..management import Management
from ..operations import Operations
from . import glance
from .actions import Action, Console
from .controls.application import ApplicationControls
from .controls.deploy import DeployControls
from .controls.model import ModelControls
from .lens import Lens
from .logs import Logs
from .namespace import notebook
from .pictures import Batches, Latency, Picture, Queue, Throughput, Versions, set_name
from .view import View, set_value
from .watch import Seen


class Panel(View):
    """Everything in one place. `namespace` is where models to deploy are looked for."""

    kind = "panel"

    def __init__(self, conn: Operations, namespace: Mapping[str, Any] | None = None) -> None:
        self.console = Console()
        self.head = widgets.HTML()
        self.reconnect = Action(
            "Connect again",
            [],
            console=self.console,
            line=lambda: "conn.connect()",
            what=lambda: "Connecting",
            do=lambda: conn.connect,
        )
        self.applications = widgets.HTML()
        self.versions = widgets.HTML()
        self.replicas = widgets.HTML()
        self.model = ModelControls(conn, self.console)
        self.application = ApplicationControls(conn, self.console)
        self.deploy = DeployControls(conn, self.console, notebook() if namespace is None else namespace)
        self.lens = Lens(conn)
        self.logs = Logs()
        self.throughput, self.latency = Throughput(), Latency()
        self.queue, self.batches, self.moves = Queue(), Batches(), Versions()
        pictures = widgets.HBox(
            [
                widgets.VBox([self.throughput, self.latency, self.moves], layout={"flex": "1 1 320px"}),
                widgets.VBox([self.queue, self.batches], layout={"flex": "1 1 320px"}),
            ],
            layout={"flex_flow": "row wrap"},
        )
        self.tabs = widgets.Tab(
            [self.model, self.deploy, self.application, self.lens, pictures, self.replicas, self.logs],
            titles=["Model", "Deploy", "Application", "Ask", "Pictures", "Replicas", "Logs"],
        )
        children = [self.reconnect, self.head, self.applications, self.versions, self.tabs, self.console]
        super().__init__(conn, children)

    def begin(self, seen: Seen) -> None:
        if not seen.versions:
            self.tabs.selected_index = 1  # the first thing to do is to deploy something

    def show(self, seen: Seen, management: Management | None) -> None:
        self.reconnect.layout.display = "flex" if seen.trouble else "none"
        set_value(self.head, glance.head(seen))
        set_value(self.applications, glance.applications(seen))
        set_value(self.versions, glance.versions(seen))
        set_value(self.replicas, glance.replicas(seen, seen.replicas))
        self.model.show(seen)
        self.application.show(seen)
        self.deploy.show(seen)
        self.lens.show(seen)
        self.logs.show(seen, management)
        model, version = self.model.model.value, self.model.version.value
        application = self.application.application.value
        _show(self.throughput, application, seen, management)
        _show(self.latency, application, seen, management)
        _show(self.moves, model, seen, management)
        for picture in (self.queue, self.batches):
            _show(picture, f"{model}:{version}" if version else None, seen, management)


def _show(picture: Picture, name: str | None, seen: Seen, management: Management | None) -> None:
    if name is not None:
        set_name(picture, name)
        picture.show(seen, management)
