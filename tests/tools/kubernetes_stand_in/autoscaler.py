"""The controller of HorizontalPodAutoscalers, by the CPU that the test says a Deployment uses.

It looks again a second after a decision, and not 15, and has no patience before fewer replicas.
"""

from __future__ import annotations

import math
import time

from .deployments import owned_by
from .objects import Objects, now
from .resources import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS, Object, quantity

TOLERANCE = 0.1
REST_S = 1.0
NO_METRICS = (
    "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics "
    "for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the "
    "requested resource (get pods.metrics.k8s.io)"
)
NO_REQUEST = (
    "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu "
    "in container {} of Pod {}"
)


class Autoscalers:
    """`cpus` is what all pods of a Deployment use together, by namespace and name."""

    def __init__(self, objects: Objects) -> None:
        self.cpus: dict[tuple[str, str], float] = {}
        self.has_metrics = False
        self._rests: dict[str, float] = {}  # until then, by uid
        self._objects = objects

    def look(self) -> None:
        for autoscaler in self._objects.store.all(AUTOSCALERS):
            if time.monotonic() >= self._rests.get(autoscaler["metadata"]["uid"], 0.0):
                self._reconcile(autoscaler)

    def _reconcile(self, autoscaler: Object) -> None:
        meta, spec = autoscaler["metadata"], autoscaler["spec"]
        name = spec["scaleTargetRef"]["name"]
        deployment = self._objects.store.get(DEPLOYMENTS, meta["namespace"], name)
        if deployment is None:
            said = f'deployments.apps "{name}" not found'
            self._set(autoscaler, {}, AbleToScale=(False, "FailedGetScale", said))
            return
        have = int(deployment["spec"]["replicas"])
        able = (True, "SucceededGetScale", "the HPA controller was able to get the target's current scale")
        counted = {"currentReplicas": have, "desiredReplicas": have}
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        asked = (container["resources"].get("requests") or {}).get("cpu")
        if not self.has_metrics or not asked:
            pods = [p["metadata"]["name"] for p in self._pods(deployment)] or [""]
            why = NO_REQUEST.format(container["name"], pods[0]) if self.has_metrics else NO_METRICS
            failed = (False, "FailedGetResourceMetric", why)
            self._set(autoscaler, counted, AbleToScale=able, ScalingActive=failed)
            return
        goal = spec["metrics"][0]["resource"]["target"]["averageUtilization"]
        used = self.cpus.get((meta["namespace"], name), 0.0)
        utilisation = 100 * used / (max(1, have) * quantity(asked))
        wanted = have
        if abs(utilisation / goal - 1) > TOLERANCE:
            wanted = math.ceil(100 * used / (goal * quantity(asked)))
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        kept = min(max(wanted, least), most)
        if kept != have:
            self._rests[meta["uid"]] = time.monotonic() + REST_S
            deployment["spec"]["replicas"] = kept
            self._objects.update(
                DEPLOYMENTS, meta["namespace"], name, deployment, manager="horizontal-pod-autoscaler"
            )
        limited = (False, "DesiredWithinRange", "the desired count is within the acceptable range")
        if wanted > most:
            said = "the desired replica count is more than the maximum replica count"
            limited = (True, "TooManyReplicas", said)
        elif wanted < least:
            said = "the desired replica count is less than the minimum replica count"
            limited = (True, "TooFewReplicas", said)
        measured = {"averageUtilization": round(utilisation), "averageValue": f"{round(10 * utilisation)}m"}
        status = {
            "currentReplicas": have,
            "desiredReplicas": kept,
            "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": measured}}],
        }
        active = (True, "ValidMetricFound", "the HPA was able to successfully calculate a replica count")
        self._set(autoscaler, status, AbleToScale=able, ScalingActive=active, ScalingLimited=limited)

    def _pods(self, deployment: Object) -> list[Object]:
        namespace, uid = deployment["metadata"]["namespace"], deployment["metadata"]["uid"]
        sets = [s for s in self._objects.store.view(REPLICA_SETS, namespace) if owned_by(s, uid)]
        uids = [s["metadata"]["uid"] for s in sets]
        return [p for p in self._objects.store.view(PODS, namespace) if any(owned_by(p, uid) for uid in uids)]

    def _set(self, autoscaler: Object, status: Object, **conditions: tuple[bool, str, str]) -> None:
        before = {c["type"]: c for c in (autoscaler.get("status") or {}).get("conditions") or []}
        found = []
        for kind, (holds, reason, message) in conditions.items():
            new = {"type": kind, "status": str(holds), "reason": reason, "message": message}
            last = before.get(kind, {})
            turned = last["lastTransitionTime"] if last.get("status") == str(holds) else now()
            found.append({**new, "lastTransitionTime": turned})
        self._objects.set_status(AUTOSCALERS, autoscaler, {**status, "conditions": found})
