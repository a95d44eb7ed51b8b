"""Shadows of a model: one that begins, how it does, and what it says."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...display.shadow import row_of
from ...display.table import table
from ...management import Shadow
from ...operations import Operations
from ..actions import Action, Answer, Do, Worker, choose
from ..layout import LABEL, WIDE, row
from ..view import set_value
from ..watch import Seen

DEFAULT_PERCENT = 20
SHOWN = 20  # pairs that differ
LETTERS = 60  # of an input or an output


class ShadowControls(widgets.VBox):
    """The shadow that a model has or had, and a form for the next one."""

    def __init__(self, conn: Operations, worker: Worker, model: str | None = None) -> None:
        self._conn = conn
        self._seen = Seen()
        self._alone = model is not None
        self.model = widgets.Dropdown(description="Model", options=[model] if model else [], value=model)
        self.told = widgets.HTML()
        self.differ = Action(
            "Show what differs",
            [],
            worker=worker,
            line=lambda: f"conn.shadow({self._last()['model']!r}).diff()",
            what=lambda: "Looking",
            do=self._differ,
        )
        self.message = widgets.Text(
            description="Reason", placeholder="why, for the history", layout=WIDE, style=LABEL
        )
        self.promote = self._ending("Promote", worker, [self.message])
        self.stop = self._ending("Stop", worker, [])
        self.message.observe(lambda _: self.stop.renew(), "value")
        self.version = widgets.Dropdown(description="Version")
        self.percent = widgets.BoundedIntText(
            *(DEFAULT_PERCENT,),
            min=1,
            max=100,
            description="Of the inputs, in %",
            layout=WIDE,
            style=LABEL,
        )
        self.why = widgets.Text(
            description="Reason", placeholder="why, for the history", layout=WIDE, style=LABEL
        )
        self.start = Action(
            "Start the shadow",
            [self.version, self.percent, self.why],
            worker=worker,
            style="primary",
            line=self._line,
            what=lambda: f"Starting the shadow {self.model.value}:{self.version.value}",
            do=self._start,
        )
        form = [
            widgets.HTML("<b>A new shadow</b>, which is asked beside the current version, and answers nobody")
        ]
        top = [] if self._alone else [row(self.model)]
        super().__init__([*top, self.told, self.differ, self.promote, self.stop, *form, self.start])
        self.model.observe(lambda _: self.show(self._seen), "value")

    def show(self, seen: Seen) -> None:
        self._seen = seen
        if not self._alone:
            choose(self.model, sorted({v["model_name"] for v in seen.versions}), seen.busiest_model())
        name = self.model.value or ""
        set_value(self.told, as_words(seen.shadow(name)))
        versions = [
            version["model_version"]
            for version in seen.versions_of(name)
            if version["state"] == "ready" and not version["is_current_version"]
        ]
        choose(self.version, versions, versions[-1] if versions else None)
        for action in (self.differ, self.promote, self.stop, self.start):
            action.renew()

    def _last(self) -> Shadow:
        shadow = self._seen.shadow(self.model.value)
        if shadow is None:
            raise BadRequest("there was no shadow yet")
        return shadow

    def _live(self) -> Shadow:
        shadow = self._seen.shadow(self.model.value)
        if shadow is None or shadow["state"] != "running":
            raise BadRequest("no shadow runs")
        return shadow

    def _ending(self, name: str, worker: Worker, controls: list[widgets.Widget]) -> Action:
        call = name.lower()

        def line() -> str:
            reason = repr(self.message.value) if self.message.value else ""
            return f"conn.shadow({self._live()['model']!r}).{call}({reason})"

        def do() -> Do:
            end: Callable[[str], None] = getattr(self._conn.shadow(self.model.value), call)
            message, self.message.value = self.message.value, ""  # it was the reason of this alone
            return lambda: end(message)

        return Action(
            name, controls, worker=worker, line=line, what=lambda: f"{name}: {self.model.value}", do=do
        )

    def _differ(self) -> Do:
        shadow, tolerance = self._conn.shadow(self.model.value), self._last()["tolerance"]
        return lambda: Answer(_as_table(shadow.pairs(SHOWN, differing=True), tolerance))

    def _line(self) -> str:
        if not self.model.value:
            raise BadRequest("There is no model yet: Deploy makes one.")
        last = self._seen.shadow(self.model.value)
        if last is not None and last["state"] == "running":
            raise BadRequest("one runs: promote or stop it first")
        if not self.version.value:
            raise BadRequest("No other version is ready: Deploy makes one, staged.")
        options: dict[str, Any] = {}
        if self.percent.value != DEFAULT_PERCENT:
            options["fraction"] = self.percent.value / 100
        if self.why.value:
            options["message"] = self.why.value
        told = "".join(f", {name}={value!r}" for name, value in options.items())
        return f"conn.start_shadow({self.model.value!r}, {self.version.value!r}{told})"

    def _start(self) -> Do:
        model, version, fraction = self.model.value, self.version.value, self.percent.value / 100
        message, self.why.value = self.why.value, ""

        def start() -> None:
            self._conn.start_shadow(model, version, fraction=fraction, message=message)

        return start


def as_words(shadow: Shadow | None) -> str:
    """How it does, in lines that are always there: what changes moves nothing below it."""
    if shadow is None:
        return "<p>No version of it has been a shadow yet.</p>"
    seen = shadow["seen"]
    agreement = "nothing was compared yet"
    if seen["agreement"] is not None:
        sure = f"surely {seen['low']:.1%} to {seen['high']:.1%}"
        agreement = f"{seen['agreement']:.1%} of {seen['compared']:,}, {sure}"
    within = f"; numbers within {shadow['tolerance']:g}" if shadow["tolerance"] else ""
    rows = {
        f"{shadow['model']}:{shadow['version']}": f"{shadow['state']}, asked for {shadow['fraction']:.0%}",
        "agrees with the current version in": f"{agreement}{within}",
        "had no answer": _counted(seen["failed"]),
        "alone had one": f"{seen['mended']:,}",
        "was not asked": _counted(seen["shed"]),
        "takes, in the middle": _beside(seen, "p50"),
        "takes, 95 of 100 times at most": _beside(seen, "p95"),
    }
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items()
    )
    return f'<div class="clipper-glance"><table>{cells}</table></div>'


def _beside(seen: Any, percentile: str) -> str:
    after, before = (seen[side][percentile] for side in ("after_ms", "before_ms"))
    return f"{_ms(after)}; the current version {_ms(before)}"


def _ms(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f} ms"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items()) or "0"


def _as_table(pairs: list[dict[str, Any]], tolerance: float) -> str:
    """The newest first."""
    if not pairs:
        return "Nothing differs so far."
    rows = [row_of(pair, tolerance) for pair in pairs]
    cells = [[_short(r["input"]), _short(r["before"]), _short(r["after"]), r["differs"]] for r in rows]
    return f'<div class="clipper-glance">{table(["input", "current", "shadow", "differs in"], cells)}</div>'


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
