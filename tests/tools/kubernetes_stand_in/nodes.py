"""Nodes: made by the test, drained, lost and found again."""

from __future__ import annotations

import asyncio

from .kubelet import Kubelet
from .objects import Objects, now
from .refusals import Refusal
from .resources import NODES, PODS, Object
from .subresources import evict

AGAIN_S = 0.2
UNREACHABLE = "node.kubernetes.io/unreachable"


class Nodes:
    def __init__(self, objects: Objects, kubelet: Kubelet) -> None:
        self._objects = objects
        self._kubelet = kubelet

    def add(
        self, name: str, cpu: str, memory: str, gpus: int, labels: dict[str, str], taints: list[Object]
    ) -> None:
        amounts = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "100Gi"}
        if gpus:
            amounts["nvidia.com/gpu"] = str(gpus)
        own = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        self._objects.create(
            NODES,
            "",
            {
                "metadata": {"name": name, "labels": own | labels},
                "spec": {"taints": taints},
                "status": {
                    "capacity": amounts,
                    "allocatable": amounts,
                    "addresses": [
                        {"type": "InternalIP", "address": "127.0.0.1"},
                        {"type": "Hostname", "address": name},
                    ],
                    "conditions": [_ready("True", "KubeletReady", "kubelet is posting ready status")],
                    "nodeInfo": _INFO,
                },
            },
        )

    def cordon(self, name: str, *, unschedulable: bool = True) -> None:
        node = self._objects.get(NODES, "", name)
        node["spec"]["unschedulable"] = unschedulable
        self._objects.store.put(NODES, node)

    async def drain(self, name: str, timeout_s: float) -> None:
        """As kubectl drain: cordon, and evict what runs there, again and again where a budget forbids it.

        Raises TimeoutError.
        """
        self.cordon(name)
        async with asyncio.timeout(timeout_s):
            while pods := [p for p in self._objects.store.view(PODS) if p["spec"].get("nodeName") == name]:
                for pod in pods:
                    if not pod["metadata"].get("deletionTimestamp"):
                        try:
                            evict(self._objects, pod["metadata"]["namespace"], pod["metadata"]["name"])
                        except Refusal:
                            continue
                await asyncio.sleep(AGAIN_S)

    async def lose(self, name: str, evict_after_s: float) -> None:
        """Its power is off. What ran there is evicted later, and stays until the node is back or removed."""
        self._kubelet.lose(name)
        node = self._objects.get(NODES, "", name)
        node["status"]["conditions"] = [
            _ready("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        ]
        node["spec"]["taints"] = [
            *(node["spec"].get("taints") or []),
            *({"key": UNREACHABLE, "effect": effect} for effect in ("NoSchedule", "NoExecute")),
        ]
        self._objects.store.put(NODES, node)
        self._objects.event(
            NODES, node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady", _WHO
        )
        for pod in self._on(name):
            for condition in pod["status"].get("conditions") or []:
                if condition["type"] == "Ready":
                    condition.update(status="False", lastTransitionTime=now())
            self._objects.store.put(PODS, pod)
            self._objects.event(PODS, pod, "Warning", "NodeNotReady", "Node is not ready", _WHO)
        await asyncio.sleep(evict_after_s)
        for pod in self._on(name):
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByTaintManager",
                "message": "Taint manager: deleting due to NoExecute taint",
                "lastTransitionTime": now(),
            }
            status = pod["status"]
            status["conditions"] = [*(status.get("conditions") or []), condition]
            status["reason"] = "NodeLost"
            status["message"] = f"Node {name} which was running pod {pod['metadata']['name']} is unresponsive"
            self._objects.store.put(PODS, pod)
            self._objects.event(
                *(PODS, pod, "Normal", "TaintManagerEviction"),
                f"Marking for deletion Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}",
                "taint-eviction-controller",
            )
            self._objects.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])

    def restore(self, name: str) -> None:
        """It can have pods again, after a drain or its loss. What is to be deleted there is now gone."""
        node = self._objects.get(NODES, "", name)
        node["spec"]["unschedulable"] = False
        node["spec"]["taints"] = [t for t in node["spec"].get("taints") or [] if t["key"] != UNREACHABLE]
        node["status"]["conditions"] = [_ready("True", "KubeletReady", "kubelet is posting ready status")]
        self._kubelet.lost.discard(name)
        self._objects.store.put(NODES, node)

    def remove(self, name: str) -> None:
        """It is gone for good, and its pods with it."""
        self._kubelet.lose(name)
        for pod in self._on(name):
            self._objects.store.remove(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._objects.delete(NODES, "", name)

    def _on(self, name: str) -> list[Object]:
        return [pod for pod in self._objects.store.all(PODS) if pod["spec"].get("nodeName") == name]


_WHO = "node-controller"
_INFO = {
    **{
        "architecture": "amd64",
        "operatingSystem": "linux",
        "osImage": "stand-in",
        "kernelVersion": "stand-in",
    },
    **{"kubeletVersion": "v1.36.0-stand-in", "kubeProxyVersion": "", "containerRuntimeVersion": "stand-in"},
    **{"machineID": "", "systemUUID": "", "bootID": ""},
}


def _ready(status: str, reason: str, message: str) -> Object:
    return {
        **{"type": "Ready", "status": status, "reason": reason, "message": message},
        **{"lastHeartbeatTime": now(), "lastTransitionTime": now()},
    }
