"""Who asks, and what they may: the kubeconfig's user all, service accounts what Roles give them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from .resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Object, Resource
from .store import Store

ADMIN = "kubernetes-admin"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as an audit log has it. `resource` has a "/" and the subresource behind, if any."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int = 0


class Authorization:
    """`users` maps bearer tokens to names."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.admin_token = secrets.token_urlsafe(24)
        self._users = {self.admin_token: ADMIN}
        self._tokens: dict[str, str] = {}

    def user(self, header: str) -> str | None:
        kind, _, token = header.partition(" ")
        return self._users.get(token) if kind.lower() == "bearer" else None

    def token(self, namespace: str, account: str) -> str:
        """The token of a service account, made when it is first asked for."""
        user = f"system:serviceaccount:{namespace}:{account}"
        if user not in self._tokens:
            token = secrets.token_urlsafe(24)
            self._tokens[user], self._users[token] = token, user
        return self._tokens[user]

    def allows(self, asked: Asked) -> bool:
        if asked.user == ADMIN or not asked.resource:
            return True
        for binding in self._store.view(CLUSTER_ROLE_BINDINGS):
            if _binds(binding, asked.user) and self._grants(CLUSTER_ROLES, "", binding, asked):
                return True
        if not asked.namespace:
            return False
        for binding in self._store.view(ROLE_BINDINGS, asked.namespace):
            kind = ROLES if binding["roleRef"]["kind"] == "Role" else CLUSTER_ROLES
            namespace = asked.namespace if kind is ROLES else ""
            if _binds(binding, asked.user) and self._grants(kind, namespace, binding, asked):
                return True
        return False

    def _grants(self, kind: Resource, namespace: str, binding: Object, asked: Asked) -> bool:
        role = self._store.get(kind, namespace, binding["roleRef"]["name"])
        return role is not None and any(_covers(rule, asked) for rule in role.get("rules") or [])


def _binds(binding: Object, user: str) -> bool:
    for subject in binding.get("subjects") or []:
        if subject["kind"] == "ServiceAccount":
            namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
            if user == f"system:serviceaccount:{namespace}:{subject['name']}":
                return True
    return False


def _covers(rule: Object, asked: Asked) -> bool:
    def has(field: str, value: str) -> bool:
        return "*" in (rule.get(field) or []) or value in (rule.get(field) or [])

    names = rule.get("resourceNames")
    return (
        has("verbs", asked.verb)
        and has("apiGroups", asked.group)
        and has("resources", asked.resource)
        and (not names or asked.name in names)
    )
