"""What a connection, an application and a model look like at the end of a cell."""

from __future__ import annotations

import html
import time

import ipywidgets as widgets

from ..display import learned
from ..display.rollout import as_html
from ..management import Learned, Management
from ..operations import Operations
from . import arms, glance
from .actions import Worker
from .controls.feedback import FeedbackControls
from .controls.model import ModelControls
from .controls.policy import PolicyControls
from .controls.rollout import RolloutControls
from .controls.shadow import ShadowControls
from .controls.steering import Steering
from .lens import Lens
from .pictures import (
    Agreement,
    Arms,
    Batches,
    Latency,
    Queue,
    Regret,
    Rollout,
    Throughput,
    Versions,
    set_name,
)
from .view import View, set_shown, set_value
from .watch import Seen

SPARED = 20  # times as long as a question took, until it is asked again


class ConnectionView(View):
    """A cluster at a glance."""

    def __init__(self, conn: Operations) -> None:
        self.head, self.applications, self.versions = widgets.HTML(), widgets.HTML(), widgets.HTML()
        hint = widgets.HTML("<small>conn.panel() steers it.</small>")
        super().__init__(conn, [self.head, self.applications, self.versions, hint])

    def show(self, seen: Seen, management: Management | None) -> None:
        set_value(self.head, glance.head(seen))
        set_value(self.applications, glance.applications(seen))
        set_value(self.versions, glance.versions(seen))


class ApplicationView(View):
    """An application: what it answers, how fast, and a place to ask it."""

    kind = "application"

    def __init__(self, conn: Operations, name: str) -> None:
        self._name = name
        self.table, self.arms, self.worker = widgets.HTML(), widgets.HTML(), Worker()
        self.throughput, self.latency = Throughput(name=name), Latency(name=name)
        self.shares, self.regret = Arms(name=name), Regret(name=name)
        self.agreement = Agreement(name=name)
        self.policy = PolicyControls(conn, self.worker, name)
        self.lens = Lens(conn, name)
        self.feedback = FeedbackControls(conn, self.worker, lambda: name)
        more = widgets.Accordion(
            [self.policy, self.feedback, self.lens],
            titles=["Choose its policy", "Collect feedback", "Ask it"],
        )
        pictures = [self.throughput, self.latency, self.shares, self.regret, self.agreement]
        super().__init__(conn, [self.table, self.arms, *pictures, more])

    def show(self, seen: Seen, management: Management | None) -> None:
        found = seen.application(self._name)
        gone = f"<p>There is no application {self._name} any more.</p>"
        set_value(self.table, glance.applications(seen, [found]) if found else gone)
        set_value(self.arms, arms.arms(seen, found) if found else "")
        self.throughput.show(seen, management)
        self.latency.show(seen, management)
        for picture, has in (
            (self.shares, arms.splits),
            (self.regret, arms.regrets),
            (self.agreement, arms.votes),
        ):
            set_shown(picture, has(seen, self._name))
            picture.show(seen, management)
        self.worker.trouble = seen.why_not
        self.policy.show(seen)
        self.feedback.show(seen)
        self.lens.show(seen)


class LearnedView(View):
    """What an application has learned of feedback, and how that came: shares and regret over time."""

    kind = "application"

    def __init__(self, conn: Operations, name: str) -> None:
        self._name = name
        self.table = widgets.HTML()
        self.shares, self.regret = Arms(name=name), Regret(name=name)
        self._again_at = 0.0  # on time.monotonic's clock
        super().__init__(conn, [self.table, self.shares, self.regret])

    def begin(self, seen: Seen) -> None:
        self.table.value = self._told(seen, self.conn.learned(self._name).now)

    def show(self, seen: Seen, management: Management | None) -> None:
        began = time.monotonic()
        if management is not None and seen.application(self._name) is not None and began >= self._again_at:
            set_value(self.table, self._told(seen, management.learned(self._name)))
            # Of many contexts this takes a while, and management has more to do.
            self._again_at = began + SPARED * (time.monotonic() - began)
        for picture, has in ((self.shares, arms.splits), (self.regret, arms.regrets)):
            set_shown(picture, has(seen, self._name))
            picture.show(seen, management)

    def _told(self, seen: Seen, told: Learned) -> str:
        cells = [[html.escape(cell) for cell in row] for row in learned.cells(told)]
        return f'{glance.table(seen, learned.NAMES, cells)}<p class="clipper-words">{learned.words(told)}</p>'

    def still(self) -> str:
        return self.conn.learned(self._name)._repr_html_()


class ModelView(View):
    """A model: its versions, what can be done to them, and how they do."""

    kind = "model"

    def __init__(self, conn: Operations, name: str) -> None:
        self._name = name
        self.table, self.replicas, self.worker = widgets.HTML(), widgets.HTML(), Worker()
        self.controls = ModelControls(conn, self.worker, name)
        self.moves, self.queue, self.batches = Versions(name=name), Queue(), Batches()
        pictures = [self.moves, self.queue, self.batches]
        self.rollout = RolloutControls(conn, self.worker, name)
        self.shadow = ShadowControls(conn, self.worker, name)
        more = widgets.Accordion(
            [self.rollout, self.shadow, self.replicas], titles=["Rollout", "Shadow", "Replicas"]
        )
        super().__init__(conn, [self.table, self.controls, *pictures, more])

    def show(self, seen: Seen, management: Management | None) -> None:
        found = seen.versions_of(self._name)
        gone = f"<p>Model {self._name} has no versions any more.</p>"
        set_value(self.table, glance.versions(seen, found) if found else gone)
        mine = [replica for replica in seen.replicas if replica["model_name"] == self._name]
        set_value(self.replicas, glance.replicas(seen, mine))
        self.worker.trouble = seen.why_not
        self.controls.show(seen)
        self.rollout.show(seen)
        self.shadow.show(seen)
        self.moves.show(seen, management)
        version = self.controls.version.value
        for picture in (self.queue, self.batches):
            if version is not None:
                set_name(picture, f"{self._name}:{version}")
                picture.show(seen, management)


class RolloutView(View):
    """The last rollout of a model: how far it is, its evidence, and what can be done to it."""

    kind = "rollout"

    def __init__(self, conn: Operations, name: str) -> None:
        self._name = name
        self.worker = Worker()
        self.picture = Rollout(name=name)
        self.steering = Steering(conn, self.worker, lambda: name)
        super().__init__(conn, [self.picture, self.steering])

    def show(self, seen: Seen, management: Management | None) -> None:
        self.worker.trouble = seen.why_not
        self.picture.show(seen, management)
        self.steering.show(seen)

    def still(self) -> str:
        return as_html(self.picture.rollout) if self.picture.rollout else ""
