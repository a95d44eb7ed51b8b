"""The objects, and the history of their changes, as etcd keeps them for an API server.

Everything here belongs to the event loop's thread. An object that was put in is never changed again: a
change puts in another one.
"""

from __future__ import annotations

import asyncio
import marshal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .refusals import expired
from .resources import Object, Resource

HISTORY = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """`before` is the object as it was; None where there was none. `at` is monotonic, in seconds."""

    revision: int
    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    resource: Resource
    object: Object
    before: Object | None
    at: float


def copied(thing: Object) -> Object:
    """A copy of the whole; twenty times as quick as a deepcopy, for what is JSON."""
    found: Object = marshal.loads(marshal.dumps(thing))
    return found


Key = tuple[str, str]  # namespace ("" where it has none) and name


class Store:
    def __init__(self) -> None:
        self.revision = 1
        self.oldest = 0  # what happened after this revision is still known
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._history: deque[Change] = deque()
        self._changed = asyncio.Event()

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """A copy, the caller's own."""
        found = self._objects.get(resource, {}).get((namespace, name))
        return None if found is None else copied(found)

    def look(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The same without a copy: nobody may change it."""
        return self._objects.get(resource, {}).get((namespace, name))

    def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Copies, by namespace and name; of all namespaces where none is given."""
        found = self._objects.get(resource, {})
        return [copied(found[key]) for key in sorted(found) if not namespace or key[0] == namespace]

    def view(self, resource: Resource, namespace: str = "") -> list[Object]:
        """The same without copies: nobody may change them."""
        found = self._objects.get(resource, {})
        return [found[key] for key in sorted(found) if not namespace or key[0] == namespace]

    def put(self, resource: Resource, thing: Object) -> Object:
        """Keep it as it is, with the next revision."""
        meta = thing["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = self._objects.setdefault(resource, {}).get(key)
        kept = copied(thing)
        self._objects[resource][key] = kept
        self._note("ADDED" if before is None else "MODIFIED", resource, kept, before)
        return copied(kept)

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        gone = self._objects[resource].pop((namespace, name))
        self._note("DELETED", resource, copied(gone), gone)

    def _note(
        self,
        kind: Literal["ADDED", "MODIFIED", "DELETED"],
        resource: Resource,
        thing: Object,
        before: Object | None,
    ) -> None:
        self.revision += 1
        thing["metadata"]["resourceVersion"] = str(self.revision)
        self._history.append(Change(self.revision, kind, resource, thing, before, time.monotonic()))
        if len(self._history) > HISTORY:
            self.oldest = self._history.popleft().revision
        self._changed.set()
        self._changed = asyncio.Event()

    def forget(self) -> None:
        """Forget what happened: a watch from before now has expired."""
        self._history.clear()
        self.oldest = self.revision

    def since(self, revision: int) -> list[Change]:
        """What happened after it, in order. Raises Refusal (410) where that is not known any more."""
        if revision < self.oldest:
            raise expired(revision, self.oldest)
        found: list[Change] = []
        for change in reversed(self._history):
            if change.revision <= revision:
                break
            found.append(change)
        return found[::-1]

    def first(self, resource: Resource, namespace: str, shows: Callable[[Object], object]) -> float | None:
        """When an object was first so, by the monotonic clock; None where none was, as far as is known."""
        for change in self._history:
            where = change.resource, change.object["metadata"].get("namespace", "")
            if where == (resource, namespace) and shows(change.object):
                return change.at
        return None

    async def change(self, after: int, timeout_s: float) -> bool:
        """Wait until something has happened after that revision; false where nothing did in time."""
        if self.revision > after:
            return True
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return False
        return True
