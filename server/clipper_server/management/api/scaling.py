"""How many replicas a version has; and how one comes that somebody else starts."""

from __future__ import annotations

from fastapi import APIRouter

from clipper_container.errors import BadRequest

from ..control import Control, find
from ..specs import Specs
from ..state import Autoscaling
from . import answers, openapi
from .bodies import Body, Whole
from .describe import Describe


class NumReplicas(Body):
    num_replicas: Whole


class Bounds(Body):
    """With `cpu_percent`, of what each replica asks for, Kubernetes scales; else the measured load does."""

    min_replicas: Whole
    max_replicas: Whole
    cpu_percent: Whole | None = None


class Scaling:
    def __init__(self, control: Control, specs: Specs, describe: Describe) -> None:
        self._control = control
        self._specs = specs
        self._describe = describe
        self._state = control.state

    def router(self) -> APIRouter:
        return openapi.router(
            ("PUT", "/models/{model}/versions/{version}/autoscaling", self.set_autoscaling, 202),
            ("DELETE", "/models/{model}/versions/{version}/autoscaling", self.stop_autoscaling, 202),
            ("GET", "/models/{model}/versions/{version}/credential", self.credential, 200),
            ("PUT", "/models/{model}/versions/{version}/replicas", self.set_num_replicas, 202),
        )

    async def set_autoscaling(self, model: str, version: str, bounds: Bounds) -> answers.Version:
        """Let the number of replicas follow the load, between bounds."""
        wanted = Autoscaling(bounds.min_replicas, bounds.max_replicas, bounds.cpu_percent)
        return self._describe(await self._control.scaling.set_autoscaling(model, version, wanted))

    async def stop_autoscaling(self, model: str, version: str) -> answers.Version:
        """Leave the number of replicas as it is now."""
        return self._describe(await self._control.scaling.set_autoscaling(model, version, None))

    async def credential(self, model: str, version: str) -> dict[str, str]:
        """With what a model that runs elsewhere on this machine dials in."""
        found = find.version(self._state, model, version)
        if found.artifact is not None:
            raise BadRequest(f"{found} runs in containers of the cluster. register_model is for others.")
        return self._specs.outside(found)

    async def set_num_replicas(self, model: str, version: str, count: NumReplicas) -> answers.Version:
        """Start or stop replicas. Ask for the version with `wait_s` to learn when they are ready."""
        return self._describe(
            await self._control.scaling.set_num_replicas(model, version, count.num_replicas)
        )
