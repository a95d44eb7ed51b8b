"""The controllers of Deployments and ReplicaSets."""

from __future__ import annotations

import datetime
import hashlib
import json
import math

from .objects import Objects, now
from .refusals import Refusal
from .resources import DEPLOYMENTS, PODS, REPLICA_SETS, Object

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Deployments:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def look(self) -> None:
        for deployment in self._objects.store.view(DEPLOYMENTS):
            if not deployment["metadata"].get("deletionTimestamp"):
                self._reconcile(deployment)

    def _reconcile(self, deployment: Object) -> None:
        store, meta, spec = self._objects.store, deployment["metadata"], deployment["spec"]
        sets = [s for s in store.view(REPLICA_SETS, meta["namespace"]) if owned_by(s, meta["uid"])]
        name = f"{meta['name']}-{_hash(spec['template'])}"
        new = next((s for s in sets if s["metadata"]["name"] == name), None)
        old = [s for s in sets if s["metadata"]["name"] != name]
        if spec["strategy"]["type"] == "Recreate":
            for each in old:
                self._scale(each, 0)
            if not any(self._pods(each) for each in old):
                new = new or self._create(deployment, name, 0)
                self._scale(new, spec["replicas"])
        else:
            self._roll(deployment, new or self._create(deployment, name, 0), old)
        self._status(deployment, name)
        finished = [s for s in old if not s["spec"]["replicas"] and not self._pods(s)]
        finished.sort(key=lambda s: int(s["metadata"]["resourceVersion"]))
        for each in finished[: max(0, len(finished) - spec["revisionHistoryLimit"])]:
            self._objects.delete(REPLICA_SETS, meta["namespace"], each["metadata"]["name"])

    def _roll(self, deployment: Object, new: Object, old: list[Object]) -> None:
        spec = deployment["spec"]
        wanted, rolling = spec["replicas"], spec["strategy"]["rollingUpdate"]
        surge = _part(rolling["maxSurge"], wanted, up=True)
        unavailable = _part(rolling["maxUnavailable"], wanted, up=False)
        if not surge and not unavailable:
            unavailable = 1
        others = sum(s["spec"]["replicas"] for s in old)
        room = wanted + surge - others - new["spec"]["replicas"]
        now_new = new["spec"]["replicas"]
        if now_new > wanted:
            now_new = wanted
        elif room > 0:
            now_new = min(wanted, now_new + room)
        new = self._scale(new, now_new)
        available = {
            s["metadata"]["name"]: (s.get("status") or {}).get("availableReplicas", 0) for s in [new, *old]
        }
        missing = new["spec"]["replicas"] - available[new["metadata"]["name"]]
        may_go = others + new["spec"]["replicas"] - (wanted - unavailable) - missing
        left = []
        for each in old:  # those that do not work go first
            broken = each["spec"]["replicas"] - available[each["metadata"]["name"]]
            count = max(0, min(broken, may_go))
            may_go -= count
            left.append(self._scale(each, each["spec"]["replicas"] - count))
        spare = sum(available.values()) - (wanted - unavailable)
        for each in left:
            count = max(0, min(each["spec"]["replicas"], spare, may_go))
            spare, may_go = spare - count, may_go - count
            if count:
                self._scale(each, each["spec"]["replicas"] - count)

    def _create(self, deployment: Object, name: str, replicas: int) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        label = {"pod-template-hash": name.rpartition("-")[2]}
        template = json.loads(json.dumps(spec["template"]))
        template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **label}
        selector = {**spec["selector"], "matchLabels": {**spec["selector"].get("matchLabels", {}), **label}}
        body = {
            "metadata": {
                "name": name,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner(DEPLOYMENTS.api_version, "Deployment", meta)],
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }
        return self._objects.create(REPLICA_SETS, meta["namespace"], body)

    def _scale(self, replica_set: Object, replicas: int) -> Object:
        if replica_set["spec"]["replicas"] == replicas:
            return replica_set
        meta = replica_set["metadata"]
        found = self._objects.get(REPLICA_SETS, meta["namespace"], meta["name"])
        found["spec"]["replicas"] = replicas
        return self._objects.update(REPLICA_SETS, meta["namespace"], meta["name"], found)

    def _pods(self, replica_set: Object) -> list[Object]:
        meta = replica_set["metadata"]
        pods = self._objects.store.view(PODS, meta["namespace"])
        return [p for p in pods if owned_by(p, meta["uid"]) and p["status"].get("phase") not in _ENDED]

    def _status(self, deployment: Object, name: str) -> None:
        meta, spec = deployment["metadata"], deployment["spec"]
        current = self._objects.store.look(DEPLOYMENTS, meta["namespace"], meta["name"]) or deployment
        before = current.get("status") or {}
        sets = [
            s for s in self._objects.store.view(REPLICA_SETS, meta["namespace"]) if owned_by(s, meta["uid"])
        ]
        counted = {
            field: sum((s.get("status") or {}).get(field, 0) for s in sets)
            for field in ("replicas", "readyReplicas", "availableReplicas")
        }
        mine = [s for s in sets if s["metadata"]["name"] == name]
        updated = sum((s.get("status") or {}).get("replicas", 0) for s in mine)
        ready = sum((s.get("status") or {}).get("availableReplicas", 0) for s in mine)
        missing = max(0, spec["replicas"] - counted["availableReplicas"])
        status = {
            "observedGeneration": current["metadata"]["generation"],
            **{field: count for field, count in counted.items() if count},
            **({"updatedReplicas": updated} if updated else {}),
            **({"unavailableReplicas": missing} if missing else {}),
        }
        unavailable = 0
        if spec["strategy"]["type"] == "RollingUpdate":
            unavailable = _part(
                spec["strategy"]["rollingUpdate"]["maxUnavailable"], spec["replicas"], up=False
            )
        enough = counted["availableReplicas"] >= spec["replicas"] - unavailable
        conditions = [
            ("Available", enough, "MinimumReplicasAvailable", "Deployment has minimum availability.")
            if enough
            else (
                "Available",
                False,
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        ]
        done = ready >= spec["replicas"] and updated == counted["replicas"] == spec["replicas"]
        conditions.append(self._progress(name, spec, before, done, status))
        for each in mine:
            for condition in (each.get("status") or {}).get("conditions") or []:
                if condition["type"] == "ReplicaFailure":
                    conditions.append(("ReplicaFailure", True, condition["reason"], condition["message"]))
        status["conditions"] = [
            self._condition(before, kind, holds, reason, message)
            for kind, holds, reason, message in conditions
        ]
        self._objects.set_status(DEPLOYMENTS, deployment, status)

    @staticmethod
    def _progress(
        name: str, spec: Object, before: Object, done: bool, status: Object
    ) -> tuple[str, bool, str, str]:
        last = next((c for c in before.get("conditions") or [] if c["type"] == "Progressing"), None)
        if done:
            said = f'ReplicaSet "{name}" has successfully progressed.'
            return "Progressing", True, "NewReplicaSetAvailable", said
        too_late = f'ReplicaSet "{name}" has timed out progressing.'
        if last is not None and last["message"] == too_late:
            return "Progressing", False, "ProgressDeadlineExceeded", too_late
        said = f'ReplicaSet "{name}" is progressing.'
        counts = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
        same = all(before.get(field) == status.get(field) for field in counts)
        if last is not None and last["message"] == said and same:
            since = datetime.datetime.fromisoformat(last["lastUpdateTime"])
            passed = datetime.datetime.now(datetime.UTC) - since
            if passed.total_seconds() > spec["progressDeadlineSeconds"]:
                return "Progressing", False, "ProgressDeadlineExceeded", too_late
        return "Progressing", True, "ReplicaSetUpdated", said

    @staticmethod
    def _condition(before: Object, kind: str, holds: bool, reason: str, message: str) -> Object:
        last = next((c for c in before.get("conditions") or [] if c["type"] == kind), None)
        same = last is not None and (last["status"], last["reason"]) == (str(holds), reason)
        if last is not None and same and last["message"] == message:
            return dict(last)
        turned = last["lastTransitionTime"] if last and last["status"] == str(holds) else now()
        return {
            **{"type": kind, "status": str(holds), "reason": reason, "message": message},
            **{"lastUpdateTime": now(), "lastTransitionTime": turned},
        }


class ReplicaSets:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def look(self) -> None:
        for replica_set in self._objects.store.view(REPLICA_SETS):
            self._reconcile(replica_set)

    def _reconcile(self, replica_set: Object) -> None:
        store, meta, spec = self._objects.store, replica_set["metadata"], replica_set["spec"]
        mine = [p for p in store.view(PODS, meta["namespace"]) if owned_by(p, meta["uid"])]
        active = [p for p in mine if _active(p)]
        failure = ""
        for _ in range(spec["replicas"] - len(active)):
            failure = self._create(replica_set)
            if failure:
                break
        for pod in sorted(active, key=_first_to_go)[: max(0, len(active) - spec["replicas"])]:
            self._objects.delete(PODS, meta["namespace"], pod["metadata"]["name"])
            message = f"Deleted pod: {pod['metadata']['name']}"
            self._objects.event(REPLICA_SETS, replica_set, "Normal", "SuccessfulDelete", message, _WHO)
        active = [p for p in store.view(PODS, meta["namespace"]) if owned_by(p, meta["uid"]) and _active(p)]
        ready = [p for p in active if is_ready(p)]
        available = [p for p in ready if _for_long_enough(p, spec.get("minReadySeconds", 0))]
        status: Object = {
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": len(ready),
            "availableReplicas": len(available),
            "observedGeneration": meta["generation"],
        }
        if failure:
            last = next(iter((replica_set.get("status") or {}).get("conditions") or []), None)
            condition = {
                **{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure},
                "lastTransitionTime": last["lastTransitionTime"] if last else now(),
            }
            status["conditions"] = [condition]
        self._objects.set_status(REPLICA_SETS, replica_set, status)

    def _create(self, replica_set: Object) -> str:
        """Why it could not be created, or nothing."""
        meta, template = replica_set["metadata"], json.loads(json.dumps(replica_set["spec"]["template"]))
        body = {
            "metadata": {
                **template["metadata"],
                "generateName": f"{meta['name']}-",
                "ownerReferences": [owner(REPLICA_SETS.api_version, "ReplicaSet", meta)],
            },
            "spec": template["spec"],
        }
        try:
            pod = self._objects.create(PODS, meta["namespace"], body)
        except Refusal as refusal:
            message = _without_suffix(refusal.message, f"{meta['name']}-")
            conditions = (replica_set.get("status") or {}).get("conditions") or []
            if not any(condition["message"] == message for condition in conditions):
                said = f"Error creating: {refusal.message}"
                self._objects.event(REPLICA_SETS, replica_set, "Warning", "FailedCreate", said, _WHO)
            return message
        message = f"Created pod: {pod['metadata']['name']}"
        self._objects.event(REPLICA_SETS, replica_set, "Normal", "SuccessfulCreate", message, _WHO)
        return ""


_WHO = "replicaset-controller"
_ENDED = ("Succeeded", "Failed")


def _without_suffix(message: str, prefix: str) -> str:
    """The drawn name is another one each time, and would look like news."""
    begin, found, rest = message.partition(f'"{prefix}')
    return f'{begin}"{prefix}{rest[5:]}' if found else message


def _active(pod: Object) -> bool:
    return pod["status"].get("phase") not in _ENDED and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _for_long_enough(pod: Object, seconds: int) -> bool:
    when = next(c["lastTransitionTime"] for c in pod["status"]["conditions"] if c["type"] == "Ready")
    passed = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(when)
    return not seconds or passed.total_seconds() >= seconds


def _first_to_go(pod: Object) -> tuple[bool, bool, int, bool, float]:
    """Without a node, not running, of a low pod-deletion-cost, not ready, and then the youngest."""
    annotations = pod["metadata"].get("annotations") or {}
    cost = int(annotations.get("controller.kubernetes.io/pod-deletion-cost", 0))
    age = datetime.datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
    running = pod["status"].get("phase") == "Running"
    return bool(pod["spec"].get("nodeName")), running, is_ready(pod), bool(cost), cost or -age


def owned_by(thing: Object, uid: str) -> bool:
    owners = thing["metadata"].get("ownerReferences") or []
    return any(reference["uid"] == uid and reference.get("controller") for reference in owners)


def owner(api_version: str, kind: str, meta: Object) -> Object:
    return {
        **{"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"]},
        **{"controller": True, "blockOwnerDeletion": True},
    }


def _part(wish: object, whole: int, *, up: bool) -> int:
    if isinstance(wish, str) and wish.endswith("%"):
        part = whole * int(wish[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(str(wish))


def _hash(template: Object) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])
