"""The API server over HTTP: from a request to an object, and to its answer."""

from __future__ import annotations

import json
from typing import Any

import yaml
from aiohttp import web

from . import admission, merge, selectors
from .authorization import Asked, Authorization
from .faults import Faults
from .objects import Objects, now
from .refusals import Refusal, bad_request
from .resources import BY_PATH, NAMESPACES, SUBRESOURCES, Object, Resource
from .subresources import Subresources
from .target import Target
from .watch import watch

VERSION = {
    **{
        "major": "1",
        "minor": "36",
        "gitVersion": "v1.36.0-stand-in",
        "gitCommit": "",
        "gitTreeState": "clean",
    },
    **{"goVersion": "", "compiler": "", "platform": "linux/amd64"},
}
MAX_BODY = 8 << 20


class API:
    def __init__(
        self, objects: Objects, authorization: Authorization, faults: Faults, subresources: Subresources
    ) -> None:
        self._objects = objects
        self._authorization = authorization
        self._faults = faults
        self._subresources = subresources

    def build(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except Refusal as refusal:
            headers = {}
            if refusal.retry_after_s is not None:
                headers["Retry-After"] = str(refusal.retry_after_s)
            return web.json_response(refusal.status(), status=refusal.code, headers=headers)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/livez", "/readyz", "/healthz"):
            return web.Response(text="ok")
        user = self._authorization.user(request.headers.get("Authorization", ""))
        if user is None:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        if (found := _discovery(request.path)) is not None:
            await self._faults.strike("get", None, "")
            return web.json_response(found)
        if request.path.startswith("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"):
            return await self._review(request, user)
        target = Target(request.path)
        verb = _verb(request, target)
        whole = f"{target.resource.plural}/{target.subresource}".rstrip("/")
        namespace = target.name if target.resource == NAMESPACES else target.namespace
        asked = Asked(user, verb, target.resource.group, whole, namespace, target.name)
        self._faults.asked.append(asked)
        await self._faults.strike(verb, target.resource, target.name)
        if not self._authorization.allows(asked):
            where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
            raise Refusal(
                403,
                "Forbidden",
                f'{target.resource} "{target.name}" is forbidden: User "{user}" cannot {verb} resource '
                f'"{whole}" in API group "{target.resource.group}"{where}',
            )
        if target.subresource in ("log", "portforward", "proxy", "eviction", "token"):
            return await self._subresources.answer(request, target)
        if verb == "watch":
            return await watch(
                self._objects.store,
                self._faults,
                request,
                target.resource,
                target.namespace,
                _match(request, target),
            )
        if verb == "list":
            return web.json_response(self._list(request, target))
        return await self._one(request, target, verb, user)

    def _list(self, request: web.Request, target: Target) -> Object:
        store, match = self._objects.store, _match(request, target)
        found = [thing for thing in store.view(target.resource, target.namespace) if match(thing)]
        meta: Object = {"resourceVersion": str(store.revision)}
        begin, limit = 0, int(request.query.get("limit") or 0)
        if token := request.query.get("continue"):
            revision, begin = (int(part) for part in token.split("-"))
            if revision < store.oldest:
                raise Refusal(
                    410,
                    "Expired",
                    "The provided continue parameter is too old to display a consistent list result. You can "
                    "start a new list without the continue parameter, or use the continue token in this "
                    "response to retrieve the remainder of the results.",
                )
        if limit and len(found) > begin + limit:
            meta["continue"] = f"{store.revision}-{begin + limit}"
            meta["remainingItemCount"] = len(found) - begin - limit
        kind, version = f"{target.resource.kind}List", target.resource.api_version
        items = found[begin : begin + limit] if limit else found[begin:]
        return {"kind": kind, "apiVersion": version, "metadata": meta, "items": items}

    async def _one(self, request: web.Request, target: Target, verb: str, user: str) -> web.Response:
        objects, resource, namespace = self._objects, target.resource, target.namespace
        query = request.query
        dry_run, manager = query.get("dryRun") == "All", query.get("fieldManager") or user
        if verb == "deletecollection":
            match = _match(request, target)
            options = await _body(request) or {}
            for thing in objects.store.all(resource, namespace):
                if match(thing):
                    meta = thing["metadata"]
                    objects.delete(resource, meta.get("namespace", ""), meta["name"], options)
            return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})
        if verb == "delete":
            options = await _body(request) or {}
            for name in ("propagationPolicy", "gracePeriodSeconds"):
                if name in query:
                    options[name] = int(query[name]) if name.startswith("grace") else query[name]
            left = objects.get(resource, namespace, target.name)
            if not dry_run:
                left = objects.delete(resource, namespace, target.name, options)
            return web.json_response(left)
        if verb == "get":
            thing = objects.get(resource, namespace, target.name)
            return web.json_response(_scale(thing) if target.subresource == "scale" else thing)
        body = await _body(request)
        if verb == "create":
            if not isinstance(body, dict):
                raise bad_request("the body of the request was in an unknown format")
            if body.get("kind", resource.kind) != resource.kind:
                raise bad_request(f"the object provided is a {body['kind']}, and no {resource.kind}")
            admission.check_form(
                resource, {"apiVersion": resource.api_version, "kind": resource.kind, **body}
            )
            created = objects.create(resource, namespace, body, manager=manager, dry_run=dry_run)
            return web.json_response(created, status=201)
        if target.subresource == "scale":
            return self._set_scale(request, target, body, manager, dry_run)
        status = target.subresource == "status"
        if verb == "update":
            admission.check_form(resource, _plain(body))
            after = objects.update(
                resource, namespace, target.name, body, status=status, manager=manager, dry_run=dry_run
            )
            return web.json_response(after)
        if request.content_type.startswith("application/apply-patch"):
            there = objects.store.get(resource, namespace, target.name) is not None
            admission.check_form(resource, body, is_part=there)
            force = query.get("force") in ("true", "True", "1")
            after = objects.apply(
                *(resource, namespace, target.name, body),
                manager=query.get("fieldManager", ""),
                force=force,
                dry_run=dry_run,
            )
            return web.json_response(after, status=200 if there else 201)
        before = objects.get(resource, namespace, target.name)
        patched = _patched(request.content_type, before, body)
        admission.check_form(resource, _plain(patched))
        if "resourceVersion" not in ((body.get("metadata") or {}) if isinstance(body, dict) else {}):
            patched["metadata"].pop("resourceVersion", None)
        after = objects.update(
            resource, namespace, target.name, patched, status=status, manager=manager, dry_run=dry_run
        )
        return web.json_response(after)

    def _set_scale(
        self, request: web.Request, target: Target, body: Any, manager: str, dry_run: bool
    ) -> web.Response:
        thing = self._objects.get(target.resource, target.namespace, target.name)
        scale = _scale(thing)
        wanted = body if request.method == "PUT" else _patched(request.content_type, scale, body)
        thing["spec"]["replicas"] = int(wanted["spec"].get("replicas", 0))
        if thing["spec"]["replicas"] < 0:
            raise bad_request("spec.replicas: Invalid value: must be greater than or equal to 0")
        thing["metadata"]["resourceVersion"] = wanted["metadata"].get("resourceVersion")
        after = self._objects.update(
            *(target.resource, target.namespace, target.name, thing), manager=manager, dry_run=dry_run
        )
        return web.json_response(_scale(after))

    async def _review(self, request: web.Request, user: str) -> web.Response:
        """May I? In the words of SelfSubjectAccessReview."""
        body = await _body(request)
        wish = body["spec"].get("resourceAttributes") or {}
        whole = "/".join(filter(None, (wish.get("resource", ""), wish.get("subresource", ""))))
        asked = Asked(
            *(user, wish.get("verb", ""), wish.get("group", ""), whole),
            *(wish.get("namespace", ""), wish.get("name", "")),
        )
        allowed = self._authorization.allows(asked)
        return web.json_response({**body, "status": {"allowed": allowed}}, status=201)


