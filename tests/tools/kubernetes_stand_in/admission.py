"""What happens to an object before it is kept: defaults, and the checks that refuse it."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.support import schemas

from .refusals import bad_request, forbidden, invalid
from .resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    Object,
    Resource,
    quantity,
)
from .store import Store

VERSION = "1.36"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_MAY_HAVE_COLONS = "rbac.authorization.k8s.io"


def set_defaults(resource: Resource, thing: Object) -> None:
    spec = thing.get("spec") or {}
    if resource == PODS:
        _pod_defaults(spec)
    elif resource in (DEPLOYMENTS, REPLICA_SETS):
        spec.setdefault("replicas", 1)
        spec["template"].setdefault("metadata", {})
        _pod_defaults(spec["template"]["spec"])
        if resource == DEPLOYMENTS:
            strategy = spec.setdefault("strategy", {})
            if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
                rolling = strategy.setdefault("rollingUpdate", {})
                rolling.setdefault("maxSurge", "25%")
                rolling.setdefault("maxUnavailable", "25%")
            spec.setdefault("revisionHistoryLimit", 10)
            spec.setdefault("progressDeadlineSeconds", 600)
    elif resource == SERVICES:
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("sessionAffinity", "None")
        for port in spec.get("ports") or []:
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port["port"])
    elif resource == SECRETS:
        thing.setdefault("type", "Opaque")
        for name, text in (thing.pop("stringData", None) or {}).items():
            thing.setdefault("data", {})[name] = base64.b64encode(text.encode()).decode()


def _pod_defaults(spec: Object) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        latest = ":" not in container["image"].rpartition("/")[2] or container["image"].endswith(":latest")
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        resources = container.setdefault("resources", {})
        for name, limit in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, limit)
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe in container:
                for name, value in _PROBE.items():
                    container[probe].setdefault(name, value)


_PROBE = {"periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}


def check_form(resource: Resource, thing: Object, *, is_part: bool = False) -> None:
    """Against Kubernetes' own schema, unknown fields included; a part may lack what the rest has.

    Raises Refusal (400).
    """
    validator = schemas.validator(resource.kind, resource.api_version, VERSION)
    if validator is None:
        return
    for error in validator.iter_errors(thing):
        if is_part and error.validator == "required":
            continue
        path = ".".join(str(part) for part in error.absolute_path)
        raise bad_request(
            f"{resource.kind} in version {resource.version!r} cannot be handled as a {resource.kind}: strict "
            f"decoding error: {path}: {error.message[:500]}"
        )


def check(resource: Resource, thing: Object, before: Object | None) -> None:
    """What the schema does not say. Raises Refusal (422)."""
    meta = thing["metadata"]
    name = meta["name"]
    if resource.group != _MAY_HAVE_COLONS:
        limit = 63 if resource in (SERVICES, NAMESPACES) else 253
        pattern = _SERVICE_NAME if resource == SERVICES else _NAME
        if not pattern.fullmatch(name) or len(name) > limit:
            raise invalid(
                resource,
                name,
                f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of '
                "lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
                "character",
            )
    _check_labels(resource, name, meta.get("labels") or {}, "metadata.labels")
    spec = thing.get("spec") or {}
    if resource in (DEPLOYMENTS, REPLICA_SETS):
        labels = spec["template"]["metadata"].get("labels") or {}
        _check_labels(resource, name, labels, "spec.template.labels")
        wanted = (spec["selector"].get("matchLabels") or {}).items()
        if any(labels.get(key) != value for key, value in wanted):
            raise invalid(
                resource,
                name,
                f"spec.template.metadata.labels: Invalid value: {labels}: `selector` does not match "
                "template `labels`",
            )
        if before is not None and before["spec"]["selector"] != spec["selector"]:
            raise invalid(resource, name, "spec.selector: Invalid value: field is immutable")
        _check_pod_spec(resource, name, spec["template"]["spec"], "spec.template.spec")
    if resource == PODS:
        _check_pod_spec(resource, name, spec, "spec")
        if before is not None and _fixed(before["spec"]) != _fixed(spec):
            raise invalid(
                resource,
                name,
                "spec: Forbidden: pod updates may not change fields other than "
                "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                "`spec.tolerations` (only additions to existing tolerations),"
                "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
                "negative)",
            )
    fixed = resource in (SECRETS, CONFIG_MAPS) and before is not None and before.get("immutable")
    if fixed and before is not None and before.get("data") != thing.get("data"):
        raise invalid(resource, name, "data: Forbidden: field is immutable when `immutable` is set")


def _check_labels(resource: Resource, name: str, labels: dict[str, Any], where: str) -> None:
    for value in labels.values():
        if not _LABEL.fullmatch(value) or len(value) > 63:
            raise invalid(
                resource,
                name,
                f'{where}: Invalid value: "{value}": a valid label must be an empty string or consist of '
                "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                "character; and must be no more than 63 characters",
            )


def _check_pod_spec(resource: Resource, name: str, spec: Object, where: str) -> None:
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    for i, container in enumerate(spec["containers"]):
        for mount in container.get("volumeMounts") or []:
            if mount["name"] not in volumes:
                raise invalid(
                    resource,
                    name,
                    f'{where}.containers[{i}].volumeMounts[0].name: Not found: "{mount["name"]}"',
                )
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        for key, value in (resources.get("requests") or {}).items():
            try:
                over = key in limits and quantity(value) > quantity(limits[key])
            except ValueError:
                raise bad_request(
                    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*"
                    "[-+]?[0-9]*)$'"
                ) from None
            if over:
                raise invalid(
                    resource,
                    name,
                    f'{where}.containers[{i}].resources.requests: Invalid value: "{value}": must be less '
                    f"than or equal to {key} limit of {limits[key]}",
                )
            if "/" in key and str(value) != str(limits.get(key)):
                raise invalid(
                    resource,
                    name,
                    f"{where}.containers[{i}].resources.limits: Required value: Limit must be set for non "
                    "overcommitable resources",
                )


def _fixed(spec: Object) -> Object:
    rest = {name: value for name, value in spec.items() if name not in ("tolerations", "nodeName")}
    rest["containers"] = [{**container, "image": ""} for container in spec["containers"]]
    return rest


def requests(pod: Object) -> dict[str, float]:
    """What the pod's containers request together."""
    total: dict[str, float] = {}
    for container in pod["spec"]["containers"]:
        for name, value in (container.get("resources", {}).get("requests") or {}).items():
            total[name] = total.get(name, 0.0) + quantity(value)
    return total


