"""What runs: replicas and query frontends, and which of them are ready or about to end."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from ..places import Status
from .frontends import Frontends


class Running:
    """The reconciler says what it sees, and what it has asked to end; the others look."""

    def __init__(self, frontends: Frontends) -> None:
        self._frontends = frontends
        self._seen: list[Status] = []
        self._replicas: dict[tuple[str, str], list[Status]] = {}  # of those, by version
        self._stopping: set[str] = set()
        self._fallen: set[tuple[str, str]] = set()

    def see(self, statuses: Sequence[Status]) -> bool:
        """These run now, and no others. Returns whether that is news."""
        seen = list(statuses)
        is_news = seen != self._seen
        self._seen = seen
        self._replicas = {}
        for status in seen:
            if status.kind == "replica":
                key = status.labels["model"], status.labels["version"]
                self._replicas.setdefault(key, []).append(status)
        return is_news

    def stop(self, name: str) -> None:
        """It is asked to end, and counts no longer."""
        self._stopping.add(name)

    def end(self, name: str) -> None:
        """It has ended."""
        self._stopping.discard(name)

    def is_stopping(self, status: Status) -> bool:
        return status.name in self._stopping or status.stopping

    def frontends(self) -> list[Status]:
        return [status for status in self._seen if status.kind == "query"]

    def replicas(self) -> list[tuple[Status, str]]:
        """Each running replica, and its state: starting, ready or stopping."""
        everywhere = {key: self._frontends.ready_replicas(*key) for key in self._replicas}
        return [
            (status, self._state_of(status, everywhere[status.labels["model"], status.labels["version"]]))
            for status in self._seen
            if status.kind == "replica"
        ]

    def ready(self, model: str, version: str) -> int:
        """How many replicas of this version run, are not asked to stop, and are ready everywhere."""
        ready = self._frontends.ready_replicas(model, version)
        found = self._replicas.get((model, version), [])
        return sum(self._state_of(status, ready) == "ready" for status in found)

    def starting(self, model: str, version: str) -> set[str]:
        """The replicas of this version that run, and are not ready everywhere."""
        ready = self._frontends.ready_replicas(model, version)
        found = self._replicas.get((model, version), [])
        return {s.labels["replica"] for s in found if self._state_of(s, ready) == "starting"}

    def counted(self, model: str, version: str) -> int:
        """How many replicas of this version run, and are not asked to stop."""
        return sum(not self.is_stopping(status) for status in self._replicas.get((model, version), []))

    def fall(self, model: str, version: str) -> bool:
        """A replica of this version, which has none that is ready, has ended by itself or cannot be started.
        Returns whether that is news.
        """
        is_news = (model, version) not in self._fallen
        self._fallen.add((model, version))
        return is_news

    def has_fallen(self, model: str, version: str) -> bool:
        """Whether that was so since it slept: nobody waits for its first replica any more."""
        return (model, version) in self._fallen

    def awake(self, versions: Iterable[tuple[str, str]]) -> None:
        """These are to have replicas. Others sleep, or are gone, and begin anew."""
        self._fallen.intersection_update(versions)

    def _state_of(self, status: Status, ready: Container[str]) -> str:
        if self.is_stopping(status):
            return "stopping"
        return "ready" if status.labels["replica"] in ready else "starting"