def _verb(request: web.Request, target: Target) -> str:
    if request.method in ("GET", "HEAD"):
        if target.subresource in ("portforward", "proxy"):
            return "get" if target.subresource == "proxy" else "create"
        if target.name:
            return "get"
        return "watch" if request.query.get("watch") in ("true", "True", "1") else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, request.method.lower())


def _match(request: web.Request, target: Target) -> selectors.Match:
    labels = selectors.by_labels(request.query.get("labelSelector", ""))
    fields = selectors.by_fields(request.query.get("fieldSelector", ""))
    return lambda thing: labels(thing) and fields(thing)


async def _body(request: web.Request) -> Any:
    data = await request.read()
    if not data:
        return None
    try:
        return yaml.safe_load(data) if "yaml" in request.content_type else json.loads(data)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the body of the request cannot be read: {error}") from None


def _patched(content_type: str, before: Object, body: Any) -> Object:
    if content_type == "application/json-patch+json":
        return dict(merge.json_patch(before, body))
    if content_type == "application/merge-patch+json":
        return dict(merge.json_merge(before, body))
    if content_type == "application/strategic-merge-patch+json":
        return dict(merge.strategic_merge(before, body))
    raise Refusal(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
        "application/apply-patch+yaml",
    )


def _plain(thing: Object) -> Object:
    """Without what the server itself has put in, which the schema need not know."""
    return {name: value for name, value in thing.items() if name != "status"}


def _scale(thing: Object) -> Object:
    meta = thing["metadata"]
    labels = (thing["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            name: meta[name]
            for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if name in meta
        },
        "spec": {"replicas": thing["spec"].get("replicas", 1)},
        "status": {
            "replicas": (thing.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }


def _discovery(path: str) -> Object | None:
    path = path.rstrip("/")
    if path == "/version":
        return {**VERSION, "buildDate": now()}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    groups = {resource.group: resource.version for resource in BY_PATH.values() if resource.group}
    if path == "/apis":
        found = [_group(group, version) for group, version in sorted(groups.items())]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}
    parts = path.split("/")[1:]
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in groups:
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], groups[parts[1]])}
    group, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else (*parts[1:3], "", "")[:2]
    if len(parts) != (2 if parts[0] == "api" else 3):
        return None
    there = [r for r in BY_PATH.values() if (r.group, r.version) == (group, version)]
    if not there:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": there[0].api_version,
        "resources": [_described(resource, name) for resource in there for name in _names(resource)],
    }


def _group(group: str, version: str) -> Object:
    both = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [both], "preferredVersion": both}


def _names(resource: Resource) -> list[str]:
    return [
        resource.plural,
        *(f"{resource.plural}/{name}" for name in SUBRESOURCES.get(resource, ("status",))),
    ]


def _described(resource: Resource, name: str) -> Object:
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    return {
        "name": name,
        "singularName": resource.kind.lower() if "/" not in name else "",
        "namespaced": resource.namespaced,
        "kind": "Scale" if name.endswith("/scale") else resource.kind,
        "verbs": verbs if "/" not in name else ["get", "patch", "update"],
    }
