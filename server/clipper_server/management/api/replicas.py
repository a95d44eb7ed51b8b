"""The replicas: those that run here, and those that have dialled in."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter

from ...turns import Turn
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
        input_types = {(v.model, v.version): v.input_type for v in self._state.versions()}
        found, turn = [], Turn()
        for status, state in self._running.replicas():
            key = status.labels["model"], status.labels["version"]
            replica = status.labels["replica"]
            found.append(self._replica(*key, replica, input_types.get(key), state, status.pid or None))
            await turn.pause()
        for version in self._state.versions():
            if version.artifact is None:
                key = version.model, version.version
                ready = self._frontends.ready_replicas(*key)
                for name in self._frontends.seen(*key):
                    state = "ready" if name in ready else "starting"
                    found.append(self._replica(*key, name, version.input_type, state, None))
                await turn.pause()
        return found

    def _replica(
        self, model: str, version: str, replica: str, input_type: str | None, state: str, pid: int | None
    ) -> answers.Replica:
        return {
            "model_id": f"{model}:{version}",
            "model_name": model,
            "model_version": version,
            "model_replica_id": replica,
            "input_type": input_type,
            "state": state,
            "pid": pid,
            "num_predictions": self._frontends.answered(model, version, replica),
            "gpu": msgspec.to_builtins(self._frontends.gpu(model, version, replica)),
        }
