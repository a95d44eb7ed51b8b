"""Watches: what happens to objects, as lines of JSON, for as long as the client listens."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from .faults import Faults
from .refusals import Refusal
from .resources import Object, Resource
from .selectors import Match
from .store import Change, Store

BOOKMARK_EVERY_S = 1.0  # the real one takes a minute
LONGEST_S = 3_600.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


async def watch(
    store: Store, faults: Faults, request: web.Request, resource: Resource, namespace: str, match: Match
) -> web.StreamResponse:
    """Answer until the client leaves, its `timeoutSeconds` are over, or its revision has expired."""
    query = request.query
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    assert request.transport is not None
    faults.watches.add(request.transport)

    async def tell(kind: str, thing: Object) -> None:
        await response.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")

    bookmarks = query.get("allowWatchBookmarks") in ("true", "True", "1")
    give_up = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds") or LONGEST_S)
    try:
        after = int(query.get("resourceVersion") or 0)
        initial = query.get("sendInitialEvents") in ("true", "True", "1")
        if after == 0 or initial:
            after = store.revision
            for thing in store.view(resource, namespace):
                if match(thing):
                    await tell("ADDED", thing)
            if initial and bookmarks:
                await tell("BOOKMARK", _bookmark(resource, after, {INITIAL_EVENTS_END: "true"}))
        while (left_s := give_up - asyncio.get_running_loop().time()) > 0:
            changes = store.since(after)
            for change in changes:
                after = change.revision
                if change.resource == resource and _inside(change, namespace):
                    kind = _kind(change, match)
                    if kind:
                        await tell(kind, change.object)
            if not changes and not await store.change(after, min(left_s, BOOKMARK_EVERY_S)) and bookmarks:
                await tell("BOOKMARK", _bookmark(resource, after))
    except Refusal as refusal:
        await tell("ERROR", refusal.status())
    except ConnectionError:
        pass
    finally:
        if request.transport is not None:
            faults.watches.discard(request.transport)
    return response


def _inside(change: Change, namespace: str) -> bool:
    return not namespace or change.object["metadata"].get("namespace", "") == namespace


def _kind(change: Change, match: Match) -> str:
    """How the change looks to one who sees only what matches."""
    before = change.before is not None and match(change.before)
    if change.kind == "DELETED":
        return "DELETED" if before else ""
    if match(change.object):
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else ""


def _bookmark(resource: Resource, revision: int, annotations: dict[str, str] | None = None) -> Object:
    meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = annotations
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
