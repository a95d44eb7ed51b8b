"""Watches a cluster for the views of one connection: one thread and one long poll, while somebody listens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from clipper_container.errors import ClipperException

from ..management import (
    Application,
    Event,
    Management,
    Overview,
    Point,
    Protocol,
    Replica,
    Rollout,
    Shadow,
    Version,
)
from ..places import ContainerManager
from ..places.addresses import Addresses

WAIT_S = 5.0  # a point comes every second: a long poll that long means that something is wrong
AGAIN_S = 1.0
POINTS = 300
EVENTS = 300

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """A cluster as it was last seen. Where `trouble` says what is wrong, the rest is what it was before."""

    trouble: str = ""
    overview: Overview | None = None
    points: list[Point] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    at: float = 0.0  # when it answered last, in seconds since 1970

    @property
    def why_not(self) -> str:
        """Why nothing can be done now, in a few words; "" where something can."""
        return "the cluster does not answer" if self.trouble else ""

    @property
    def applications(self) -> list[Application]:
        return self.overview["applications"] if self.overview else []

    @property
    def versions(self) -> list[Version]:
        return self.overview["models"] if self.overview else []

    @property
    def replicas(self) -> list[Replica]:
        return self.overview["replicas"] if self.overview else []

    @property
    def rollouts(self) -> list[Rollout]:
        """Each model's last one, which may have ended."""
        return self.overview["rollouts"] if self.overview else []

    def rollout(self, model: str | None) -> Rollout | None:
        return next((rollout for rollout in self.rollouts if rollout["model"] == model), None)

    @property
    def shadows(self) -> list[Shadow]:
        """Each model's last one, which may have ended."""
        return self.overview["shadows"] if self.overview else []

    def shadow(self, model: str | None) -> Shadow | None:
        return next((shadow for shadow in self.shadows if shadow["model"] == model), None)

    @property
    def protocols(self) -> list[Protocol]:
        return self.overview["protocols"] if self.overview else []

    def application(self, name: str | None) -> Application | None:
        return next((a for a in self.applications if a["name"] == name), None)

    def versions_of(self, model: str | None) -> list[Version]:
        return [v for v in self.versions if v["model_name"] == model]

    def version(self, model: str | None, version: str | None) -> Version | None:
        return next((v for v in self.versions_of(model) if v["model_version"] == version), None)

    def current_version(self, model: str | None) -> str | None:
        current = (v["model_version"] for v in self.versions_of(model) if v["is_current_version"])
        return next(current, None)

    def busiest_application(self) -> str | None:
        """The one that was asked most in the last minutes; else one that has a model."""

        def asked(application: Application) -> tuple[float, bool]:
            points = (point["applications"].get(application["name"]) for point in self.points)
            total = sum(sum(point["answers"].values()) for point in points if point)
            return total, bool(application["linked_models"])

        return max(self.applications, key=asked)["name"] if self.applications else None

    def busiest_model(self) -> str | None:
        """The one that was asked most in the last minutes; else one that could answer."""
        total: dict[str, tuple[float, bool]] = {}
        for version in self.versions:
            model = version["model_name"]
            name = f"{model}:{version['model_version']}"
            points = (point["versions"].get(name) for point in self.points)
            asked, ready = total.get(model, (0.0, False))
            asked += sum(point["asked"] for point in points if point)
            total[model] = asked, ready or version["state"] == "ready"
        return max(total, key=lambda model: total[model], default=None)


Listener = Callable[[Seen, Management | None], None]
"""Called in the watch's thread, about once a second. Without a cluster there is no Management."""


class Watch:
    """What is seen of the cluster of a container manager. May be used from any thread.

    Finds the cluster by its record, anew where it does not answer: so it recovers by itself when the
    cluster is started again, wherever its ports are then.
    """

    def __init__(self, manager: ContainerManager) -> None:
        self.seen = Seen()
        self._manager = manager
        self._management: Management | None = None
        self._addresses: Addresses | None = None
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with all that is seen from now on, until what is returned is called."""
        with self._lock:
            self._listeners.append(listener)
            if self._thread is None:
                self._ended = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._ended,), name="clipper watch", daemon=True
                )
                self._thread.start()
        return lambda: self._leave(listener)

    def _leave(self, listener: Listener) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if not self._listeners:
                self._ended.set()
                self._thread = None

    def look(self) -> Seen:
        """What there is now, also where nobody listens."""
        self.seen = self._look(self.seen, 0)
        return self.seen

    def _run(self, ended: threading.Event) -> None:
        seen = self._look(Seen(), 0)
        while not ended.is_set():
            self.seen = seen
            with self._lock:
                listeners = list(self._listeners)
            for listener in listeners:
                try:
                    listener(seen, None if seen.trouble else self._management)
                except ClipperException as error:
                    log.info("%s", error)  # the next look says it, where it is still so
                except Exception:
                    # One view that fails does not stop the others.
                    log.exception("a view could not be brought up to date")
            if seen.trouble:
                ended.wait(AGAIN_S)
            seen = self._look(seen, WAIT_S)

    def _look(self, before: Seen, wait_s: float) -> Seen:
        try:
            if before.trouble or self._management is None:
                record = self._manager.record()
                if record is None:
                    name = self._manager.cluster_name
                    return Seen(
                        f"Cluster {name!r} is not running. start_clipper(), or `clipperlab start "
                        f"--cluster-name {name}`, starts it.",
                        *(before.overview, before.points, before.events, before.at),
                    )
                self._management = Management(record)
                self._addresses = Addresses(self._manager, record)
                # Whoever restarted it may have purged it, too.
                before = Seen("", before.overview, at=before.at)
            last_event = before.events[-1]["id"] if before.events else None
            last_point = before.points[-1]["id"] if before.points else None
            overview = self._management.overview(last_event, last_point, wait_s=wait_s)
            assert self._addresses is not None
            overview["protocols"] = self._addresses.protocols(overview["cluster"], overview["protocols"])
            overview["cluster"] = self._addresses.cluster(overview["cluster"])
        except ClipperException as error:
            return Seen(str(error), before.overview, before.points, before.events, before.at)
        points = [*before.points, *overview["points"]][-POINTS:]
        events = [*before.events, *overview["events"]][-EVENTS:]
        return Seen("", overview, points, events, time.time())
