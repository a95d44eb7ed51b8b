"""A version, as every route that answers with one describes it."""

from __future__ import annotations

import msgspec

from ..control import labels, uses
from ..control.current import before
from ..frontends import Frontends
from ..reconciler import Reconciler
from ..running import Running
from ..state import State, Version
from . import answers


class Describe:
    def __init__(self, state: State, reconciler: Reconciler, running: Running, frontends: Frontends) -> None:
        self._state = state
        self._reconciler = reconciler
        self._running = running
        self._frontends = frontends

    def __call__(self, version: Version) -> answers.Version:
        ready = self._running.ready(version.model, version.version)
        num_replicas = version.num_replicas
        if version.artifact is None:
            ready = len(self._frontends.ready_replicas(version.model, version.version))
            num_replicas = ready  # as many as dial in
        state: str = version.state
        error, ended = version.error, ""
        if state == "ready" and ready < num_replicas:
            state, ended = "starting", self._reconciler.last_end(version.model, version.version)
            if (words := self._reconciler.crash_loop(version.model, version.version)) is not None:
                state, error = "crashing", f"Its replicas crash again and again. Last words: {words}"
                ended = ""
        bounds = version.autoscaling
        users = uses.users_of(self._state, version.model)
        return {
            "model_name": version.model,
            "model_version": version.version,
            "input_type": version.input_type,
            "labels": version.labels,
            "version_labels": labels.of(self._state, version.model, version.version),
            "artifact": version.artifact,
            "batching": str(version.batching),
            "batch_delay_micros": version.batching.delay_micros,
            "size": version.size,
            "columns": version.columns,
            "hang_after_s": version.hang_after_s,
            "max_cached_input": version.max_cached_input,
            "concurrency": version.concurrency,
            "uses": version.uses,
            "stages": version.stages,
            "used_by": users,
            "is_used": bool(users) and uses.is_used(self._state, version.model),
            "num_replicas": num_replicas,
            "ready_replicas": ready,
            "autoscaling": [bounds.min_replicas, bounds.max_replicas] if bounds else None,
            "cpu_percent": bounds.cpu_percent if bounds else None,
            "resources": msgspec.to_builtins(version.resources),
            "python": version.runtime.python,
            "image": version.runtime.image,
            "env": sorted(version.env),
            "requirements": list(version.runtime.requirements),
            "deployed_by": version.deployed_by,
            "message": version.message,
            "state": state,
            "preparing": self._reconciler.preparing(version),
            "warnings": [
                *self._frontends.warnings(version.model, version.version),
                *([ended] if ended else []),
                *self._reconciler.troubles(version.model, version.version, is_whole=state == "ready"),
            ],
            "error": error,
            "is_current_version": self._state.current().get(version.model) == version.version,
            "is_rolled_back_to": before(self._state, version.model) == version.version,
        }
