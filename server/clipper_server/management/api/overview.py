"""Everything that a view shows, in one answer."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter

from ...changes import Changes
from ...turns import Turn
from ..events import Events
from ..series import Series
from . import answers, openapi
from .applications import Applications
from .cluster import Cluster
from .events import EventLog
from .parameters import Id, WaitS
from .points import Point
from .protocols import Protocols
from .replicas import Replicas
from .rollouts import Rollouts
from .shadows import Shadows
from .versions import Versions


class Overview:
    def __init__(
        self,
        cluster: Cluster,
        applications: Applications,
        versions: Versions,
        replicas: Replicas,
        rollouts: Rollouts,
        shadows: Shadows,
        protocols: Protocols,
        log: EventLog,
        events: Events,
        series: Series,
        changes: Changes,
    ) -> None:
        self._cluster = cluster
        self._applications = applications
        self._versions = versions
        self._replicas = replicas
        self._rollouts = rollouts
        self._shadows = shadows
        self._protocols = protocols
        self._log = log
        self._events = events
        self._series = series
        self._changes = changes

    def router(self) -> APIRouter:
        return openapi.router(("GET", "/overview", self.overview, 200))

    async def overview(
        self,
        after_event: Id | None = None,
        after_point: Id | None = None,
        wait_s: WaitS = 0,
    ) -> answers.Overview:
        """What there is, what happened, and how it went: for views, which ask again and again.

        With the last event and point that they have they get what is newer; with `wait_s` too, when there
        is something, or after that time. A point comes every second.
        """

        def is_newer() -> bool:
            return bool(
                (after_event is None or self._events.newest() > after_event)
                or (after_point is None or self._series.after(after_point))
            )

        if wait_s:
            await self._changes.wait_for(is_newer, wait_s)
        turn = Turn()
        events = await self._log.events(after_event)
        await turn.pause()
        points = cast(list[Point], self._series.written_after(after_point))
        cluster = await self._cluster.cluster()
        await turn.pause()
        applications = await self._applications.applications()
        await turn.pause()
        models = await self._versions.models()
        await turn.pause()
        replicas = await self._replicas.replicas()
        await turn.pause()
        return {
            "cluster": cluster,
            "applications": applications,
            "models": models,
            "replicas": replicas,
            "rollouts": self._rollouts.last(),
            "shadows": self._shadows.last(),
            "protocols": await self._protocols.protocols(),
            "events": events,
            "points": points,
        }
