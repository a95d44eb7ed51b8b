"""A model version's HorizontalPodAutoscaler: how it is written, and what its status means, in sentences."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .. import Trouble, Wanted
from .deployments import DIGEST, MODEL, VERSION, labels_of, name_of
from .manifests import COMPONENT, Manifest

_NO_METRICS = ("could not find the requested resource", "unable to handle the request", "is not registered")
_NOT_YET = ("no metrics returned", "did not receive metrics", "no recommendation")


def autoscaler(wanted: Wanted) -> Manifest:
    """From the CPU that its pods use, in per cent of what they ask for."""
    assert wanted.by_cpu is not None
    bounds = wanted.by_cpu
    model, version = wanted.spec.labels["model"], wanted.spec.labels["version"]
    name = name_of(model, version)
    target = {"type": "Utilization", "averageUtilization": bounds.cpu_percent}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": bounds.min_replicas,
        "maxReplicas": bounds.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels_of(model, version), "annotations": {DIGEST: digest}},
        "spec": spec,
    }


def is_of_a_model(found: Manifest) -> bool:
    """One of query frontends may be there too, from an overlay."""
    return bool((found["metadata"].get("labels") or {}).get(COMPONENT) == "model")


def why(found: Manifest, count: int) -> str:
    """For the end of a sentence: what it has measured, where it was for that that it wanted so many."""
    status = found.get("status") or {}
    for metric in status.get("currentMetrics") or [] if status.get("desiredReplicas") == count else []:
        used = ((metric.get("resource") or {}).get("current") or {}).get("averageUtilization")
        if used is not None:
            wanted = found["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"]
            return f"it uses {used} % of the CPU that it asks for, and {wanted} % is what it should be"
    return "its autoscaler decided so"


def troubles(found: Manifest) -> list[Trouble]:
    """Why it does not scale, or not as far as it would."""
    labels = found["metadata"].get("labels") or {}
    whose = {"model": labels[MODEL], "version": labels[VERSION]} if MODEL in labels else {}
    who = f"{labels[MODEL]}:{labels[VERSION]}" if whose else "The set of query frontends"
    conditions = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or []}
    for kind in ("AbleToScale", "ScalingActive"):
        failed: dict[str, Any] = conditions.get(kind, {})
        if failed.get("status") == "False" and failed.get("reason") != "ScalingDisabled":
            text = _why_not(failed.get("reason", ""), failed.get("message", "").rstrip("."), whose)
            return [Trouble(f"{who} keeps its number of replicas: {text}", whose)]
    limited = conditions.get("ScalingLimited", {})
    if limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas":
        most = found["spec"]["maxReplicas"]
        advice = "A higher upper bound, or a faster model, helps."
        return [Trouble(f"{who} has its {most} replicas, and its CPU load wants more. {advice}", whose)]
    return []


def _why_not(reason: str, message: str, whose: dict[str, str]) -> str:
    if any(part in message for part in _NO_METRICS):
        advice = ", or let Clipper Lab's own measure of load do it: set_autoscaling() without cpu_percent"
        return (
            f"the cluster measures no CPU load ({message}). Install metrics-server{advice if whose else ''}."
        )
    if "missing request for cpu" in message:
        return f'it does not say what CPU it asks for ({message}). Deploy it with resources={{"cpus": 1}}.'
    if any(part in message for part in _NOT_YET):
        return (
            "its autoscaler has no figures of its pods so far. They come about a minute after a pod starts."
        )
    return f"its autoscaler says {reason or 'nothing'} ({message or 'no reason was given'})."
