"""Rollouts of a model: one that begins, and one that runs."""

from __future__ import annotations

from typing import Any, Literal

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...operations import Operations
from ...operations.rollouts import DEFAULT_GUARDRAILS, DEFAULT_STEPS
from ...policies import Guardrail, NoLess, NoMore, arms_of
from ..actions import Action, Do, Worker, choose
from ..layout import LABEL, WIDE, checkbox, row
from ..pictures import Rollout as Picture
from ..pictures import set_name
from ..watch import Seen
from .steering import Steering

WORDS: dict[Literal["errors", "late", "defaults", "latency_p95"], str] = {
    "errors": "no more errors",
    "late": "no more late answers",
    "defaults": "no more default answers",
    "latency_p95": "no slower answers",
}
HOLD_S = 60.0
LOWER_BY = 0.02


class RolloutControls(widgets.VBox):
    """The rollout that a model has or had, and a form for the next one."""

    def __init__(self, conn: Operations, worker: Worker, model: str | None = None) -> None:
        self._conn = conn
        self._seen = Seen()
        self._alone = model is not None
        self.model = widgets.Dropdown(description="Model", options=[model] if model else [], value=model)
        self.picture = Picture(name=model or "")
        self.steering = Steering(conn, worker, lambda: self.model.value or "")
        self.version = widgets.Dropdown(description="To version")
        self.steps = widgets.Text(
            ", ".join(f"{100 * step:g}" for step in DEFAULT_STEPS),
            description="Steps in %",
            layout=WIDE,
            style=LABEL,
        )
        self.hold_s = widgets.BoundedFloatText(
            HOLD_S, min=0, max=1e6, step=10, description="Each for at least, in s", layout=WIDE, style=LABEL
        )
        self.guardrails = {kind: checkbox(True, words) for kind, words in WORDS.items()}
        self.tolerances = {
            kind: widgets.BoundedFloatText(
                *(tolerance,),
                min=1,
                max=100,
                step=0.1,
                description="tolerance",
                layout={"width": "10em"},
                style=LABEL,
            )
            for kind, tolerance in ((rail.what, rail.tolerance) for rail in DEFAULT_GUARDRAILS)
        }
        self.reward = checkbox(False, "no lower rewards")
        self.lower_by = widgets.BoundedFloatText(
            *(LOWER_BY,),
            min=0,
            max=0.99,
            step=0.01,
            description="tolerance",
            layout={"width": "10em"},
            style=LABEL,
        )
        self.observe_only = checkbox(False, "only observe: guardrails take nothing back")
        self.sticky = checkbox(False, "units that have it keep it")
        self.all_applications = checkbox(False, "")
        self.message = widgets.Text(
            description="Reason", placeholder="why, for the history", layout=WIDE, style=LABEL
        )
        self.start = Action(
            "Start the rollout",
            [self.message],
            worker=worker,
            style="primary",
            line=self._line,
            what=lambda: f"Starting the rollout of {self.model.value}:{self.version.value}",
            do=self._start,
        )
        rails = [row(self.guardrails[kind], self.tolerances[kind]) for kind in WORDS]
        for rail in (*self.guardrails.values(), self.reward):
            rail.layout.width = "15em"
        form = [
            widgets.HTML("<b>A new rollout</b>, with guardrails that compare both versions meanwhile"),
            row(self.version, self.steps, self.hold_s),
            *rails,
            row(self.reward, self.lower_by),
            row(self.observe_only, self.sticky, self.all_applications),
            self.start,
        ]
        top = [] if self._alone else [row(self.model)]
        super().__init__([*top, self.picture, self.steering, *form])
        self.model.observe(lambda _: self.show(self._seen), "value")
        for control in (
            *(self.version, self.steps, self.hold_s, self.observe_only, self.sticky, self.all_applications),
            *(*self.guardrails.values(), *self.tolerances.values(), self.reward, self.lower_by),
        ):
            control.observe(lambda _: self.start.renew(), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        if not self._alone:
            running = [rollout["model"] for rollout in seen.rollouts if rollout["ended_at"] is None]
            preferred = running[0] if running else seen.busiest_model()
            choose(self.model, sorted({v["model_name"] for v in seen.versions}), preferred)
        name = self.model.value or ""
        set_name(self.picture, name)
        self.picture.show(seen, None)
        versions = [
            version["model_version"]
            for version in seen.versions_of(name)
            if version["state"] == "ready" and not version["is_current_version"]
        ]
        choose(self.version, versions, versions[-1] if versions else None)
        asking = self._asking()
        self.all_applications.description = f"for all of {', '.join(asking)}"
        self.all_applications.layout.display = None if len(asking) > 1 else "none"
        self.steering.show(seen)
        self.start.renew()

    def _asking(self) -> list[str]:
        """The applications that ask for the model's current version."""
        return [a["name"] for a in self._seen.applications if self.model.value in arms_of(a)]

    def options(self) -> dict[str, Any]:
        """Of `start_rollout`: what is as it is by default is left out. Raises BadRequest."""
        found: dict[str, Any] = {}
        steps = _steps(self.steps.value)
        if steps != list(DEFAULT_STEPS):
            found["steps"] = steps
        if self.hold_s.value != HOLD_S:
            found["hold_s"] = self.hold_s.value
        wanted = [kind for kind, on in self.guardrails.items() if on.value]
        rails: list[Guardrail] = [NoMore(kind, round(self.tolerances[kind].value, 6)) for kind in wanted]
        if self.reward.value:
            rails.append(NoLess("reward", round(self.lower_by.value, 6)))
        if rails != list(DEFAULT_GUARDRAILS):
            found["guardrails"] = rails
        if self.observe_only.value:
            if not rails:
                raise BadRequest("Without guardrails there is nothing to observe.")
            found["observe"] = True
        if self.sticky.value:
            found["sticky"] = "unit"
        asking = self._asking()
        if len(asking) > 1:
            if not self.all_applications.value:
                raise BadRequest(f"{', '.join(asking)} ask for it: say that all are meant.")
            found["applications"] = "all"
        return found

    def _line(self) -> str:
        model, version = self.model.value, self.version.value
        if not model:
            raise BadRequest("There is no model yet: Deploy makes one.")
        last = self._seen.rollout(model)
        if last is not None and last["ended_at"] is None:
            raise BadRequest("one runs: promote or abort it first")
        if not version:
            raise BadRequest("No other version is ready: Deploy makes one, staged.")
        if not self._asking() and not any(each["is_used"] for each in self._seen.versions_of(model)):
            raise BadRequest(
                "No application asks for it, and no model that answers uses it, so nothing would be seen."
            )
        options = self.options()
        if self.message.value:
            options["message"] = self.message.value
        head = "from clipperlab import policies as P\n" if "guardrails" in options else ""
        told = "".join(f", {name}={_in_python(value)}" for name, value in options.items())
        return f"{head}conn.start_rollout({model!r}, {version!r}{told})"

    def _start(self) -> Do:
        model, version, options = self.model.value, self.version.value, self.options()
        options["message"], self.message.value = self.message.value, ""

        def start() -> None:
            self._conn.start_rollout(model, version, **options)

        return start


def _steps(text: str) -> list[float]:
    try:
        steps = [round(float(part) / 100, 6) for part in text.replace("%", "").split(",")]
    except ValueError:
        raise BadRequest("Steps are numbers with commas between them, as 5, 20, 50, 100.") from None
    if not all(0 < step <= 1 for step in steps) or steps != sorted(set(steps)):
        raise BadRequest("Steps grow, up to 100.")
    if steps[0] == 1:
        raise BadRequest("With all queries at once it is no rollout: Make current does that.")
    return steps


def _in_python(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], Guardrail):
        return f"[{', '.join(_rail_in_python(rail) for rail in value)}]"
    return repr(value)


def _rail_in_python(rail: Guardrail) -> str:
    if isinstance(rail, NoLess):
        return f"P.NoLess({rail.what!r}, by={rail.by:g})"
    tolerance = f", {rail.tolerance:g}" if rail.tolerance != 1 else ""
    return f"P.NoMore({rail.what!r}{tolerance})"
