"""The cluster as a whole: what runs, what happened, and logs."""

from __future__ import annotations

from typing import Any, TypedDict
from urllib.parse import quote

from .calls import Calls


class Event(TypedDict):
    id: int
    at: float  # seconds since 1970
    kind: str
    subject: dict[str, str]
    text: str


class Cluster(Calls):
    def cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = self._call("GET", "/cluster")
        return cluster

    def logs(self) -> dict[str, str]:
        logs: dict[str, str] = self._call("GET", "/logs")
        return logs

    def log(self, name: str, after: int) -> tuple[str, int]:
        found: dict[str, Any] = self._call("GET", f"/logs/{quote(name, safe='')}", query={"after": after})
        return found["text"], found["position"]

    def events(self, after: int | None, *, wait_s: float = 0) -> list[Event]:
        query = None if after is None else {"after": after}
        events: list[Event] = self._call("GET", "/events", wait_s=wait_s, query=query)
        return events
