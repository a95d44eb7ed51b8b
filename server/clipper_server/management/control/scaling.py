"""How many replicas a version has."""

from __future__ import annotations

from clipper_container.errors import BadRequest

from ...places import ContainerManager, Orchestrator
from ..state import Autoscaling, State, Version
from . import find, rollouts, shadows
from .publisher import Publisher, subject
from .stopping import Stopping

MAX_REPLICAS = 100
MAX_CPU_PERCENT = 1000


class Scaling:
    """By hand, or between bounds."""

    def __init__(
        self, state: State, manager: ContainerManager, publisher: Publisher, stopping: Stopping
    ) -> None:
        self._state = state
        self._manager = manager
        self._publisher = publisher
        self._stopping = stopping

    async def set_num_replicas(self, model: str, version: str, num_replicas: int) -> Version:
        found = self._running(model, version)
        check_num_replicas(num_replicas)
        if found.autoscaling is not None:
            bounds = found.autoscaling
            raise BadRequest(
                f"{found} is scaled automatically, between {bounds.min_replicas} and {bounds.max_replicas} "
                f"replicas. set_autoscaling('{model}', None) switches that off."
            )
        if num_replicas == 0:
            self._check_idle(found)
        self._state.set_num_replicas(model, version, num_replicas)
        await self._publisher.publish("scale", f"{found} gets {_replicas(num_replicas)}.", **subject(found))
        await self._stopping.asked(found)
        return find.version(self._state, model, version)

    async def set_autoscaling(self, model: str, version: str, autoscaling: Autoscaling | None) -> Version:
        found = self._running(model, version)
        if autoscaling is None:
            if found.num_replicas == 0:
                self._check_idle(found)
            self._state.set_autoscaling(model, version, None)
            await self._publisher.publish(
                "scale", f"{found} is no longer scaled automatically.", **subject(found)
            )
            return find.version(self._state, model, version)
        low, high = autoscaling.min_replicas, autoscaling.max_replicas
        if not 0 <= low <= high <= MAX_REPLICAS or high == 0:
            raise BadRequest(
                f"The bounds must be 0 <= min_replicas <= max_replicas <= {MAX_REPLICAS}, and the upper one "
                f"above 0, not {low} and {high}."
            )
        self._check_cpu(found, autoscaling)
        self._state.set_autoscaling(model, version, autoscaling)
        self._state.set_num_replicas(model, version, min(max(found.num_replicas, low), high))
        how = (
            ""
            if autoscaling.cpu_percent is None
            else f", to keep its CPU load at {autoscaling.cpu_percent} %"
        )
        text = f"{found} is scaled automatically, between {low} and {high} replicas{how}."
        await self._publisher.publish("scale", text, **subject(found))
        await self._stopping.asked(found)
        return find.version(self._state, model, version)

    def _check_idle(self, version: Version) -> None:
        """Raises BadRequest where a rollout or a shadow that runs asks it."""
        rollouts.check_remove(self._state, version, "have no replicas")
        shadows.check_remove(self._state, version, "have no replicas")

    def _check_cpu(self, version: Version, autoscaling: Autoscaling) -> None:
        if autoscaling.cpu_percent is None:
            return
        if not isinstance(self._manager, Orchestrator):
            raise BadRequest(
                "cpu_percent is for clusters on Kubernetes, whose HorizontalPodAutoscaler keeps to it. Leave "
                "it out, and the replicas follow the load that is measured here."
            )
        if not 1 <= autoscaling.cpu_percent <= MAX_CPU_PERCENT:
            raise BadRequest(
                f"cpu_percent must be from 1 to {MAX_CPU_PERCENT}, not {autoscaling.cpu_percent}."
            )
        if autoscaling.min_replicas == 0:
            raise BadRequest(
                "With cpu_percent min_replicas is at least 1: what has no pod has no CPU load either. Leave "
                "cpu_percent out for a model that may sleep."
            )
        if version.resources.cpus is None:
            raise BadRequest(
                f"cpu_percent is a part of what each replica asks for, and {version} asks for no CPU. Deploy "
                'it with resources={"cpus": 1}.'
            )

    def scaled(self, version: Version, num_replicas: int, why: str) -> None:
        """The autoscaler's word."""
        self._state.set_num_replicas(version.model, version.version, num_replicas)
        self._publisher.announce(
            "scale", f"{version} gets {_replicas(num_replicas)}: {why}.", **subject(version)
        )

    def _running(self, model: str, version: str) -> Version:
        """The version, which has replicas of ours. Raises NotFound or BadRequest."""
        found = find.version(self._state, model, version)
        if found.state == "failed":
            raise BadRequest(f"{found} failed to deploy. Deploy it again first.")
        if found.artifact is None:
            raise BadRequest(
                f"{found} is a containerless model: it runs elsewhere and dials in. Start or stop it there."
            )
        return found


def check_num_replicas(count: int) -> None:
    if not 0 <= count <= MAX_REPLICAS:
        raise BadRequest(f"The number of replicas must be from 0 to {MAX_REPLICAS}, not {count}.")


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"
