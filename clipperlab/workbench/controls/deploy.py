"""Deploys what was made in the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from clipper_container.counting import next_version
from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES

from ...operations import Operations
from ..actions import Action, Do, Worker, choose
from ..layout import WIDE, row
from ..namespace import Deployable, deployables
from ..typed import parse
from ..watch import Seen
from .model import MOST_REPLICAS

NOBODY = "no application"


class DeployControls(widgets.VBox):
    """Deploys what was made in the notebook, and links it to the application that is to ask it."""

    def __init__(self, conn: Operations, worker: Worker, namespace: Mapping[str, Any]) -> None:
        self._conn = conn
        self._seen = Seen()
        self._namespace = namespace
        self._found: list[Deployable] = []
        self._suggested = "1"  # a version that nobody typed
        self.what = widgets.Dropdown(description="What", layout={"width": "24em"})
        self.model = widgets.Text("", placeholder="model name", description="Model", layout={"width": "24em"})
        self.version = widgets.Text("1", description="Version", layout=WIDE)
        self.input_type = widgets.Dropdown(
            options=list(INPUT_TYPES), value="doubles", description="Input type"
        )
        self.example = widgets.Text(
            description="Example", placeholder="an input: replicas warm up with it", layout={"width": "24em"}
        )
        self.link_to = widgets.Dropdown(options=[NOBODY], value=NOBODY, description="Link to")
        self.replicas = widgets.BoundedIntText(
            1, min=1, max=MOST_REPLICAS, description="Replicas", layout=WIDE
        )
        self.message = widgets.Text(
            description="Reason", placeholder="why, for the history", layout={"width": "24em"}
        )
        self.staged = widgets.Checkbox(False, description="staged: not current yet", indent=False)
        self.deploy = Action(
            "Deploy",
            [],
            worker=worker,
            style="primary",
            line=self._line,
            what=lambda: f"Deploying {self.model.value}:{self.version.value}",
            do=self._deploy,
        )
        hint = widgets.HTML("Functions, fitted models and classes of this notebook:")
        rows = [
            hint,
            row(self.what, self.input_type),
            row(self.model, self.version),
            row(self.example, self.link_to),
            row(self.message, self.replicas, self.staged),
        ]
        super().__init__([*rows, self.deploy])
        for control in (
            *(self.what, self.model, self.version, self.input_type, self.example, self.link_to),
            *(self.replicas, self.message, self.staged),
        ):
            control.observe(lambda _: self.deploy.renew(), "value")
        self.model.observe(lambda _: self._on_model(), "value")
        self.input_type.observe(lambda _: self._renew_links(), "value")
        self.renew()

    def renew(self) -> None:
        """Look again at what was made in the notebook."""
        self._found = deployables(self._namespace)
        names = [str(found) for found in self._found]
        choose(self.what, names, names[-1] if names else None)
        self.deploy.renew()

    def show(self, seen: Seen) -> None:
        before, self._seen = self._seen, seen
        if before.versions_of(self.model.value) != seen.versions_of(self.model.value):
            self._suggest_version()
        self._renew_links()
        self.renew()

    def _on_model(self) -> None:
        self._suggest_version()
        self._renew_links()

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

    def _renew_links(self) -> None:
        """The applications that do not ask it yet, and could."""
        could = [
            application["name"]
            for application in self._seen.applications
            if application["input_type"] == self.input_type.value
            and self.model.value not in application["linked_models"]
        ]
        choose(self.link_to, [NOBODY, *could])

    def _chosen(self) -> Deployable | None:
        return next((found for found in self._found if str(found) == self.what.value), None)

    def _options(self) -> dict[str, Any]:
        """Raises BadRequest where the example cannot be read."""
        options: dict[str, Any] = {}
        if self.example.value:
            options["example_input"] = parse(self.example.value, self.input_type.value)
        if self.replicas.value != 1:
            options["num_replicas"] = self.replicas.value
        if self.message.value:
            options["message"] = self.message.value
        if self.staged.value:
            options["make_current"] = False
        return options

    def _line(self) -> str:
        chosen, model = self._chosen(), self.model.value
        if chosen is None:
            raise BadRequest("Write a function, or fit a model, in this notebook first.")
        if not model:
            raise BadRequest("Give the model a name.")
        if not self.version.value:
            raise BadRequest("Give it a version.")
        line = chosen.line(model, self.version.value, self.input_type.value, self._options())
        if self.link_to.value == NOBODY:
            return line
        return f"{line}\nconn.link_model_to_app({self.link_to.value!r}, {model!r})"

    def _deploy(self) -> Do:
        chosen = self._chosen()
        assert chosen is not None
        model, version, kind = self.model.value, self.version.value, self.input_type.value
        options, application = self._options(), self.link_to.value
        self.message.value = ""  # it is the reason of this version alone

        def deploy() -> str:
            chosen.deploy(self._conn, model, version, kind, options)
            if application == NOBODY:
                return ""
            self._conn.link_model_to_app(application, model)
            return f"{application} asks it."

        return deploy
