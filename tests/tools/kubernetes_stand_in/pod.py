"""One pod on a node, from its volumes to its end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from .container import Container
from .network import Network
from .objects import Objects, now
from .resources import PODS, Object
from .volumes import NotThere, Volumes

LOOK_AGAIN_S = 0.25


class Pod:
    """Satisfies container.Place."""

    def __init__(
        self,
        pod: Object,
        objects: Objects,
        folder: Path,
        network: Network,
        volumes: Volumes,
        unpullable: Callable[[str], str],
        api: tuple[str, int],
        back_off_s: float,
    ) -> None:
        self.pod = pod
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.address = network.pod_address()
        self.names_file = network.names_file
        self.store = objects.store
        self.api = api
        self.back_off_s = back_off_s
        self.unpullable = unpullable
        self.volumes: dict[str, Path] = {}
        self._objects = objects
        self._source = volumes
        spec = pod["spec"]
        self.first = [Container(self, each, first=True) for each in spec.get("initContainers") or []]
        self.containers = [Container(self, each) for each in spec["containers"]]
        if not self.first:
            for container in self.containers:
                container.state = {"waiting": {"reason": "ContainerCreating"}}
        self._initialized = not self.first
        self._gone = False
        self._evicted: Object = {}
        self._transitions: dict[str, tuple[str, str]] = {}
        self._task = asyncio.create_task(self._run(), name=f"pod {pod['metadata']['name']}")
        self._ending: asyncio.Task[None] | None = None
        self._grace_s = 0.0

    def container(self, name: str = "") -> Container:
        """The first one where no name is given."""
        return next(each for each in self.containers if name in ("", each.name))

    @property
    def ending(self) -> bool:
        return self._ending is not None

    async def _run(self) -> None:
        self.changed()
        await self._mount()
        for container in self.first:
            code = await container.run()
            if code:
                break
        else:
            self._initialized = True
            self.changed()
            async with asyncio.TaskGroup() as group:
                for container in self.containers:
                    group.create_task(container.run())
        self.changed()

    async def _mount(self) -> None:
        said = ""
        while True:
            try:
                self.volumes = self._source.prepare(self.pod, self.folder / "volumes")
                return
            except NotThere as error:
                if str(error) != said:
                    said = str(error)
                    self.event("Warning", "FailedMount", f"MountVolume.SetUp failed: {said}")
            await asyncio.sleep(LOOK_AGAIN_S)

    def refresh(self) -> None:
        """Bring the files of Secrets and ConfigMaps up to date."""
        if self.volumes:
            with contextlib.suppress(NotThere):
                self._source.prepare(self.pod, self.folder / "volumes")

    def event(self, kind: str, reason: str, message: str) -> None:
        self._objects.event(PODS, self.pod, kind, reason, message, "kubelet")

    def changed(self) -> None:
        """Write the pod's status."""
        if self._gone:
            return
        meta = self.pod["metadata"]
        current = self.store.get(PODS, meta["namespace"], meta["name"])
        if current is None or current["metadata"]["uid"] != meta["uid"]:
            return
        self.pod = {**current, "spec": self.pod["spec"]}
        status = {**current["status"], **self._status(current)}
        self._objects.set_status(PODS, self.pod, status)

    def _status(self, current: Object) -> Object:
        status: Object = {
            "phase": self._phase(),
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "startTime": current["status"].get("startTime") or now(),
            "containerStatuses": [container.status() for container in self.containers],
            "observedGeneration": current["metadata"].get("generation", 1),
        }
        if self.first:
            status["initContainerStatuses"] = [container.status() for container in self.first]
        ready = all(container.ready for container in self.containers) and status["phase"] == "Running"
        others = current["status"].get("conditions") or []
        gates = [gate["conditionType"] for gate in self.pod["spec"].get("readinessGates") or []]
        set_ = {condition["type"]: condition["status"] for condition in others}
        closed = [gate for gate in gates if set_.get(gate) != "True"]
        unready = " ".join(container.name for container in self.containers if not container.ready)
        why = {} if ready else {"reason": "ContainersNotReady"}
        if not ready:
            why["message"] = f"containers with unready status: [{unready}]"
        if status["phase"] == "Succeeded":
            why = {"reason": "PodCompleted"}
        pod_why = why
        if ready and closed:
            said = [
                f'corresponding condition of pod readiness gate "{gate}" '
                + (f'has status "{set_[gate]}", not "True".' if gate in set_ else "does not exist.")
                for gate in closed
            ]
            pod_why = {"reason": "ReadinessGatesNotReady", "message": ", ".join(said)}
        mine = {
            "PodReadyToStartContainers": (bool(self.volumes), {}),
            "Initialized": (self._initialized, self._uninitialized()),
            "Ready": (ready and not closed, pod_why),
            "ContainersReady": (ready, why),
        }
        kept = [condition for condition in others if condition["type"] not in mine]
        status["conditions"] = [self._condition(kind, *value) for kind, value in mine.items()] + kept
        return {**status, **self._evicted}

    def _uninitialized(self) -> dict[str, str]:
        if self._initialized:
            return {}
        left = " ".join(each.name for each in self.first if not each.completed)
        said = f"containers with incomplete status: [{left}]"
        return {"reason": "ContainersNotInitialized", "message": said}

    def _condition(self, kind: str, holds: bool, why: dict[str, str]) -> Object:
        last, when = self._transitions.get(kind, ("", ""))
        if last != str(holds):
            when = now()
            self._transitions[kind] = str(holds), when
        return {"type": kind, "status": str(holds), "lastTransitionTime": when, "lastProbeTime": None, **why}

    def _phase(self) -> str:
        states = [container.state for container in self.containers]
        if not self._initialized:
            failed = any(c.state.get("terminated", {}).get("exitCode") for c in self.first)
            return "Failed" if failed and self.pod["spec"].get("restartPolicy") == "Never" else "Pending"
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if all("terminated" in state for state in states) and (policy != "Always" or self.ending):
            codes = [state["terminated"]["exitCode"] for state in states]
            if not any(codes):
                return "Succeeded"
            if policy == "Never" or self.ending:
                return "Failed"
        if any("running" in state or "terminated" in state for state in states):
            return "Running"
        return "Running" if any(container.restarts for container in self.containers) else "Pending"

    def evict(self, message: str) -> None:
        """The node is short of something: the pod has failed for good."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": message,
            "lastTransitionTime": now(),
        }
        status = self.pod["status"]
        conditions = [*(status.get("conditions") or []), condition]
        self._objects.set_status(PODS, self.pod, {**status, "conditions": conditions})
        self._evicted = {"phase": "Failed", "reason": "Evicted", "message": message}
        self.event("Warning", "Evicted", message)
        for container in [*self.first, *self.containers]:
            container.vanish()
        self.changed()

    def stop(self, grace_s: float) -> None:
        """Begin to end it; the pod is removed when it has ended. A grace may be made shorter later on."""
        if self._ending is not None:
            if grace_s >= self._grace_s:
                return
            self._ending.cancel()
        self._grace_s = grace_s
        self._ending = asyncio.create_task(self._stop(grace_s), name="end of a pod")

    async def _stop(self, grace_s: float) -> None:
        await asyncio.gather(*(c.stop(grace_s) for c in [*self.first, *self.containers]))
        with contextlib.suppress(TimeoutError, Exception):
            async with asyncio.timeout(1):
                await asyncio.shield(self._task)
        self._task.cancel()
        self.changed()
        meta = self.pod["metadata"]
        current = self.store.get(PODS, meta["namespace"], meta["name"])
        if current is not None and current["metadata"]["uid"] == meta["uid"]:
            self.store.remove(PODS, meta["namespace"], meta["name"])

    def vanish(self) -> None:
        """It is removed, or its node is lost: end its processes, and write no more."""
        self._gone = True
        for container in [*self.first, *self.containers]:
            container.vanish()
        self._task.cancel()

    async def close(self) -> None:
        self.vanish()
        for task in (self._task, self._ending):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
        shutil.rmtree(self.folder, ignore_errors=True)
