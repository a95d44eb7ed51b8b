"""The panel: everything in a cluster at a glance, and everything that can be done to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES

from ..management import Management
from ..operations import Operations
from . import glance
from .actions import Action, Console, Do, choose
from .lens import Lens
from .logs import Logs
from .namespace import Deployable, deployables, next_version, notebook
from .pictures import Batches, Latency, Picture, Queue, Throughput, Versions
from .view import View, set_value
from .watch import Seen

MOST_REPLICAS = 16  # on the slider; the line of Python knows no such limit
SHORT = {"width": "9em"}
WIDE = {"width": "16em"}


class ModelControls(widgets.VBox):
    """What can be done to a model: back and forward, more and fewer replicas, the end."""

    def __init__(self, conn: Operations, console: Console, model: str | None = None) -> None:
        self._conn = conn
        self._seen = Seen()
        self.model = widgets.Dropdown(description="Model", options=[model] if model else [], value=model)
        self.version = widgets.Dropdown(description="Version")
        self.message = widgets.Text(placeholder="why, for the history", layout=WIDE)
        self.replicas = widgets.IntSlider(
            1, 0, MOST_REPLICAS, description="Replicas", continuous_update=False
        )
        self.bounds = widgets.IntRangeSlider(value=(1, 4), min=0, max=MOST_REPLICAS, description="Between")
        self._alone = model is not None

        def known(line: Callable[[str, str], str]) -> Callable[[], str]:
            return lambda: line(self.model.value, self.version.value) if self.version.value else ""

        def do(call: Callable[[str, str], object]) -> Callable[[], Do]:
            def chosen() -> Do:
                model, version = self.model.value, self.version.value
                return lambda: call(model, version)

            return chosen

        def why() -> str:
            return f", message={self.message.value!r}" if self.message.value else ""

        self.make_current = Action(
            "Make current",
            [self.message],
            console=console,
            line=known(lambda m, v: f"conn.set_model_version({m!r}, {v!r}{why()})"),
            what=lambda: f"Making {self.model.value}:{self.version.value} current",
            do=lambda: self._move(),
        )
        self.roll_back = Action(
            "Roll back",
            [],
            console=console,
            line=lambda: f"conn.rollback({self.model.value!r}{why()})" if self.model.value else "",
            what=lambda: f"Rolling back {self.model.value}",
            do=lambda: self._roll_back(),
        )
        self.scale = Action(
            "Scale",
            [self.replicas],
            console=console,
            line=known(lambda m, v: f"conn.set_num_replicas({m!r}, {self.replicas.value}, {v!r})"),
            what=lambda: f"Scaling {self.model.value}:{self.version.value} to {self.replicas.value}",
            do=lambda: self._scale(),
        )
        self.autoscale = Action(
            "Scale automatically",
            [self.bounds],
            console=console,
            line=known(
                lambda m, v: "conn.set_autoscaling({!r}, {}, {}, {!r})".format(m, *self.bounds.value, v)
            ),
            what=lambda: f"Letting {self.model.value}:{self.version.value} follow its load",
            do=lambda: self._autoscale(),
        )
        self.stop_autoscaling = Action(
            "Stop scaling automatically",
            [],
            console=console,
            line=known(lambda m, v: f"conn.set_autoscaling({m!r}, None, version={v!r})"),
            what=lambda: f"Leaving the replicas of {self.model.value}:{self.version.value} as they are",
            do=do(lambda m, v: self._conn.set_autoscaling(m, None, version=v)),
        )
        self.stop = Action(
            "Stop this version",
            [],
            console=console,
            style="danger",
            line=known(lambda m, v: f"conn.stop_versioned_models({{{m!r}: [{v!r}]}})"),
            what=lambda: f"Stopping {self.model.value}:{self.version.value}",
            do=do(lambda m, v: self._conn.stop_versioned_models({m: [v]})),
            asks=self._really,
        )
        self._actions = [
            *(self.make_current, self.roll_back, self.scale),
            *(self.autoscale, self.stop_autoscaling, self.stop),
        ]
        super().__init__([widgets.HBox([self.model, self.version]), *self._actions])
        self.model.observe(lambda _: self._on_model(), "value")
        self.version.observe(lambda _: self._on_version(), "value")
        self.message.observe(lambda _: self.roll_back.renew(), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        if not self._alone:
            choose(self.model, sorted({version["model_name"] for version in seen.versions}))
        self._on_model()

    def _on_model(self) -> None:
        versions = [version["model_version"] for version in self._seen.versions_of(self.model.value)]
        choose(self.version, versions, self._seen.current_version(self.model.value))
        for action in self._actions:
            action.renew()

    def _on_version(self) -> None:
        version = self._seen.version(self.model.value, self.version.value)
        if version is not None:
            self.replicas.value = version["num_replicas"]
            self.bounds.value = tuple(version["autoscaling"] or self.bounds.value)
        for action in self._actions:
            action.renew()

    def _move(self) -> Do:
        model, version, message = self.model.value, self.version.value, self.message.value
        return lambda: self._conn.set_model_version(model, version, message=message)

    def _roll_back(self) -> Do:
        model, message = self.model.value, self.message.value
        return lambda: f"{model}:{self._conn.rollback(model, message=message)} is current."

    def _scale(self) -> Do:
        model, version, replicas = self.model.value, self.version.value, self.replicas.value
        return lambda: self._conn.set_num_replicas(model, replicas, version)

    def _autoscale(self) -> Do:
        model, version, (least, most) = self.model.value, self.version.value, self.bounds.value
        return lambda: self._conn.set_autoscaling(model, least, most, version)

    def _really(self) -> str:
        name = f"{self.model.value}:{self.version.value}"
        version = self._seen.version(self.model.value, self.version.value)
        if version is None or not version["is_current_version"]:
            return f"Stop {name}, and forget it?"
        linked = [a["name"] for a in self._seen.applications if self.model.value in a["linked_models"]]
        asked = f", which answers for {', '.join(linked)}" if linked else ""
        return f"{name} is the current version{asked}. Stop it, and forget it?"


class ApplicationControls(widgets.VBox):
    """What can be done to applications: new ones, their models, their objectives, their end."""

    def __init__(self, conn: Operations, console: Console) -> None:
        self._conn = conn
        self._seen = Seen()
        self.application = widgets.Dropdown(description="Application")
        self.unlinked = widgets.Dropdown(layout=SHORT)
        self.linked = widgets.Dropdown(layout=SHORT)
        self.objective_ms = widgets.BoundedFloatText(
            100, min=0.001, max=1e9, step=10, description="ms", layout=WIDE
        )
        self.default_output = widgets.Text("", placeholder="JSON", layout=WIDE)
        self.new_name = widgets.Text("", placeholder="name", layout=SHORT)
        self.new_type = widgets.Dropdown(options=list(INPUT_TYPES), value="doubles", layout=SHORT)
        self.new_default = widgets.Text("-1", placeholder="default output, JSON", layout=SHORT)
        self.new_objective_ms = widgets.BoundedFloatText(100, min=0.001, max=1e9, step=10, layout=SHORT)

        def of(widget: Any, line: Callable[[str, Any], str]) -> Callable[[], str]:
            def found() -> str:
                name = self.application.value
                return line(name, widget.value) if name and widget.value not in (None, "") else ""

            return found

        def do(widget: Any, call: Callable[[str, Any], object]) -> Callable[[], Do]:
            def chosen() -> Do:
                name, value = self.application.value, widget.value
                return lambda: call(name, value)

            return chosen

        def micros(ms: float) -> int:
            return round(1000 * ms)

        self.link = Action(
            "Link",
            [self.unlinked],
            console=console,
            line=of(self.unlinked, lambda a, m: f"conn.link_model_to_app({a!r}, {m!r})"),
            what=lambda: f"Linking {self.unlinked.value} to {self.application.value}",
            do=do(self.unlinked, conn.link_model_to_app),
        )
        self.unlink = Action(
            "Unlink",
            [self.linked],
            console=console,
            line=of(self.linked, lambda a, m: f"conn.unlink_model_from_app({a!r}, {m!r})"),
            what=lambda: f"Unlinking {self.linked.value} from {self.application.value}",
            do=do(self.linked, conn.unlink_model_from_app),
            asks=lambda: f"{self.application.value} will no longer ask {self.linked.value}. Unlink it?",
        )
        self.set_objective = Action(
            "Set the objective",
            [self.objective_ms],
            console=console,
            line=of(self.objective_ms, lambda a, ms: f"conn.set_latency_objective({a!r}, {micros(ms)})"),
            what=lambda: f"Setting the latency objective of {self.application.value}",
            do=do(self.objective_ms, lambda a, ms: conn.set_latency_objective(a, micros(ms))),
        )
        self.set_default = Action(
            "Set the default output",
            [self.default_output],
            console=console,
            line=of(self.default_output, lambda a, text: f"conn.set_default_output({a!r}, {_python(text)})"),
            what=lambda: f"Setting the default output of {self.application.value}",
            do=do(self.default_output, lambda a, text: conn.set_default_output(a, _json(text))),
        )
        self.remove = Action(
            "Remove",
            [],
            console=console,
            style="danger",
            line=lambda: (
                f"conn.unregister_application({self.application.value!r})" if self.application.value else ""
            ),
            what=lambda: f"Removing {self.application.value}",
            do=do(self.application, lambda a, _: conn.unregister_application(a)),
            asks=lambda: f"/{self.application.value}/predict will answer nobody any more. Remove it?",
        )
        self.register = Action(
            "Register",
            [self.new_name, self.new_type, self.new_default, self.new_objective_ms],
            console=console,
            style="primary",
            line=self._registering,
            what=lambda: f"Registering {self.new_name.value}",
            do=self._register,
        )
        self._actions = [self.link, self.unlink, self.set_objective, self.set_default, self.remove]
        new = widgets.HTML("<b>A new application</b>: name, input type, default output, objective in ms")
        super().__init__([self.application, *self._actions, new, self.register])
        self.application.observe(lambda _: self._on_application(), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        choose(self.application, [application["name"] for application in seen.applications])
        self._renew()

    def _on_application(self) -> None:
        application = self._seen.application(self.application.value)
        if application is not None:
            self.objective_ms.value = application["latency_slo_micros"] / 1000
            self.default_output.value = json.dumps(application["default_output"])
        self._renew()

    def _renew(self) -> None:
        application = self._seen.application(self.application.value)
        linked = application["linked_models"] if application else []
        models = sorted(
            {
                version["model_name"]
                for version in self._seen.versions
                if application and version["input_type"] == application["input_type"]
            }
        )
        choose(self.linked, linked)
        choose(self.unlinked, [model for model in models if model not in linked])
        for action in self._actions:
            action.renew()

    def _registering(self) -> str:
        name, kind, micros = (
            self.new_name.value,
            self.new_type.value,
            round(1000 * self.new_objective_ms.value),
        )
        if not name:
            return ""
        return f"conn.register_application({name!r}, {kind!r}, {_python(self.new_default.value)}, {micros})"

    def _register(self) -> Do:
        name, kind, default = self.new_name.value, self.new_type.value, self.new_default.value
        micros = round(1000 * self.new_objective_ms.value)
        return lambda: self._conn.register_application(name, kind, _json(default), micros)


class DeployControls(widgets.VBox):
    """Deploys what was made in the notebook."""

    def __init__(self, conn: Operations, console: Console, namespace: Mapping[str, Any]) -> None:
        self._conn = conn
        self._seen = Seen()
        self._namespace = namespace
        self._found: list[Deployable] = []
        self.what = widgets.Dropdown(description="What", layout={"width": "24em"})
        self.model = widgets.Text("", placeholder="model name", description="Model")
        self.version = widgets.Text("1", description="Version", layout=WIDE)
        self.input_type = widgets.Dropdown(
            options=list(INPUT_TYPES), value="doubles", description="Input type"
        )
        self.replicas = widgets.IntSlider(1, 1, MOST_REPLICAS, description="Replicas")
        self.staged = widgets.Checkbox(False, description="staged: not current yet", indent=False)
        self.application = widgets.Dropdown(description="Link to")
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
        if self.version.value in taken:
            self.version.value = next_version(taken)
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


class Panel(View):
    """Everything in one place. `namespace` is where models to deploy are looked for."""

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


def set_name(picture: Picture, name: str) -> None:
    if picture.name != name:
        picture.name = name


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise BadRequest(
            f"A default output is JSON: {json.dumps(text)} is a string, and {text} is not."
        ) from None


def _python(text: str) -> str:
    """What stands in the line of Python for a JSON text."""
    try:
        return repr(json.loads(text))
    except ValueError:
        return "..."
