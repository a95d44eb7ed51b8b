"""The three ways to patch, and who owns which field for server-side apply.

Lists of things with a key of their own (containers by name, say) are merged by it; others are replaced.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from .refusals import Refusal, bad_request
from .resources import Object

Path = tuple[str, ...]

_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "taints": ("key",),
}


def _key_of(field: str, items: list[Any]) -> str | None:
    """By which field of its items a list is merged."""
    for key in _KEYS.get(field, ()):
        if items and all(isinstance(item, dict) and key in item for item in items):
            return key
    return None


def json_merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = json_merge(merged.get(name), value)
    return merged


def strategic_merge(target: Any, patch: Any, field: str = "") -> Any:
    if isinstance(patch, dict):
        if patch.get("$patch") == "replace":
            return {name: copy.deepcopy(value) for name, value in patch.items() if name != "$patch"}
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if name.startswith("$"):
                continue
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = strategic_merge(merged.get(name), value, name)
        return merged
    if isinstance(patch, list):
        return _merge_list(target if isinstance(target, list) else [], patch, field)
    return patch


def _merge_list(target: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field == "finalizers":
        return target + [item for item in patch if item not in target]
    key = _key_of(field, [*patch, *target])
    if key is None:
        return copy.deepcopy(patch)
    merged = {item[key]: item for item in target}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = strategic_merge(merged.get(item[key], {}), item)
    return list(merged.values())


def json_patch(target: Any, operations: list[Object]) -> Any:
    """RFC 6902, without move and copy. Raises Refusal (422)."""
    result = copy.deepcopy(target)
    for operation in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        try:
            place = result
            for part in parts[:-1]:
                place = place[int(part)] if isinstance(place, list) else place[part]
            _operate(place, parts[-1], operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise Refusal(
                422, "Invalid", f"the server rejected our request due to an error in our request: {operation}"
            ) from None
    return result


def _operate(place: Any, last: str, operation: Object) -> None:
    kind = operation["op"]
    where: Any = last
    if isinstance(place, list):
        where = len(place) if last == "-" else int(last)
    if kind == "add" and isinstance(place, list):
        place.insert(where, operation["value"])
    elif kind in ("add", "replace"):
        if kind == "replace":
            place[where]
        place[where] = operation["value"]
    elif kind == "remove":
        del place[where]
    elif kind == "test":
        if place[where] != operation["value"]:
            raise ValueError
    else:
        raise bad_request(f"the operation {kind!r} is not one of this stand-in's")


def leaves(thing: Any, path: Path = ()) -> dict[Path, Any]:
    """Each field of an object by its path; what stands in a keyed list has the key in its path."""
    if isinstance(thing, dict) and thing:
        found: dict[Path, Any] = {}
        for name, value in thing.items():
            key = _key_of(name, value) if isinstance(value, list) else None
            if key is None:
                found |= leaves(value, (*path, name))
            else:
                for item in value:
                    found |= leaves(item, (*path, name, json.dumps({key: item[key]})))
        return found
    return {path: thing}


def without(thing: Any, path: Path) -> None:
    """Take the field at this path out of an object, and what is empty then."""
    name, *rest = path
    if name not in thing:
        return
    value = thing[name]
    if not rest:
        del thing[name]
    elif isinstance(value, list):
        wanted = json.loads(rest[0])
        ((key, number),) = wanted.items()
        for item in [item for item in value if item.get(key) == number]:
            if rest[1:] and rest[1:] != [key]:
                without(item, tuple(rest[1:]))
            else:
                value.remove(item)
        if not value:
            del thing[name]
    elif isinstance(value, dict):
        without(value, tuple(rest))
        if not value:
            del thing[name]


def dotted(path: Path) -> str:
    """As the API server names a field: .spec.containers[name="a"].image"""
    text = ""
    for part in path:
        if part.startswith("{"):
            ((key, value),) = json.loads(part).items()
            text += f"[{key}={json.dumps(value)}]"
        else:
            text += f".{part}"
    return text
