"""Live pictures: small anywidgets, each with a drawing module of its own in `static/`.

The data are in traits, so that a picture that is displayed late, or again, shows the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..management import Management, Point
from .watch import Seen

STATIC = Path(__file__).parents[1] / "static"
_IMPORT = re.compile(r'import (?P<names>\{[^}]*\}) from "./drawing.js";\n')


@cache
def esm(name: str) -> str:
    """The module as one text: a widget's module can import nothing that lies beside it."""
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    found = _IMPORT.search(text)
    if found is None:
        return text
    drawing = (STATIC / "drawing.js").read_text(encoding="utf-8").replace("\nexport ", "\n")
    names = found["names"]
    return text.replace(found[0], f"const {names} = (() => {{\n{drawing}\nreturn {names};\n}})();\n")


class Picture(anywidget.AnyWidget):
    """A picture of an application, a model or a version, whose name is `name`."""

    name = traitlets.Unicode().tag(sync=True)
    points = traitlets.List(traitlets.Dict()).tag(sync=True)

    def show(self, seen: Seen, management: Management | None) -> None:
        """Bring it up to date. Called about once a second, from any thread."""
        raise NotImplementedError


class _OfApplication(Picture):
    objective_ms = traitlets.Float(0).tag(sync=True)

    def show(self, seen: Seen, management: Management | None) -> None:
        application = seen.application(self.name)
        with self.hold_sync():
            self.points = _only(seen.points, "applications", self.name.__eq__)
            if application is not None:
                self.objective_ms = application["latency_slo_micros"] / 1000


class Throughput(_OfApplication):
    """Answers a second of an application, by what answered."""

    _esm = esm("throughput")


class Latency(_OfApplication):
    """Percentiles of an application's latency, against its objective."""

    _esm = esm("latency")


class Arms(_OfApplication):
    """Which share of an application's inputs each arm of its policy gets."""

    _esm = esm("arms")


class Regret(_OfApplication):
    """What it has cost an application that it did not always ask its best arm, as feedback tells."""

    _esm = esm("regret")


class Agreement(_OfApplication):
    """How much the arms of an application agree, where they vote."""

    _esm = esm("agreement")


class Rollout(Picture):
    """The last rollout of a model: how far it is, its evidence, its verdict."""

    _esm = esm("rollout")
    rollout = traitlets.Dict().tag(sync=True)  # empty where there was none

    def show(self, seen: Seen, management: Management | None) -> None:
        found = seen.rollout(self.name)
        self.rollout = {} if found is None else dict(found)


class Queue(Picture):
    """What waits for a version ("model:version"), and how busy its replicas are."""

    _esm = esm("queue")

    def show(self, seen: Seen, management: Management | None) -> None:
        self.points = _only(seen.points, "versions", self.name.__eq__)


class Batches(Picture):
    """What batches of a version ("model:version") took, by their size, and how large they may be."""

    _esm = esm("batches")
    batching = traitlets.List(traitlets.Dict()).tag(sync=True)
    objective_ms = traitlets.Float(0).tag(sync=True)

    def show(self, seen: Seen, management: Management | None) -> None:
        model, _, version = self.name.partition(":")
        if management is None or seen.version(model, version) is None:
            return
        objectives = [a["latency_slo_micros"] for a in seen.applications if model in a["linked_models"]]
        found = management.batching(model, version)
        with self.hold_sync():
            self.objective_ms = min(objectives, default=0) / 1000
            self.batching = [
                {"replicas": [{"limit": r["limit"], "sizes": r["sizes"]} for r in frontend["replicas"]]}
                for frontend in found
            ]


class Versions(Picture):
    """What each version of a model is asked over time, and when versions came, went and moved."""

    _esm = esm("versions")
    events = traitlets.List(traitlets.Dict()).tag(sync=True)

    def show(self, seen: Seen, management: Management | None) -> None:
        prefix = f"{self.name}:"
        with self.hold_sync():
            self.points = _only(seen.points, "versions", lambda name: name.startswith(prefix))
            self.events = [
                {"at": e["at"], "kind": e["kind"], "subject": e["subject"], "text": e["text"].splitlines()[0]}
                for e in seen.events
                if e["subject"].get("model") == self.name
            ]


def _only(points: list[Point], field: str, wanted: Callable[[str], bool]) -> list[dict[str, Any]]:
    """The points with what one picture needs of them: it goes to the browser every second."""
    return [
        {"at": point["at"], field: {name: of for name, of in point[field].items() if wanted(name)}}  # type: ignore[literal-required]
        for point in points
    ]


def set_name(picture: Picture, name: str) -> None:
    """Name what it shows, where that is something else: what is set goes to the browser."""
    if picture.name != name:
        picture.name = name
