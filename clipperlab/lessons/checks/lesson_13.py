"""Checks of lesson 13, on clusters of pods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from . import Checked, NotYet, check, is_answered

MIB = 1 << 20
# A cluster that no API server is needed for: what the check of the last task asks about.
SOME_YAML = """
kind: Service
spec: {ports: [{port: 1337}]}
---
kind: Deployment
spec: {template: {spec: {containers: [{image: "b:1"}, {image: "c:1"}]}}}
---
kind: Deployment
spec: {template: {spec: {containers: [{image: "b:1"}]}}}
---
kind: Deployment
spec: {template: {spec: {containers: [{image: "a:1"}]}}}
"""


def _only_the_model(load: Mapping[str, Any]) -> None:
    """Raises NotYet where more than a few queries had something else; a busy machine may make some late."""
    if not is_answered(load, 0.02):
        raise NotYet(f"Of {load['sent']} queries too few had the model's answer: {load['answers']}.")


def _info(wb: Checked, model: str, version: int) -> Any:
    info = wb.conn.get_model_info(model, version)
    if info is None:
        raise NotYet(f"There is no version {version} of a model {model} yet.")
    if info["state"] != "ready":
        said = info["error"] or " ".join(info["warnings"])
        raise NotYet(f"Version {version} of {model} is {info['state']}. {said}")
    return info


@check(
    "kubernetes-pods",
    hints=(
        "There are three kinds of pods, and each has a label that says which.",
        "The label is app.kubernetes.io/component: management, query or model.",
        'wb.check("kubernetes-pods", {part: names(part) for part in ("management", "query", "model")})',
    ),
)
def pods(wb: Checked, parts: Mapping[str, Collection[str]]) -> None:
    found = {part: len(parts.get(part, ())) for part in ("management", "query", "model")}
    runs = {
        "management": 1,
        "query": len(wb.conn.status()["frontends"]),
        "model": len(wb.conn.get_all_model_replicas()),
    }
    if found != runs:
        raise NotYet(f"What runs is {runs}, and these are {found}.")


@check(
    "kubernetes-scaled",
    hints=(
        "There are two things to scale: the model, and the query frontends.",
        "conn.set_num_replicas is for the model. The query frontends are the Deployment `query`.",
        'apps.patch_namespaced_deployment_scale("query", namespace, {"spec": {"replicas": 2}})',
    ),
)
def scaled(wb: Checked, before: Collection[str], after: Collection[str]) -> None:
    frontends = [frontend["state"] for frontend in wb.conn.status()["frontends"]]
    replicas = wb.conn.get_num_replicas("where")
    if replicas < 3 or frontends.count("serving") < 2:
        raise NotYet(f"There are {replicas} replicas, and the query frontends are {frontends}.")
    if gone := set(before) - set(after):
        raise NotYet(f"To scale, no pod has to end; {', '.join(sorted(gone))} did.")
    if len(after) - len(before) < 3:
        raise NotYet(f"New are {len(after) - len(before)} pods, and three should be.")


@check(
    "kubernetes-limits",
    hints=(
        "The limits are in the pod's spec, and were in resources= of the deploy.",
        'A pod that was given {"cpus": 0.25, "memory": "256Mi"} has limits for cpu and memory.',
        "pod.spec.containers[0].resources.limits, of the pod of version 2",
    ),
)
def limited(wb: Checked, limits: Mapping[str, str] | None, load: Mapping[str, Any]) -> None:
    if missing := {"cpu", "memory"} - set(limits or {}):
        raise NotYet(f"The pod has no limit for {' and '.join(sorted(missing))}.")
    current = _info(wb, "where", 1)
    if not current["is_current_version"]:
        raise NotYet("Version 1 is not the current one: go back to it.")
    _only_the_model(load)


@check(
    "kubernetes-killed",
    hints=(
        "Delete one pod of the model while a load runs.",
        "core.delete_namespaced_pod does it, and grace_period_seconds=0 leaves it no time.",
        "core.delete_namespaced_pod(victim, namespace, grace_period_seconds=0)",
    ),
)
def killed(wb: Checked, victim: str, load: Mapping[str, Any]) -> None:
    if any(replica.endswith(f":{victim}") for replica in wb.conn.get_all_model_replicas()):
        raise NotYet(f"The pod {victim} is there still.")
    _only_the_model(load)


@check(
    "kubernetes-unschedulable",
    hints=(
        "What Kubernetes says of a version is among its warnings.",
        'conn.get_model_info(name, version)["warnings"], a moment after the deploy.',
        'conn.get_model_info("where", 3)["warnings"]',
    ),
)
def unschedulable(wb: Checked, said: Collection[str]) -> None:
    if not any("waits for a node" in sentence for sentence in said):
        raise NotYet(f"Nothing in it says that a pod waits for a node: {' '.join(said) or 'it is empty'}.")


@check(
    "exercise-kubernetes-limits",
    hints=(
        "A deployer takes resources=, and num_replicas=.",
        'The resources are a dictionary with "cpus" and "memory".',
        'resources={"cpus": 0.2, "memory": "128Mi"}, num_replicas=2',
    ),
)
def own_limits(wb: Checked) -> None:
    info = _info(wb, "small", 1)
    found = info["resources"]["cpus"], info["resources"]["memory"], info["num_replicas"]
    if found != (0.2, 128 * MIB, 2):
        raise NotYet(f"It has {found[2]} replicas with {found[0]} cores and {found[1]} bytes of memory.")


@check(
    "exercise-kubernetes-waits",
    hints=(
        'conn.get_model_info("picky", 1)["warnings"] says what it waits for.',
        "It wants a node with the label disk=golden, and no node has that.",
        'deploy_python_closure(conn, "picky", 2, "doubles", doubled, resources={"memory": "128Mi"})',
    ),
)
def waits(wb: Checked) -> None:
    info = _info(wb, "picky", 2)
    if not info["is_current_version"]:
        raise NotYet("Version 2 of picky is ready, and not the current one.")


@check(
    "exercise-kubernetes-images",
    hints=(
        'yaml.safe_load_all gives the objects. Those that count have the kind "Deployment".',
        'Containers are at ["spec"]["template"]["spec"]["containers"], and each has an "image".',
        'Collect container["image"] of all of them in a set, and return sorted(that set).',
    ),
)
def images(wb: Checked, images_in: Callable[[str], list[str] | None]) -> None:
    found = images_in(SOME_YAML)
    if found is None:
        raise NotYet("The function returns nothing.")
    if found != ["a:1", "b:1", "c:1"]:
        raise NotYet(f"Of Deployments with the images b:1, c:1, b:1 and a:1 it says {found}.")
