"""What can be done to a model."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...operations import Operations
from ..actions import Action, Do, Worker, choose
from ..layout import LABEL, SHORT, WIDE, row
from ..watch import Seen

MOST_REPLICAS = 100  # of a version, as management has it


class ModelControls(widgets.VBox):
    """What can be done to a model: back and forward, more and fewer replicas, the end."""

    def __init__(self, conn: Operations, worker: Worker, model: str | None = None) -> None:
        self._conn = conn
        self._seen = Seen()
        self.model = widgets.Dropdown(description="Model", options=[model] if model else [], value=model)
        self.version = widgets.Dropdown(description="Version")
        self.message = widgets.Text(
            description="Reason", placeholder="why, for the history", layout=WIDE, style=LABEL
        )
        self.replicas = _count(1, "Replicas")
        self.least, self.most = _count(1, "From"), _count(4, "to")
        self._alone = model is not None

        def known(line: Callable[[str, str], str]) -> Callable[[], str]:
            def found() -> str:
                if not self.version.value:
                    raise BadRequest("There is no model yet: Deploy makes one.")
                return line(self.model.value, self.version.value)

            return found

        def do(call: Callable[[str, str], object]) -> Callable[[], Do]:
            def chosen() -> Do:
                model, version = self.model.value, self.version.value
                return lambda: call(model, version)

            return chosen

        def name() -> str:
            return f"{self.model.value}:{self.version.value}"

        self.make_current = Action(
            "Make current",
            [self.message],
            worker=worker,
            line=known(lambda m, v: f"conn.set_model_version({m!r}, {v!r}{self._why()})"),
            what=lambda: f"Making {name()} current",
            do=lambda: self._move(),
        )
        self.roll_back = Action(
            "Roll back",
            [],
            worker=worker,
            line=known(self._rolling_back),
            what=lambda: f"Rolling back {self.model.value}",
            do=lambda: self._roll_back(),
        )
        self.scale = Action(
            "Scale",
            [self.replicas],
            worker=worker,
            line=known(lambda m, v: f"conn.set_num_replicas({m!r}, {self.replicas.value}, {v!r})"),
            what=lambda: f"Scaling {name()} to {self.replicas.value}",
            do=lambda: self._scale(),
        )
        self.autoscale = Action(
            "Scale automatically",
            [self.least, self.most],
            worker=worker,
            line=known(self._autoscaling),
            what=lambda: f"Letting {name()} follow its load",
            do=lambda: self._autoscale(),
        )
        self.stop_autoscaling = Action(
            "Stop scaling automatically",
            [],
            worker=worker,
            line=known(lambda m, v: f"conn.set_autoscaling({m!r}, None, version={v!r})"),
            what=lambda: f"Leaving the replicas of {name()} as they are",
            do=do(lambda m, v: self._conn.set_autoscaling(m, None, version=v)),
        )
        self.stop = Action(
            "Stop this version",
            [],
            worker=worker,
            style="danger",
            line=known(lambda m, v: f"conn.stop_versioned_models({{{m!r}: [{v!r}]}})"),
            what=lambda: f"Stopping {name()}",
            do=do(lambda m, v: self._conn.stop_versioned_models({m: [v]})),
            asks=self._really,
        )
        self._actions = [
            *(self.make_current, self.roll_back, self.scale),
            *(self.autoscale, self.stop_autoscaling, self.stop),
        ]
        super().__init__([row(self.model, self.version), *self._actions])
        self.model.observe(lambda _: self._on_model(), "value")
        self.version.observe(lambda _: self._on_version(), "value")
        self.message.observe(lambda _: self.roll_back.renew(), "value")

    def show(self, seen: Seen) -> None:
        before, self._seen = self._seen, seen
        if not self._alone:
            choose(self.model, sorted({v["model_name"] for v in seen.versions}), seen.busiest_model())
        self._on_model()
        current = seen.current_version(self.model.value)
        if current != before.current_version(self.model.value) and current in self.version.options:
            self.version.value = current  # whoever moves it goes on with the one that answers now

    def _on_model(self) -> None:
        versions = [version["model_version"] for version in self._seen.versions_of(self.model.value)]
        choose(self.version, versions, self._seen.current_version(self.model.value))
        for action in self._actions:
            action.renew()

    def _on_version(self) -> None:
        version = self._seen.version(self.model.value, self.version.value)
        if version is not None:
            self.replicas.value = version["num_replicas"]
            if version["autoscaling"]:
                self.least.value, self.most.value = version["autoscaling"]
        for action in self._actions:
            action.renew()

    def _move(self) -> Do:
        model, version, message = self.model.value, self.version.value, self._reason()
        return lambda: self._conn.set_model_version(model, version, message=message)

    def _rolling_back(self, model: str, _: str) -> str:
        if not any(version["is_rolled_back_to"] for version in self._seen.versions_of(model)):
            raise BadRequest("No version was current before.")
        return f"conn.rollback({model!r}{self._why()})"

    def _roll_back(self) -> Do:
        model, message = self.model.value, self._reason()
        return lambda: f"{model}:{self._conn.rollback(model, message=message)} is current."

    def _why(self) -> str:
        return f", message={self.message.value!r}" if self.message.value else ""

    def _reason(self) -> str:
        """What was typed, which is the reason of this move and of no other."""
        message, self.message.value = self.message.value, ""
        return str(message)

    def _scale(self) -> Do:
        model, version, replicas = self.model.value, self.version.value, self.replicas.value
        return lambda: self._conn.set_num_replicas(model, replicas, version)

    def _autoscaling(self, model: str, version: str) -> str:
        least, most = self.least.value, self.most.value
        if least > most:
            raise BadRequest(f"From {least} to {most} is no range.")
        return f"conn.set_autoscaling({model!r}, {least}, {most}, {version!r})"

    def _autoscale(self) -> Do:
        model, version = self.model.value, self.version.value
        least, most = self.least.value, self.most.value
        return lambda: self._conn.set_autoscaling(model, least, most, version)

    def _really(self) -> str:
        name = f"{self.model.value}:{self.version.value}"
        version = self._seen.version(self.model.value, self.version.value)
        if version is None or not version["is_current_version"]:
            return f"Stop {name}, and forget it?"
        linked = [a["name"] for a in self._seen.applications if self.model.value in a["linked_models"]]
        asked = f", which answers for {', '.join(linked)}" if linked else ""
        return f"{name} is the current version{asked}. Stop it, and forget it?"


def _count(value: int, of: str) -> widgets.BoundedIntText:
    return widgets.BoundedIntText(value, min=0, max=MOST_REPLICAS, description=of, layout=SHORT, style=LABEL)
