"""The management API: `/api/v1/...`, as OpenAPI describes it, and Clipper's own calls under `/admin/...`.

One router a noun, with its bodies. Every call but the two that only say that management lives needs the
cluster's bearer token. That also keeps web pages out that a browser on this machine shows: one that posts
here, be it under a name of its own that it has pointed at 127.0.0.1, does not know the token, and no browser
sends it unasked.
"""

from __future__ import annotations

import fastapi
from fastapi import Depends

from ...changes import Changes
from ...methods import HeadAsGet
from ...places import ContainerManager
from ...supervisor import Supervisor
from ..control import Control
from ..events import Events
from ..feedback import Feedback as Learning
from ..frontends import Frontends
from ..observations import Observations
from ..querylog import QueryLog
from ..reconciler import Reconciler
from ..rollouts import Rollouts as Runner
from ..running import Running
from ..series import Series
from ..shadows import Tallies
from ..specs import Specs
from . import answers, openapi, refusals
from .access import Access
from .admin import Admin
from .applications import Applications
from .artifacts import ArtifactStore
from .batching import Batches
from .bodies import Limit
from .cluster import Cluster
from .current import Current
from .decisions import Decisions
from .describe import Describe
from .events import EventLog
from .feedback import Feedback
from .frontends import QueryFrontends
from .labels import Labels
from .logs import Logs
from .measured import Measured
from .overview import Overview
from .policies import Policies
from .protocols import Protocols
from .replicas import Replicas
from .rollouts import Rollouts
from .scaling import Scaling
from .shadows import Shadows
from .versions import Versions

_V1 = "/api/v1"


class API:
    """The routes, over the parts of management."""

    def __init__(
        self,
        specs: Specs,
        control: Control,
        reconciler: Reconciler,
        heard: Frontends,
        running: Running,
        manager: ContainerManager,
        changes: Changes,
        events: Events,
        observations: Observations,
        series: Series,
        supervisor: Supervisor,
        runner: Runner,
        query_log: QueryLog,
        tallies: Tallies,
        learning: Learning,
    ) -> None:
        state = control.state
        describe = Describe(state, reconciler, running, heard)
        self._supervisor = supervisor
        self._access = Access(specs, state)
        self._artifacts = ArtifactStore(control.artifacts, self._access)
        self._frontends = QueryFrontends(
            control, heard, manager, changes, self._access, lambda: runner.shares, query_log
        )
        self._replicas = Replicas(state, running, heard)
        cluster = Cluster(specs, state, reconciler, heard, running, events, supervisor)
        log = EventLog(events, changes)
        applications = Applications(control)
        versions = Versions(control, running, describe)
        rollouts, shadows = Rollouts(control, runner), Shadows(control, query_log, tallies)
        protocols = Protocols(control, specs)
        self._nouns = (
            cluster,
            Overview(
                *(cluster, applications, versions, self._replicas, rollouts, shadows),
                *(protocols, log, events, series, changes),
            ),
            protocols,
            Logs(manager),
            log,
            self._artifacts,
            applications,
            Policies(control),
            Decisions(control, query_log),
            Feedback(control, learning, query_log),
            versions,
            Current(control, describe),
            Labels(control, describe),
            rollouts,
            shadows,
            Scaling(control, specs, describe),
            Batches(control, observations, describe),
            Measured(observations),
            self._replicas,
            self._frontends,
        )
        self._admin = Admin(control, observations, self._replicas)

    def build(self) -> fastapi.FastAPI:
        app = openapi.App(
            title="Clipper Lab management",
            version="1",
            description=openapi.ABOUT,
            generate_unique_id_function=lambda route: route.name,
        )
        app.add_middleware(Limit, exempt=f"{_V1}/artifacts/")
        app.add_middleware(HeadAsGet)
        for kind in refusals.KINDS:
            app.add_exception_handler(kind, refusals.as_json)
        app.add_api_route(f"{_V1}/health", self.health)
        for apart in (self._artifacts, self._frontends):
            app.include_router(apart.for_replicas(), prefix=_V1)
        secured = [Depends(openapi.BEARER), Depends(self._access.check_token)]
        for noun in self._nouns:
            app.include_router(noun.router(), prefix=_V1, dependencies=secured)
        app.include_router(self._admin.build(secured))
        return app

    async def health(self) -> answers.Health:
        """Management answers. `failing` names those of its loops that do not get on. Needs no token."""
        return {"status": "ok", "failing": self._supervisor.failing()}
