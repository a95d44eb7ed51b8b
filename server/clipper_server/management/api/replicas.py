"""The replicas: those that run here, and those that have dialled in."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter

from ..frontends import Frontends
from ..running import Running
from ..state import State
from . import answers, openapi


class Replicas:
    def __init__(self, state: State, running: Running, frontends: Frontends) -> None:
        self._state = state
        self._running = running
        self._frontends = frontends

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/replicas", self.replicas, 200),
        )

    async def replicas(self) -> list[answers.Replica]:
        """Every replica that runs here, and those that run elsewhere and have dialled in."""
        found = [
            self._replica(**status.labels, state=state, pid=status.pid or None)
            for status, state in self._running.replicas()
        ]
        for version in self._state.versions():
            if version.artifact is None:
                ready = self._frontends.ready_replicas(version.model, version.version)
                for name in self._frontends.seen(version.model, version.version):
                    state = "ready" if name in ready else "starting"
                    found.append(self._replica(version.model, version.version, name, state, None))
        return found

    def _replica(
        self, model: str, version: str, replica: str, state: str, pid: int | None
    ) -> answers.Replica:
        deployed = self._state.version(model, version)
        return {
            "model_id": f"{model}:{version}",
            "model_name": model,
            "model_version": version,
            "model_replica_id": replica,
            "input_type": deployed.input_type if deployed else None,
            "state": state,
            "pid": pid,
            "num_predictions": self._frontends.answered(model, version, replica),
            "gpu": msgspec.to_builtins(self._frontends.gpu(model, version, replica)),
        }
