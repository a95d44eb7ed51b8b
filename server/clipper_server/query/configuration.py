"""What a query frontend serves: the applications and model versions of its snapshot."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable

from ..snapshot import ApplicationReport, ApplicationSpec, ReplicaReport, Report, Snapshot
from .application import Application
from .clipper_protocol import Parser
from .deadlines import Deadlines
from .queue import ModelQueue
from .replicas import Replica

_EPOCH_S = 1_767_225_600  # 2026-01-01


class Configuration:
    """The state of one query frontend. `apply` turns it into what a snapshot says."""

    def __init__(self, frontend: str, changed: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self.frontend = frontend
        self.serving = False
        self.snapshot: Snapshot | None = None
        self.endpoints: dict[str, tuple[Application, Parser]] = {}
        self.replicas: set[Replica] = set()
        self._queues: dict[tuple[str, str], ModelQueue] = {}
        self._changed = changed
        self._loop = loop
        self._deadlines = Deadlines(loop)
        # The seconds since an epoch, then a counter, then the frontend in six bits: unique over restarts and
        # frontends, up to 65,536 queries a second at each, and safe as a JavaScript number until 2094.
        self._ids = itertools.count((int(time.time()) - _EPOCH_S) << 22 | int(frontend), 64)

    def apply(self, snapshot: Snapshot) -> None:
        """Serve this from now on. Queries under way end as they began."""
        self.snapshot = snapshot
        wanted = {(spec.model, spec.version): spec for spec in snapshot.versions}
        for key in self._queues.keys() - wanted.keys():
            queue = self._queues.pop(key)
            # Its replicas answer what they have; management ends them.
            queue.close(f"{queue} was stopped.")
        for key, version in wanted.items():
            if key in self._queues:
                self._queues[key].configure(version)
            else:
                self._queues[key] = ModelQueue(version, self._loop)
        before = self.endpoints
        self.endpoints = {}
        for application in snapshot.applications:
            endpoint = before.get(application.name)
            if endpoint is None or endpoint[0].spec != application:
                endpoint = self._endpoint(application, endpoint)
            self.endpoints[application.name] = endpoint
        self._changed()

    def _endpoint(
        self, spec: ApplicationSpec, before: tuple[Application, Parser] | None
    ) -> tuple[Application, Parser]:
        application = Application(spec, self, self._deadlines, self._ids.__next__, self._loop)
        if before is not None:
            application.answered = before[0].answered
            application.defaults = before[0].defaults
        return application, Parser(application.input_type)

    def queue(self, model: str, version: str | None) -> ModelQueue | None:
        if version is None:
            version = self.snapshot.current.get(model, "") if self.snapshot else ""
        return self._queues.get((model, version))

    def versions(self, model: str) -> list[str]:
        return sorted(version for name, version in self._queues if name == model)

    def replicas_changed(self) -> None:
        self._changed()

    def complete(self) -> bool:
        """There is a snapshot, and all of its replicas are connected."""
        if self.snapshot is None:
            return False
        here = [r.hello for r in self.replicas if r.hello is not None]
        return all(
            sum((h.model, h.version) == (v.model, v.version) for h in here) >= v.num_replicas
            for v in self.snapshot.versions
        )

    def report(self) -> Report:
        replicas = [
            ReplicaReport(r.hello.model, r.hello.version, r.hello.replica, r.state == "ready", r.answered)
            for r in self.replicas
            if r.hello is not None
        ]
        applications = [
            ApplicationReport(name, application.answered, dict(application.defaults))
            for name, (application, _) in self.endpoints.items()
        ]
        revision = self.snapshot.revision if self.snapshot else 0
        return Report(self.frontend, os.getpid(), self.serving, revision, replicas, applications)
