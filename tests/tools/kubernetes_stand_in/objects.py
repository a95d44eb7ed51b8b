"""Creating, changing and deleting objects, as the API server does it for whoever asks.

The controllers of this stand-in ask here too. All raise Refusal.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import uuid
from collections.abc import Callable

from . import admission, merge
from .refusals import Refusal, already_exists, bad_request, conflict, forbidden, invalid, not_found
from .resources import DEPLOYMENTS, EVENTS, NAMESPACES, NODES, PODS, REPLICA_SETS, SECRETS, Object, Resource
from .store import Store, copied

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_WITHOUT_GENERATION = (SECRETS, EVENTS, NAMESPACES, NODES)
_NO_STATUS_ON_CREATE = (PODS, DEPLOYMENTS, REPLICA_SETS)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def suffix(length: int = 5) -> str:
    return "".join(random.choices(_LETTERS, k=length))


class Objects:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.after_defaults: list[Callable[[Resource, Object, Object | None], None]] = []
        self._owners: dict[str, dict[str, set[merge.Path]]] = {}  # by uid and manager

    def create(
        self, resource: Resource, namespace: str, body: Object, *, manager: str = "", dry_run: bool = False
    ) -> Object:
        thing = copied(body)
        thing["apiVersion"], thing["kind"] = resource.api_version, resource.kind
        meta = thing.setdefault("metadata", {})
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise invalid(resource, "", "metadata.name: Required value: name or generateName is required")
            meta["name"] = meta["generateName"] + suffix()
        if resource.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise bad_request(
                    f"the namespace of the provided object does not match the namespace sent on the request "
                    f"({meta['namespace']} != {namespace})"
                )
            self._check_namespace(resource, namespace, meta["name"])
        else:
            meta.pop("namespace", None)
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        if self.store.look(resource, meta.get("namespace", ""), meta["name"]):
            raise already_exists(resource, meta["name"])
        admission.set_defaults(resource, thing)
        admission.check(resource, thing, None)
        for name in ("managedFields", "selfLink", "deletionTimestamp"):
            meta.pop(name, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        if "spec" in thing and resource not in _WITHOUT_GENERATION:
            meta["generation"] = 1
        if resource in _NO_STATUS_ON_CREATE:
            thing["status"] = {}
        if resource == PODS:
            thing["status"] = {"phase": "Pending", "qosClass": _quality(thing)}
            admission.set_priority(self.store, thing)
            admission.check_security(self.store, thing)
            admission.check_quota(self.store, thing)
        elif resource == NAMESPACES:
            thing.setdefault("spec", {"finalizers": ["kubernetes"]})
            thing["status"] = {"phase": "Active"}
            meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]
        for amend in self.after_defaults:
            amend(resource, thing, None)
        if dry_run:
            meta["resourceVersion"] = "0"
            return thing
        self._owners[meta["uid"]] = {manager: set(merge.leaves(_own(body)))}
        return self.store.put(resource, thing)

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        found = self.store.look(NAMESPACES, "", namespace)
        if found is None:
            raise not_found(NAMESPACES, namespace)
        if found["metadata"].get("deletionTimestamp") and resource != EVENTS:
            raise forbidden(
                resource,
                name,
                f"unable to create new content in namespace {namespace} because it is being terminated",
            )

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self.store.get(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Object,
        *,
        status: bool = False,
        manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Put this in the object's place; only its status, or all but its status."""
        before = self.get(resource, namespace, name)
        meta, old = body.get("metadata", {}), before["metadata"]
        if meta.get("resourceVersion") not in (None, "", old["resourceVersion"]):
            raise conflict(resource, name)
        if meta.get("uid") not in (None, "", old["uid"]):
            raise conflict(resource, name)
        if meta.get("name", name) != name:
            raise bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
            )
        if status:
            after = {**before, "status": copied(body.get("status") or {})}
        else:
            after = {**copied(body), "apiVersion": before["apiVersion"], "kind": before["kind"]}
            after["metadata"] = copied(meta)
            for key in ("uid", "creationTimestamp", "generation", "name", "namespace", "deletionTimestamp"):
                after["metadata"].pop(key, None)
                if key in old:
                    after["metadata"][key] = old[key]
            after["metadata"].pop("managedFields", None)
            if "status" in before and resource != NODES:
                after["status"] = before["status"]
            admission.set_defaults(resource, after)
            admission.check(resource, after, before)
            for amend in self.after_defaults:
                amend(resource, after, before)
        after["metadata"]["resourceVersion"] = old["resourceVersion"]
        if after == before:
            return before
        if after.get("spec") != before.get("spec") and "generation" in old:
            after["metadata"]["generation"] = old["generation"] + 1
        if dry_run:
            return after
        if not status:
            self._take_ownership(old["uid"], manager, before, after)
        released = old.get("finalizers") and not after["metadata"].get("finalizers")
        if old.get("deletionTimestamp") and released and resource != PODS:
            self.store.remove(resource, old.get("namespace", ""), name)
            return after
        return self.store.put(resource, after)

    def _take_ownership(self, uid: str, manager: str, before: Object, after: Object) -> None:
        """Whoever changes a field owns it from then on."""
        old, new = merge.leaves(_own(before)), merge.leaves(_own(after))
        changed = {path for path, value in new.items() if path not in old or old[path] != value}
        owners = self._owners.setdefault(uid, {})
        for paths in owners.values():
            paths -= changed | (old.keys() - new.keys())
        owners.setdefault(manager, set()).update(changed)

    def set_status(self, resource: Resource, thing: Object, status: Object) -> None:
        """For controllers: nothing happens where it is the same, or the object is gone."""
        meta = thing["metadata"]
        found = self.store.look(resource, meta.get("namespace", ""), meta["name"])
        if found is not None and found["metadata"]["uid"] == meta["uid"] and found.get("status") != status:
            self.store.put(resource, {**found, "status": status})

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Object,
        *,
        manager: str,
        force: bool,
        dry_run: bool,
    ) -> Object:
        """Server-side apply."""
        if not manager:
            raise invalid(resource, name, "fieldManager: Required value: is required for apply patch")
        wanted = merge.leaves(_own(body))
        before = self.store.get(resource, namespace, name)
        if before is None:
            named = {**body, "metadata": {**body.get("metadata", {}), "name": name}}
            created = self.create(resource, namespace, named, manager=manager, dry_run=dry_run)
            return created
        owners = self._owners.setdefault(before["metadata"]["uid"], {})
        have = merge.leaves(_own(before))
        rivals: dict[str, list[str]] = {}
        for other, paths in owners.items():
            if other != manager:
                for path in sorted(paths & wanted.keys()):
                    if have.get(path) != wanted[path]:
                        rivals.setdefault(other, []).append(merge.dotted(path))
        if rivals and not force:
            count = sum(map(len, rivals.values()))
            said = "; ".join(f'conflict with "{other}": {", ".join(p)}' for other, p in rivals.items())
            raise Refusal(
                409, "Conflict", f"Apply failed with {count} conflict{'s' if count > 1 else ''}: {said}"
            )
        after = copied(before)
        others = {path for other, paths in owners.items() if other != manager for path in paths}
        for path in owners.get(manager, set()) - wanted.keys() - others:
            merge.without(after, path)
        after = merge.strategic_merge(after, _own(body))
        for name_ in ("resourceVersion",):
            after["metadata"].pop(name_, None)
        result = self.update(resource, namespace, name, after, manager=manager, dry_run=dry_run)
        if not dry_run:
            for other, paths in owners.items():
                if other != manager:
                    paths -= {path for path in wanted if have.get(path) != wanted[path]}
            owners[manager] = set(wanted)
        return result

    def delete(self, resource: Resource, namespace: str, name: str, options: Object | None = None) -> Object:
        """Begin, or do it at once: what is left then is what this returns."""
        options = options or {}
        thing = self.get(resource, namespace, name)
        meta = thing["metadata"]
        conditions = options.get("preconditions") or {}
        for key in ("uid", "resourceVersion"):
            if conditions.get(key) not in (None, meta[key]):
                raise Refusal(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {resource} "{name}": Precondition failed: {key} in '
                    f"precondition: {conditions[key]}, {key} in object meta: {meta[key]}",
                )
        if options.get("propagationPolicy") == "Orphan" or options.get("orphanDependents"):
            self._orphan(meta["uid"])
        if resource == PODS:
            return self._delete_pod(thing, options.get("gracePeriodSeconds"))
        if resource == NAMESPACES:
            meta.setdefault("deletionTimestamp", now())
            return self.store.put(resource, {**thing, "status": {"phase": "Terminating"}})
        if meta.get("finalizers"):
            meta.setdefault("deletionTimestamp", now())
            return self.store.put(resource, thing)
        self.store.remove(resource, meta.get("namespace", ""), name)
        self._owners.pop(meta["uid"], None)
        return thing

    def _delete_pod(self, pod: Object, grace_s: int | None) -> Object:
        meta = pod["metadata"]
        if grace_s is None:
            grace_s = pod["spec"].get("terminationGracePeriodSeconds", 30)
        ended = pod["status"].get("phase") in ("Succeeded", "Failed")
        if grace_s == 0 or ended or not pod["spec"].get("nodeName"):
            self.store.remove(PODS, meta["namespace"], meta["name"])
            return pod
        if "deletionTimestamp" in meta and grace_s >= meta.get("deletionGracePeriodSeconds", grace_s):
            return pod
        meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = now(), grace_s
        return self.store.put(PODS, pod)

    def _orphan(self, uid: str) -> None:
        for resource in (PODS, REPLICA_SETS):
            for thing in self.store.all(resource):
                owners = thing["metadata"].get("ownerReferences") or []
                kept = [owner for owner in owners if owner["uid"] != uid]
                if kept != owners:
                    thing["metadata"]["ownerReferences"] = kept
                    self.store.put(resource, thing)

    def event(self, about: Resource, thing: Object, kind: str, reason: str, message: str, who: str) -> None:
        """An Event about the object: one that is already there counts up."""
        meta = thing["metadata"]
        namespace = meta.get("namespace") or "default"
        when = now()
        for event in self.store.view(EVENTS, namespace):
            same = event["involvedObject"].get("uid") == meta["uid"] and event["reason"] == reason
            if same and event["message"] == message:
                self.store.put(EVENTS, {**event, "count": event["count"] + 1, "lastTimestamp": when})
                return
        event = {
            "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "involvedObject": {
                "kind": about.kind,
                "namespace": meta.get("namespace", ""),
                "name": meta["name"],
                "uid": meta["uid"],
                "apiVersion": about.api_version,
            },
            "reason": reason,
            "message": message,
            "source": {"component": who},
            "reportingComponent": who,
            "reportingInstance": "",
            "type": kind,
            "count": 1,
            "firstTimestamp": when,
            "lastTimestamp": when,
        }
        with contextlib.suppress(Refusal):  # its namespace is gone
            self.create(EVENTS, namespace, event)


def _own(body: Object) -> Object:
    """What an apply can own: no status, and none of the metadata that the server sets."""
    kept = {name: value for name, value in body.items() if name not in ("status", "apiVersion", "kind")}
    meta = body.get("metadata") or {}
    kept["metadata"] = {
        name: meta[name]
        for name in ("labels", "annotations", "ownerReferences", "finalizers")
        if meta.get(name)
    }
    return kept


def _quality(pod: Object) -> str:
    containers = pod["spec"]["containers"]
    resources = [container.get("resources") or {} for container in containers]
    if not any(r.get("limits") or r.get("requests") for r in resources):
        return "BestEffort"
    same = all(
        {"cpu", "memory"} <= set(r.get("limits") or {}) and r.get("limits") == r.get("requests")
        for r in resources
    )
    return "Guaranteed" if same else "Burstable"
