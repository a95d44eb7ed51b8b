"""The pictures of a cluster: of one application, and of one version of a model, which are chosen here."""

from __future__ import annotations

import html

import ipywidgets as widgets

from ..management import Management
from . import arms
from .actions import choose
from .layout import row
from .pictures import (
    Agreement,
    Arms,
    Batches,
    Latency,
    Picture,
    Queue,
    Regret,
    Throughput,
    Versions,
    set_name,
)
from .view import set_shown, set_value
from .watch import Seen


class Gallery(widgets.VBox):
    """Begins with the application that is asked most, and with the version that answers for it."""

    def __init__(self) -> None:
        self._seen = Seen()
        self.application = widgets.Dropdown(description="Application")
        self.version = widgets.Dropdown(description="Version")
        self.nothing = widgets.HTML()
        self.throughput, self.latency = Throughput(), Latency()
        self.arms, self.regret, self.agreement = Arms(), Regret(), Agreement()
        self.queue, self.batches, self.moves = Queue(), Batches(), Versions()
        self._of_application = [self.throughput, self.latency]
        self._of_version = [self.queue, self.batches]
        half = {"flex": "1 1 300px", "min_width": "0"}
        pictures = widgets.HBox(
            [
                widgets.VBox(
                    [
                        *(self.throughput, self.latency, self.arms, self.regret, self.agreement),
                        self.moves,
                    ],
                    layout=half,
                ),
                widgets.VBox([self.queue, self.batches], layout=half),
            ],
            layout={"flex_flow": "row wrap"},
        )
        super().__init__([row(self.application, self.version), self.nothing, pictures])
        self.application.observe(lambda _: self._on_application(), "value")

    def show(self, seen: Seen, management: Management | None) -> None:
        self._seen = seen
        choose(self.application, [a["name"] for a in seen.applications], seen.busiest_application())
        names = [f"{version['model_name']}:{version['model_version']}" for version in seen.versions]
        model = seen.busiest_model()
        choose(self.version, names, self._answering() or f"{model}:{seen.current_version(model)}")
        application, (model, _, number) = self.application.value, (self.version.value or "").partition(":")
        version = seen.version(model, number)
        dead = version is not None and version["state"] == "failed"
        lacks = [
            "" if application else "There is no application yet.",
            "" if version else "There is no model yet.",
            f"{self.version.value} failed: it has nothing to draw." if dead else "",
        ]
        set_value(self.nothing, html.escape(" ".join(filter(None, lacks))))
        self._draw(self._of_application, application, seen, management)
        self._draw([self.arms], application if arms.splits(seen, application) else "", seen, management)
        self._draw([self.regret], application if arms.regrets(seen, application) else "", seen, management)
        self._draw([self.agreement], application if arms.votes(seen, application) else "", seen, management)
        self._draw([self.moves], model, seen, management)
        self._draw(self._of_version, "" if dead else self.version.value, seen, management)

    def _answering(self) -> str | None:
        """The version that answers for the application."""
        application = self._seen.application(self.application.value)
        models = application["linked_models"] if application else []
        return f"{models[0]}:{self._seen.current_version(models[0])}" if models else None

    def _on_application(self) -> None:
        answering = self._answering()
        if answering in self.version.options:
            self.version.value = answering

    def _draw(
        self, pictures: list[Picture], name: str | None, seen: Seen, management: Management | None
    ) -> None:
        """Those of nothing are not there."""
        for picture in pictures:
            set_shown(picture, bool(name))
            if name:
                set_name(picture, name)
                picture.show(seen, management)
