"""Where an API server has the objects of each kind; {} is their namespace."""

from __future__ import annotations

_CORE, _APPS, _RBAC = "/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1"
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Pod": f"{_CORE}/namespaces/{{}}/pods",
    "Event": f"{_CORE}/namespaces/{{}}/events",
    "ServiceAccount": f"{_CORE}/namespaces/{{}}/serviceaccounts",
    "Role": f"{_RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{{}}/rolebindings",
    "PersistentVolumeClaim": f"{_CORE}/namespaces/{{}}/persistentvolumeclaims",
    "LimitRange": f"{_CORE}/namespaces/{{}}/limitranges",
    "Service": f"{_CORE}/namespaces/{{}}/services",
    "Secret": f"{_CORE}/namespaces/{{}}/secrets",
    "Deployment": f"{_APPS}/namespaces/{{}}/deployments",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
}
