"""The kubelets of all nodes: every pod that has a node runs, and ends when it is deleted."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from .network import Network
from .objects import Objects
from .pod import Pod
from .resources import CONFIG_MAPS, PODS, SECRETS
from .store import copied
from .volumes import Volumes

UNPULLABLE = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve '
    'reference "{image}": {image}: not found'
)


class Kubelet:
    """`look` is called again after every change."""

    def __init__(
        self, objects: Objects, folder: Path, network: Network, volumes: Volumes, back_off_s: float
    ) -> None:
        self.pods: dict[str, Pod] = {}  # by uid
        self.unpullable: set[str] = set()
        self.lost: set[str] = set()  # nodes whose kubelet is not heard of
        self.api = ("", 0)
        self._objects = objects
        self._folder = folder
        self._network = network
        self._volumes = volumes
        self._back_off_s = back_off_s
        self._files = 0
        self._number = 0
        self._closing: set[asyncio.Task[None]] = set()

    def _why_unpullable(self, image: str) -> str:
        if any(part in image for part in self.unpullable):
            return UNPULLABLE.format(image=image)
        return ""

    def look(self) -> None:
        store = self._objects.store
        there = {pod["metadata"]["uid"]: pod for pod in store.view(PODS) if pod["spec"].get("nodeName")}
        for uid in self.pods.keys() - there.keys():
            self._close(self.pods.pop(uid))
        for uid, pod in there.items():
            node = pod["spec"]["nodeName"]
            if node in self.lost:
                continue
            if uid not in self.pods and not self._ended(pod["status"].get("phase")):
                if pod["metadata"].get("deletionTimestamp"):
                    store.remove(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
                    continue
                self._number += 1
                self.pods[uid] = Pod(
                    *(
                        copied(pod),
                        self._objects,
                        self._folder / f"{self._number}",
                        self._network,
                        self._volumes,
                    ),
                    *(self._why_unpullable, self.api, self._back_off_s),
                )
            elif uid in self.pods:
                if pod["metadata"].get("deletionTimestamp"):
                    self.pods[uid].stop(float(pod["metadata"].get("deletionGracePeriodSeconds", 30)))
                self.pods[uid].changed()  # a readiness gate may have been opened
        self._refresh()

    def _refresh(self) -> None:
        store = self._objects.store
        newest = max(
            (int(t["metadata"]["resourceVersion"]) for r in (SECRETS, CONFIG_MAPS) for t in store.view(r)),
            default=0,
        )
        if newest != self._files:
            self._files = newest
            for pod in self.pods.values():
                pod.refresh()

    @staticmethod
    def _ended(phase: str | None) -> bool:
        return phase in ("Succeeded", "Failed")

    def find(self, namespace: str, name: str) -> Pod:
        """Raises LookupError."""
        for pod in self.pods.values():
            meta = pod.pod["metadata"]
            if (meta["namespace"], meta["name"]) == (namespace, name):
                return pod
        raise LookupError(f"No pod {name} runs in the namespace {namespace} of the stand-in.")

    def lose(self, node: str) -> None:
        """The machine is gone, with all that ran on it."""
        self.lost.add(node)
        for uid, pod in list(self.pods.items()):
            if pod.pod["spec"]["nodeName"] == node:
                pod.vanish()
                self._close(self.pods.pop(uid))

    def _close(self, pod: Pod) -> None:
        task = asyncio.create_task(pod.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        await asyncio.gather(*(pod.close() for pod in self.pods.values()), *self._closing)
        shutil.rmtree(self._folder, ignore_errors=True)
