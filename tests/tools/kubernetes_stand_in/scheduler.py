"""The scheduler: which node a pod goes to, or why to none, in the real one's words."""

from __future__ import annotations

from collections import Counter

from . import selectors
from .admission import counts, requests
from .objects import Objects, now
from .resources import CLAIMS, NODES, PODS, Object, quantity
from .store import copied

_HELPS_NOT = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"


class Scheduler:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def look(self) -> None:
        waiting = [
            copied(pod)
            for pod in self._objects.store.view(PODS)
            if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp")
        ]
        for pod in sorted(waiting, key=lambda pod: -_priority(pod)):
            self._place(pod)

    def _place(self, pod: Object) -> None:
        store = self._objects.store
        nodes = store.view(NODES)
        if why := self._unbound(pod):
            self._unschedulable(pod, f"0/{len(nodes)} nodes are available: {why}", len(nodes))
            return
        pods = [other for other in store.view(PODS) if counts(other)]
        fits: list[tuple[float, str]] = []
        reasons: Counter[str] = Counter()
        short = 0
        for node in nodes:
            found = self._reasons(pod, node, pods)
            if not found:
                name = node["metadata"]["name"]
                load = sum(other["spec"].get("nodeName") == name for other in pods)
                fits.append((self._spread(pod, node, nodes, pods), f"{load:05} {name}"))
            else:
                reasons.update(found)
                short += all(reason.startswith("Insufficient") for reason in found)
        if fits:
            self._bind(pod, min(fits)[1].split()[1])
            return
        if self._preempt(pod, nodes, pods):
            return
        text = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        preemption = []
        if short:
            preemption.append(f"{short} {_NO_VICTIMS}")
        if len(nodes) - short:
            preemption.append(f"{len(nodes) - short} {_HELPS_NOT}")
        message = f"0/{len(nodes)} nodes are available: {text or 'no nodes available to schedule pods'}."
        if nodes:
            message += f" preemption: 0/{len(nodes)} nodes are available: {', '.join(sorted(preemption))}."
        self._unschedulable(pod, message, len(nodes))

    def _preempt(self, pod: Object, nodes: list[Object], pods: list[Object]) -> bool:
        """Make room for it at the cost of pods with a lower priority; whether some have to go."""
        for node in nodes:
            name = node["metadata"]["name"]
            lower = [
                other
                for other in pods
                if other["spec"].get("nodeName") == name and _priority(other) < _priority(pod)
            ]
            left, victims = list(pods), []
            for victim in sorted(lower, key=_priority):
                if not self._reasons(pod, node, left):
                    break
                left.remove(victim)
                victims.append(victim)
            if victims and not self._reasons(pod, node, left):
                for victim in victims:
                    if not victim["metadata"].get("deletionTimestamp"):
                        self._end(victim, pod, name)
                return True
        return False

    def _end(self, victim: Object, for_: Object, node: str) -> None:
        meta = victim["metadata"]
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastTransitionTime": now(),
        }
        status = victim["status"]
        conditions = [*(status.get("conditions") or []), condition]
        self._objects.set_status(PODS, victim, {**status, "conditions": conditions})
        message = f"Preempted by pod {for_['metadata']['uid']} on node {node}"
        self._objects.event(PODS, victim, "Normal", "Preempted", message, "default-scheduler")
        self._objects.delete(PODS, meta["namespace"], meta["name"])

    def _unbound(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or []:
            if wish := volume.get("persistentVolumeClaim"):
                claim = self._objects.store.get(CLAIMS, pod["metadata"]["namespace"], wish["claimName"])
                if claim is None:
                    return f'persistentvolumeclaim "{wish["claimName"]}" not found. not found'
                if not claim["spec"].get("volumeName"):
                    return "pod has unbound immediate PersistentVolumeClaims. not found"
        return ""

    def _reasons(self, pod: Object, node: Object, pods: list[Object]) -> list[str]:
        """Why the pod cannot go there."""
        spec = node.get("spec") or {}
        if spec.get("unschedulable"):
            return ["node(s) were unschedulable"]
        for taint in spec.get("taints") or []:
            if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerates(pod, taint):
                return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
        if not self._wanted(pod, node):
            return ["node(s) didn't match Pod's node affinity/selector"]
        allocatable = node["status"]["allocatable"]
        used: dict[str, float] = {}
        there = [other for other in pods if other["spec"].get("nodeName") == node["metadata"]["name"]]
        for other in there:
            for name, amount in requests(other).items():
                used[name] = used.get(name, 0.0) + amount
        found = ["Too many pods"] if len(there) + 1 > int(allocatable["pods"]) else []
        for name, amount in requests(pod).items():
            if amount and used.get(name, 0.0) + amount > quantity(allocatable.get(name, "0")):
                found.append(f"Insufficient {name}")
        if not found and self._too_uneven(pod, node, pods):
            found.append("node(s) didn't match pod topology spread constraints")
        return found

    def _wanted(self, pod: Object, node: Object) -> bool:
        labels = node["metadata"].get("labels") or {}
        selector = pod["spec"].get("nodeSelector") or {}
        if any(labels.get(key) != value for key, value in selector.items()):
            return False
        affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        terms = (required or {}).get("nodeSelectorTerms") or []
        return not terms or any(selectors.selects(term, labels) for term in terms)

    def _too_uneven(self, pod: Object, node: Object, pods: list[Object]) -> bool:
        for constraint in pod["spec"].get("topologySpreadConstraints") or []:
            if constraint["whenUnsatisfiable"] != "DoNotSchedule":
                continue
            counted = self._by_domain(pod, constraint, self._objects.store.view(NODES), pods)
            domain = (node["metadata"].get("labels") or {}).get(constraint["topologyKey"])
            if domain is None or counted[domain] + 1 - min(counted.values()) > constraint["maxSkew"]:
                return True
        return False

    def _spread(self, pod: Object, node: Object, nodes: list[Object], pods: list[Object]) -> float:
        """How many of its kind are where it would go: by its wishes, else on the same node."""
        total = 0.0
        for constraint in pod["spec"].get("topologySpreadConstraints") or []:
            counted = self._by_domain(pod, constraint, nodes, pods)
            total += counted.get((node["metadata"].get("labels") or {}).get(constraint["topologyKey"], ""), 0)
        return total

    @staticmethod
    def _by_domain(
        pod: Object, constraint: Object, nodes: list[Object], pods: list[Object]
    ) -> dict[str, int]:
        key = constraint["topologyKey"]
        domains = {n["metadata"]["name"]: (n["metadata"].get("labels") or {}).get(key) for n in nodes}
        counted = {domain: 0 for domain in domains.values() if domain is not None}
        for other in pods:
            same = other["metadata"]["namespace"] == pod["metadata"]["namespace"]
            chosen = selectors.selects(constraint.get("labelSelector"), other["metadata"].get("labels"))
            domain = domains.get(other["spec"].get("nodeName", ""))
            if same and chosen and domain is not None:
                counted[domain] += 1
        return counted

    def _bind(self, pod: Object, node: str) -> None:
        pod["spec"]["nodeName"] = node
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}
        pod["status"]["conditions"] = [condition]
        self._objects.store.put(PODS, pod)
        meta = pod["metadata"]
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._objects.event(PODS, pod, "Normal", "Scheduled", message, "default-scheduler")

    def _unschedulable(self, pod: Object, message: str, nodes: int) -> None:
        conditions = pod["status"].get("conditions") or []
        if any(condition.get("message") == message for condition in conditions):
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": now(),
        }
        status = {**pod["status"], "conditions": [condition]}
        self._objects.set_status(PODS, pod, status)
        self._objects.event(PODS, pod, "Warning", "FailedScheduling", message, "default-scheduler")


def _priority(pod: Object) -> int:
    return int(pod["spec"].get("priority", 0))


def _tolerates(pod: Object, taint: Object) -> bool:
    for toleration in pod["spec"].get("tolerations") or []:
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            if toleration.get("key") in (None, "", taint["key"]):
                return True
        elif (toleration.get("key"), toleration.get("value", "")) == (taint["key"], taint.get("value", "")):
            return True
    return False
