"""The panel: everything in a cluster at a glance, and everything that can be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from ..management import Management
from ..operations import Operations
from . import glance
from .actions import Action, Worker
from .controls.application import ApplicationControls
from .controls.deploy import DeployControls
from .controls.model import ModelControls
from .controls.policy import PolicyControls
from .controls.protocols import ProtocolControls
from .controls.rollout import RolloutControls
from .controls.shadow import ShadowControls
from .gallery import Gallery
from .lens import Lens
from .logs import Logs
from .namespace import notebook
from .view import View, set_value
from .watch import Seen

TABS = (
    *("Model", "Rollout", "Shadow", "Deploy", "Application", "Policy"),
    *("Ask", "Pictures", "Replicas", "Protocols", "Logs"),
)


class Panel(View):
    """Everything in one place. `namespace` is where models to deploy are looked for."""

    kind = "panel"

    def __init__(self, conn: Operations, namespace: Mapping[str, Any] | None = None) -> None:
        self.worker = Worker()
        self.head = widgets.HTML()
        self.reconnect = Action(
            "Connect again",
            [],
            worker=Worker(),  # it is not kept from its work by what is in trouble
            line=lambda: "conn.connect()",
            what=lambda: "Connecting",
            do=lambda: conn.connect,
        )
        self.applications = widgets.HTML()
        self.versions = widgets.HTML()
        self.replicas = widgets.HTML()
        self.model = ModelControls(conn, self.worker)
        self.application = ApplicationControls(conn, self.worker)
        self.deploy = DeployControls(conn, self.worker, notebook() if namespace is None else namespace)
        self.policy = PolicyControls(conn, self.worker)
        self.rollout = RolloutControls(conn, self.worker)
        self.shadow = ShadowControls(conn, self.worker)
        self.protocols = ProtocolControls(conn, self.worker)
        self.lens = Lens(conn)
        self.logs = Logs()
        self.gallery = Gallery()
        self.tabs = widgets.Tab(
            [
                *(self.model, self.rollout, self.shadow, self.deploy, self.application, self.policy),
                *(self.lens, self.gallery, self.replicas, self.protocols, self.logs),
            ],
            titles=list(TABS),
        )
        children = [self.reconnect, self.head, self.applications, self.versions, self.tabs]
        self.tabs.add_class("clipper-tabs")
        super().__init__(conn, children)

    def begin(self, seen: Seen) -> None:
        if not seen.versions:
            self.tabs.selected_index = TABS.index("Deploy")  # the first thing to do is to deploy something

    def show(self, seen: Seen, management: Management | None) -> None:
        self.reconnect.layout.display = "flex" if seen.trouble else "none"
        self.worker.trouble = seen.why_not
        set_value(self.head, glance.head(seen))
        set_value(self.applications, glance.applications(seen))
        set_value(self.versions, glance.versions(seen))
        set_value(self.replicas, glance.replicas(seen, seen.replicas))
        self.model.show(seen)
        self.rollout.show(seen)
        self.shadow.show(seen)
        self.application.show(seen)
        self.policy.show(seen)
        self.deploy.show(seen)
        self.protocols.show(seen)
        self.lens.show(seen)
        self.logs.show(seen, management)
        self.gallery.show(seen, management)
