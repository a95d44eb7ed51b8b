"""Deploys what was made in the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from clipper_container.counting import next_version
from clipper_container.inputs import INPUT_TYPES

from ...operations import Operations
from ..actions import Action, Console, Do, choose
from ..namespace import Deployable, deployables
from ..watch import Seen
from .sizes import MOST_REPLICAS, WIDE


class DeployControls(widgets.VBox):
    """Deploys what was made in the notebook."""

    def __init__(self, conn: Operations, console: Console, namespace: Mapping[str, Any]) -> None:
        self._conn = conn
        self._seen = Seen()
        self._namespace = namespace
        self._found: list[Deployable] = []
        self._suggested = "1"  # a version that nobody typed
        self.what = widgets.Dropdown(description="What", layout={"width": "24em"})
        self.model = widgets.Text("", placeholder="model name", description="Model")
        self.version = widgets.Text("1", description="Version", layout=WIDE)
        self.input_type = widgets.Dropdown(
            options=list(INPUT_TYPES), value="doubles", description="Input type"
        )
        self.replicas = widgets.IntSlider(1, 1, MOST_REPLICAS, description="Replicas")
        self.staged = widgets.Checkbox(False, description="staged: not current yet", indent=False)
        controls = [self.what, self.model, self.version, self.input_type, self.replicas, self.staged]
        self.deploy = Action(
            "Deploy",
            [],
            console=console,
            style="primary",
            line=self._line,
            what=lambda: f"Deploying {self.model.value}:{self.version.value}",
            do=self._deploy,
        )
        hint = widgets.HTML("Functions, fitted models and classes of this notebook:")
        rows = [
            hint,
            widgets.HBox([self.what, self.input_type]),
            widgets.HBox([self.model, self.version]),
            widgets.HBox([self.replicas, self.staged]),
        ]
        super().__init__([*rows, self.deploy])
        for control in controls:
            control.observe(lambda _: self.deploy.renew(), "value")
        self.model.observe(lambda _: self._suggest_version(), "value")
        self.renew()

    def renew(self) -> None:
        """Look again at what was made in the notebook."""
        self._found = deployables(self._namespace)
        names = [str(found) for found in self._found]
        choose(self.what, names, names[-1] if names else None)
        self.deploy.renew()

    def show(self, seen: Seen) -> None:
        before, self._seen = self._seen, seen
        self.renew()
        if before.versions_of(self.model.value) != seen.versions_of(self.model.value):
            self._suggest_version()

    def _suggest_version(self) -> None:
        taken = [
            version["model_version"]
            for version in self._seen.versions_of(self.model.value)
            if version["state"] != "failed"
        ]
        suggested = next_version(taken)
        if self.version.value in (*taken, self._suggested):
            self.version.value = suggested
        self._suggested = suggested
        if taken:
            self.input_type.value = self._seen.versions_of(self.model.value)[0]["input_type"]

    def _chosen(self) -> Deployable | None:
        return next((found for found in self._found if str(found) == self.what.value), None)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.replicas.value != 1:
            options["num_replicas"] = self.replicas.value
        if self.staged.value:
            options["make_current"] = False
        return options

    def _line(self) -> str:
        chosen = self._chosen()
        if chosen is None or not self.model.value or not self.version.value:
            return ""
        return chosen.line(self.model.value, self.version.value, self.input_type.value, self._options())

    def _deploy(self) -> Do:
        chosen = self._chosen()
        assert chosen is not None
        model, version, kind = self.model.value, self.version.value, self.input_type.value
        options = self._options()
        return lambda: chosen.deploy(self._conn, model, version, kind, options)