def usage(pods: list[Object]) -> dict[str, float]:
    """What counts against a quota: pods, requests.* and limits.*"""
    total: dict[str, float] = {"pods": float(len(pods))}
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for kind in ("requests", "limits"):
                for name, value in (container.get("resources", {}).get(kind) or {}).items():
                    for key in (f"{kind}.{name}", *([name] if kind == "requests" else [])):
                        total[key] = total.get(key, 0.0) + quantity(value)
    return total


def set_priority(store: Store, pod: Object) -> None:
    """That of the class it names. Raises Refusal (403)."""
    name = pod["spec"].get("priorityClassName", "")
    found = store.get(PRIORITY_CLASSES, "", name) if name else {"value": 0}
    if found is None:
        raise forbidden(PODS, pod["metadata"]["name"], f"no PriorityClass with name {name} was found")
    pod["spec"]["priority"] = found["value"]


def check_quota(store: Store, pod: Object) -> None:
    """Raises Refusal (403), in the words of the real one."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    wanted = usage([pod])
    for quota in store.view(QUOTAS, namespace):
        hard = (quota.get("spec") or {}).get("hard") or {}
        missing = [
            key
            for key in sorted(hard)
            if key.startswith(("requests.", "limits.")) and not wanted.get(key) and "/" not in key
        ]
        if missing:
            raise forbidden(
                PODS,
                name,
                f"failed quota: {quota['metadata']['name']}: must specify {','.join(missing)} for: "
                f"{pod['spec']['containers'][0]['name']}",
            )
        used = usage([other for other in store.view(PODS, namespace) if counts(other)])
        over = [key for key in sorted(hard) if used.get(key, 0) + wanted.get(key, 0) > quantity(hard[key])]
        over = [key for key in over if wanted.get(key)]
        if over:
            raise forbidden(
                PODS,
                name,
                f"exceeded quota: {quota['metadata']['name']}, "
                f"requested: {','.join(f'{key}={_number(key, wanted[key])}' for key in over)}, "
                f"used: {','.join(f'{key}={_number(key, used.get(key, 0.0))}' for key in over)}, "
                f"limited: {','.join(f'{key}={hard[key]}' for key in over)}",
            )


def counts(pod: Object) -> bool:
    """Whether the pod has not ended."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _number(key: str, value: float) -> str:
    if "memory" in key:
        for letter, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
            if value and value % size == 0:
                return f"{int(value // size)}{letter}"
    return str(int(value)) if value == int(value) else f"{round(value * 1000)}m"


def check_security(store: Store, pod: Object) -> None:
    """Pod Security "restricted", where the namespace enforces it. Raises Refusal (403)."""
    namespace = store.get(NAMESPACES, "", pod["metadata"]["namespace"])
    labels = (namespace or {"metadata": {}})["metadata"].get("labels") or {}
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        return
    spec = pod["spec"]
    whole = spec.get("securityContext") or {}
    wrong: list[str] = []
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext") or {}
        which = f'container "{container["name"]}"'
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append(
                f"allowPrivilegeEscalation != false ({which} must set "
                "securityContext.allowPrivilegeEscalation=false)"
            )
        if "ALL" not in (own.get("capabilities") or {}).get("drop", []):
            wrong.append(
                f'unrestricted capabilities ({which} must set securityContext.capabilities.drop=["ALL"])'
            )
        if not own.get("runAsNonRoot", whole.get("runAsNonRoot")):
            wrong.append(f"runAsNonRoot != true (pod or {which} must set securityContext.runAsNonRoot=true)")
        profile = (own.get("seccompProfile") or whole.get("seccompProfile") or {}).get("type")
        if profile not in ("RuntimeDefault", "Localhost"):
            wrong.append(
                f"seccompProfile (pod or {which} must set securityContext.seccompProfile.type to "
                '"RuntimeDefault" or "Localhost")'
            )
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    allowed |= {"projected", "secret", "name"}
    for volume in spec.get("volumes") or []:
        if volume.keys() - allowed:
            wrong.append(f'restricted volume types (volume "{volume["name"]}" uses a restricted volume type)')
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        wrong.append("host namespaces (hostNetwork=true)")
    if wrong:
        raise forbidden(
            PODS, pod["metadata"]["name"], f'violates PodSecurity "restricted:latest": {", ".join(wrong)}'
        )
