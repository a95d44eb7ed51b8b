"""Whether an application collects feedback, and how."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...management import Application, FeedbackOptions
from ...operations import Operations
from ...policies import LEARNERS
from ..actions import Action, Do, Worker
from ..layout import LABEL, WIDE, row
from ..view import set_shown, set_value
from ..watch import Seen

USUAL = FeedbackOptions(
    window_s=3600.0, default_reward=None, score="equal", tolerance=0.0, sample=1.0, inputs=False
)
SCORES = {
    "1 where the output is the label": "equal",
    "1 where both differ by the tolerance at most": "within",
    "less, the more they differ": "distance",
}


class FeedbackControls(widgets.VBox):
    """What the application that is chosen collects, and a form for it."""

    def __init__(self, conn: Operations, worker: Worker, application: Callable[[], str | None]) -> None:
        self._conn = conn
        self._seen = Seen()
        self._application = application
        self._loaded: tuple[str | None, FeedbackOptions | None] | None = None  # what the form began with
        self.told = widgets.HTML()
        self.score = widgets.Dropdown(
            description="A label is worth", options=[*SCORES.items()], layout={"width": "30em"}, style=LABEL
        )
        self.tolerance = widgets.BoundedFloatText(
            1, min=1e-9, max=1e9, step=0.5, description="Tolerance", layout=WIDE, style=LABEL
        )
        self.window_s = widgets.BoundedFloatText(
            3600, min=1, max=604_800, step=60, description="Taken for, in s", layout=WIDE, style=LABEL
        )
        self.default_reward = widgets.Text(
            placeholder="none", description="Default reward", layout=WIDE, style=LABEL
        )
        self.percent = widgets.BoundedFloatText(
            *(100,), min=0, max=100, step=10, description="Decisions kept, in %", layout=WIDE, style=LABEL
        )
        self.inputs = widgets.Checkbox(description="with their inputs", indent=False)
        self.collect = Action(
            "Collect feedback",
            [],
            worker=worker,
            style="primary",
            line=self._line,
            what=lambda: f"Collecting feedback of {self._application()}",
            do=self._collect,
        )
        self.stop = Action(
            "Stop",
            [],
            worker=worker,
            line=self._stopping,
            what=lambda: f"Stopping the feedback of {self._application()}",
            do=self._stop,
        )
        controls = (self.score, self.tolerance, self.window_s, self.default_reward, self.percent, self.inputs)
        super().__init__(
            [
                *(self.told, row(self.score, self.tolerance)),
                *(
                    row(self.window_s, self.default_reward, self.percent, self.inputs),
                    self.collect,
                    self.stop,
                ),
            ]
        )
        for control in controls:
            control.observe(lambda _: self._renew(), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        found = seen.application(self._application())
        set_value(self.told, _in_words(found))
        options = found["feedback"] if found else None
        begun = self._application(), options
        if begun != self._loaded:  # and not what somebody is typing
            self._loaded = begun
            self._begin(options or USUAL)
        self._renew()

    def options(self) -> FeedbackOptions:
        """Those that the form says. Raises BadRequest."""
        score = self.score.value
        return FeedbackOptions(
            window_s=self.window_s.value,
            default_reward=_reward(self.default_reward.value),
            score=score,
            tolerance=0.0 if score == "equal" else self.tolerance.value,
            sample=round(self.percent.value / 100, 6),
            inputs=self.inputs.value,
        )

    def _begin(self, options: FeedbackOptions) -> None:
        self.score.value = options["score"]
        self.tolerance.value = options["tolerance"] or 1.0
        self.window_s.value = options["window_s"]
        reward = options["default_reward"]
        self.default_reward.value = "" if reward is None else f"{reward:g}"
        self.percent.value = round(100 * options["sample"], 4)
        self.inputs.value = options["inputs"]

    def _renew(self) -> None:
        set_shown(self.tolerance, self.score.value != "equal")
        self.collect.renew()
        self.stop.renew()

    def _found(self) -> Application:
        found = self._seen.application(self._application())
        if found is None:
            raise BadRequest("There is no application yet.")
        return found

    def _line(self) -> str:
        found, options = self._found(), self.options()
        if options == found["feedback"]:
            raise BadRequest("It does so already.")
        told = "".join(f", {name}={value!r}" for name, value in options.items() if value != USUAL[name])  # type: ignore[literal-required]
        return f"conn.collect_feedback({found['name']!r}{told})"

    def _collect(self) -> Do:
        name, options = self._found()["name"], self.options()
        return lambda: self._conn.collect_feedback(name, **options)

    def _stopping(self) -> str:
        found = self._found()
        if found["feedback"] is None:
            raise BadRequest("It collects none.")
        if _learns(found["policy"]):
            raise BadRequest("Its policy learns of it: set another one first.")
        return f"conn.stop_feedback({found['name']!r})"

    def _stop(self) -> Do:
        name = self._found()["name"]
        return lambda: self._conn.stop_feedback(name)


def _learns(policy: dict[str, Any] | None) -> bool:
    return policy is not None and (policy["kind"] in LEARNERS or policy.get("learned", False))


def _reward(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        reward = float(text)
    except ValueError:
        reward = -1.0
    if not 0 <= reward <= 1:
        raise BadRequest("A default reward is a number from 0 to 1, or nothing.")
    return reward


def _in_words(found: Application | None) -> str:
    if found is None:
        return ""
    name, options = html.escape(found["name"]), found["feedback"]
    if options is None:
        return f"{name} collects no feedback: its answers have no token."
    reward = options["default_reward"]
    silence = "" if reward is None else f" What nobody spoke of until then counts as {reward:g}."
    return f"{name} collects feedback for {options['window_s']:g} s after an answer.{silence}"
