"""The cluster as a whole."""

from __future__ import annotations

from fastapi import APIRouter

from ...supervisor import Supervisor
from ..events import Events
from ..frontends import Frontends
from ..reconciler import Reconciler
from ..running import Running
from ..specs import Specs
from ..state import State
from . import answers, openapi
from .events import described


class Cluster:
    def __init__(
        self,
        specs: Specs,
        state: State,
        reconciler: Reconciler,
        frontends: Frontends,
        running: Running,
        events: Events,
        supervisor: Supervisor,
    ) -> None:
        self._specs = specs
        self._state = state
        self._reconciler = reconciler
        self._frontends = frontends
        self._running = running
        self._events = events
        self._supervisor = supervisor

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/cluster", self.cluster, 200),
        )

    async def cluster(self) -> answers.Cluster:
        """What runs, and what happened last."""
        heard = {report.frontend: report for report in self._frontends.live()}
        frontends: list[answers.Frontend] = [
            {
                "id": status.labels["frontend"],
                "pid": status.pid,
                "state": "serving"
                if (r := heard.get(status.labels["frontend"])) and r.serving
                else "starting",
                "revision": r.revision if r else None,
                "metrics": r.private if r else None,
            }
            for status in self._running.frontends()
        ]
        return {
            "cluster_name": self._specs.cluster_name,
            "revision": self._state.revision,
            "query": self._specs.for_clients[1],
            "management": self._specs.for_clients[0],
            "frontends": frontends,
            "applications": len(self._state.applications()),
            "models": len({version.model for version in self._state.versions()}),
            "replicas": sum(state != "stopping" for _, state in self._running.replicas()),
            "warnings": [*self._supervisor.troubles(), *self._reconciler.troubles()],
            "events": [described(event) for event in self._events.last(20)],
        }
