"""What can be done to applications."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES

from ...operations import Operations
from ..actions import Action, Do, Worker, choose
from ..layout import LABEL, WIDE
from ..watch import Seen
from .feedback import FeedbackControls


class ApplicationControls(widgets.VBox):
    """What can be done to applications: new ones, their models, objectives and feedback, their end."""

    def __init__(self, conn: Operations, worker: Worker) -> None:
        self._conn = conn
        self._seen = Seen()
        self.application = widgets.Dropdown(description="Application")
        self.unlinked = widgets.Dropdown(description="Another model", layout=WIDE, style=LABEL)
        self.linked = widgets.Dropdown(description="Linked model", layout=WIDE, style=LABEL)
        self.objective_ms = _objective()
        self.default_output = widgets.Text(
            "", placeholder="JSON", description="Default output", layout=WIDE, style=LABEL
        )
        self.new_name = widgets.Text("", placeholder="name", description="Name", layout=WIDE, style=LABEL)
        self.new_type = widgets.Dropdown(
            options=list(INPUT_TYPES), value="doubles", description="Input type", layout=WIDE, style=LABEL
        )
        self.new_default = widgets.Text(
            "-1", placeholder="JSON", description="Default output", layout=WIDE, style=LABEL
        )
        self.new_objective_ms = _objective()

        def of(widget: Any, line: Callable[[str, Any], str], lacks: str = "") -> Callable[[], str]:
            def found() -> str:
                name = self.application.value
                if not name:
                    raise BadRequest("There is no application yet.")
                if widget.value in (None, ""):
                    raise BadRequest(lacks)
                return line(name, widget.value)

            return found

        def do(widget: Any, call: Callable[[str, Any], object]) -> Callable[[], Do]:
            def chosen() -> Do:
                name, value = self.application.value, widget.value
                return lambda: call(name, value)

            return chosen

        self.link = Action(
            "Link",
            [self.unlinked],
            worker=worker,
            line=of(
                self.unlinked,
                lambda a, m: f"conn.link_model_to_app({a!r}, {m!r})",
                "No other model takes what it is asked.",
            ),
            what=lambda: f"Linking {self.unlinked.value} to {self.application.value}",
            do=do(self.unlinked, conn.link_model_to_app),
        )
        self.unlink = Action(
            "Unlink",
            [self.linked],
            worker=worker,
            line=of(
                self.linked,
                lambda a, m: f"conn.unlink_model_from_app({a!r}, {m!r})",
                "No model is linked.",
            ),
            what=lambda: f"Unlinking {self.linked.value} from {self.application.value}",
            do=do(self.linked, conn.unlink_model_from_app),
            asks=lambda: f"{self.application.value} will no longer ask {self.linked.value}. Unlink it?",
        )
        self.set_objective = Action(
            "Set the objective",
            [self.objective_ms],
            worker=worker,
            line=of(self.objective_ms, lambda a, ms: f"conn.set_latency_objective({a!r}, slo_ms={ms:.10g})"),
            what=lambda: f"Setting the latency objective of {self.application.value}",
            do=do(self.objective_ms, lambda a, ms: conn.set_latency_objective(a, slo_ms=ms)),
        )
        self.set_default = Action(
            "Set the default output",
            [self.default_output],
            worker=worker,
            line=of(
                self.default_output,
                lambda a, text: f"conn.set_default_output({a!r}, {_python(text)})",
                "It is empty: null is one, too.",
            ),
            what=lambda: f"Setting the default output of {self.application.value}",
            do=do(self.default_output, lambda a, text: conn.set_default_output(a, _json(text))),
        )
        self.remove = Action(
            "Remove",
            [],
            worker=worker,
            style="danger",
            line=of(self.application, lambda a, _: f"conn.unregister_application({a!r})"),
            what=lambda: f"Removing {self.application.value}",
            do=do(self.application, lambda a, _: conn.unregister_application(a)),
            asks=lambda: f"/{self.application.value}/predict will answer nobody any more. Remove it?",
        )
        self.register = Action(
            "Register",
            [self.new_name, self.new_type, self.new_default, self.new_objective_ms],
            worker=worker,
            style="primary",
            line=self._registering,
            what=lambda: f"Registering {self.new_name.value}",
            do=self._register,
        )
        self._actions = [self.link, self.unlink, self.set_objective, self.set_default, self.remove]
        self.feedback = FeedbackControls(conn, worker, lambda: self.application.value)
        of_feedback, new = widgets.HTML("<b>Feedback</b>"), widgets.HTML("<b>A new application</b>")
        super().__init__([self.application, *self._actions, of_feedback, self.feedback, new, self.register])
        self.application.observe(lambda _: self._on_application(), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        choose(self.application, [a["name"] for a in seen.applications], seen.busiest_application())
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
        self.feedback.show(self._seen)
        for action in [*self._actions, self.register]:
            action.renew()

    def _registering(self) -> str:
        name, kind = self.new_name.value, self.new_type.value
        if not name:
            raise BadRequest("Give it a name.")
        default, ms = _python(self.new_default.value), self.new_objective_ms.value
        return f"conn.register_application({name!r}, {kind!r}, {default}, slo_ms={ms:.10g})"

    def _register(self) -> Do:
        name, kind, default = self.new_name.value, self.new_type.value, self.new_default.value
        ms = self.new_objective_ms.value
        return lambda: self._conn.register_application(name, kind, _json(default), slo_ms=ms)


def _objective() -> widgets.BoundedFloatText:
    return widgets.BoundedFloatText(
        100, min=0.001, max=1e9, step=10, description="Objective in ms", layout=WIDE, style=LABEL
    )


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
