"""Protocols: which are on, where they are asked, and starting and stopping those that can be."""

from __future__ import annotations

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...management import Protocol
from ...operations import Operations
from .. import glance
from ..actions import Action, Do, Worker, choose
from ..layout import LABEL, row
from ..view import set_shown, set_value
from ..watch import Seen

WORDS = {"rest": "port", "grpc": "grpc_port"}
NAMES = {"rest": "REST", "grpc": "gRPC"}


class ProtocolControls(widgets.VBox):
    """All protocols as a table, and one that can be started or stopped."""

    def __init__(self, conn: Operations, worker: Worker) -> None:
        self._conn = conn
        self._seen = Seen()
        self.told = widgets.HTML()
        self.protocol = widgets.Dropdown(description="Protocol")
        self.ports = {
            way: widgets.Text(
                placeholder="a free one",
                description=f"Port for {name}",
                layout={"width": "20em"},
                style=LABEL,
                continuous_update=False,
            )
            for way, name in NAMES.items()
        }
        self.start = Action(
            "Start",
            [],
            worker=worker,
            style="primary",
            line=self._starting,
            what=lambda: f"Starting {self.protocol.value}",
            do=self._start,
        )
        self.stop = Action(
            "Stop",
            [],
            worker=worker,
            line=self._stopping,
            what=lambda: f"Stopping {self.protocol.value}",
            do=self._stop,
        )
        super().__init__([self.told, row(self.protocol, *self.ports.values()), self.start, self.stop])
        for control in (self.protocol, *self.ports.values()):
            control.observe(lambda _: self._renew(), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        set_value(self.told, glance.protocols(seen))
        own = [each["name"] for each in seen.protocols if each["documented"]]
        choose(self.protocol, own, own[0] if own else None)
        self._renew()

    def _renew(self) -> None:
        documented = self._chosen()["documented"] if self.protocol.value else {}
        for way, field in self.ports.items():
            set_shown(field, way in documented)
            if way in documented:
                field.placeholder = f"a free one, or {documented[way]}"
        self.start.renew()
        self.stop.renew()

    def _chosen(self) -> Protocol:
        """Raises BadRequest."""
        for each in self._seen.protocols:
            if each["name"] == self.protocol.value:
                return each
        raise BadRequest("There is none to choose yet.")

    def _wishes(self) -> dict[str, int]:
        """Raises BadRequest."""
        wishes = {}
        for way in self._chosen()["documented"]:
            text = self.ports[way].value.strip()
            if text:
                if not text.isdecimal() or not 0 < int(text) < 1 << 16:
                    raise BadRequest(f"A port for {NAMES[way]} is a number up to 65535, or nothing.")
                wishes[WORDS[way]] = int(text)
        return wishes

    def _starting(self) -> str:
        chosen = self._chosen()
        if chosen["state"] != "off":
            raise BadRequest("It is on.")
        told = "".join(f", {word}={port}" for word, port in self._wishes().items())
        return f"conn.start_protocol({chosen['name']!r}{told})"

    def _start(self) -> Do:
        name, wishes = self._chosen()["name"], self._wishes()

        def start() -> None:
            port, grpc_port = wishes.get("port"), wishes.get("grpc_port")
            self._conn.start_protocol(name, port=port, grpc_port=grpc_port)

        return start

    def _stopping(self) -> str:
        chosen = self._chosen()
        if chosen["state"] == "off":
            raise BadRequest("It is off.")
        return f"conn.stop_protocol({chosen['name']!r})"

    def _stop(self) -> Do:
        name = self._chosen()["name"]
        return lambda: self._conn.stop_protocol(name)
