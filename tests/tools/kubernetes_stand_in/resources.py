"""The kinds of objects that the stand-in keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""An object as JSON has it."""


@dataclass(frozen=True, slots=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
NODES = Resource("", "v1", "nodes", "Node", False)
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
EVENTS = Resource("", "v1", "events", "Event")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", False)
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", False)
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False)
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
_RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", False)
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False)

KEPT = (  # nothing is done about these: they are kept, as on a cluster without their controllers
    Resource("", "v1", "limitranges", "LimitRange"),
    Resource("apps", "v1", "statefulsets", "StatefulSet"),
    Resource("apps", "v1", "daemonsets", "DaemonSet"),
    Resource("batch", "v1", "jobs", "Job"),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress"),
    Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", False),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
)
ALL = (
    *(NAMESPACES, NODES, PODS, SERVICES, ENDPOINTS, SERVICE_ACCOUNTS, CONFIG_MAPS, SECRETS, EVENTS, CLAIMS),
    *(VOLUMES, QUOTAS, DEPLOYMENTS, REPLICA_SETS, SLICES, BUDGETS, STORAGE_CLASSES, ROLES, ROLE_BINDINGS),
    *(CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, PRIORITY_CLASSES, AUTOSCALERS, *KEPT),
)
BY_PATH = {(resource.group, resource.version, resource.plural): resource for resource in ALL}
BY_KIND = {(resource.api_version, resource.kind): resource for resource in ALL}

SUBRESOURCES = {
    PODS: ("status", "log", "eviction", "portforward", "proxy"),
    SERVICES: ("status", "proxy"),
    SERVICE_ACCOUNTS: ("token",),
    NAMESPACES: ("status", "finalize"),
    DEPLOYMENTS: ("status", "scale"),
    REPLICA_SETS: ("status", "scale"),
}
SCALED = (DEPLOYMENTS, REPLICA_SETS)


def quantity(text: object) -> float:
    """A Kubernetes quantity, such as 500m or 2Gi, as a number. Raises ValueError."""
    word = str(text)
    for suffix, factor in _SUFFIXES.items():
        if word.endswith(suffix):
            return float(word[: -len(suffix)]) * factor
    return float(word)


_SUFFIXES = {
    **{f"{letter}i": 1024.0 ** (i + 1) for i, letter in enumerate("KMGTP")},
    **{"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
}
