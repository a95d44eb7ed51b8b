"""What somebody applied of an object, without all that the API server and others have added to it."""

from __future__ import annotations

import json
from typing import Any

from .manifests import Manifest

_WRITTEN = ("name", "namespace", "labels", "annotations")


def declared(found: Manifest, manager: str) -> Manifest:
    """The manifest that `manager` applied last, by the object's managed fields.

    Where it has none, all but what only the API server can know.
    """
    for entry in found["metadata"].get("managedFields") or []:
        if (entry["manager"], entry["operation"]) == (manager, "Apply"):
            kept: Manifest = _keep(found, entry["fieldsV1"])
            metadata = {"name": found["metadata"]["name"], **kept.pop("metadata", {})}
            if "namespace" in found["metadata"]:
                metadata["namespace"] = found["metadata"]["namespace"]
            return {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata, **kept}
    bare = {key: value for key, value in found.items() if key != "status"}
    bare["metadata"] = {key: value for key, value in found["metadata"].items() if key in _WRITTEN}
    return bare


def _keep(value: Any, fields: dict[str, Any]) -> Any:
    """The parts of it that these fields name. A field without fields is its whole value."""
    parts = {key: inner for key, inner in fields.items() if key != "."}
    if not parts:
        return value
    if isinstance(value, dict):
        names = [key.removeprefix("f:") for key in parts]
        return {name: _keep(value[name], parts[f"f:{name}"]) for name in names if name in value}
    if isinstance(value, list):
        return [part for key, inner in parts.items() for part in _of_list(value, key, inner)]
    return value


def _of_list(value: list[Any], key: str, inner: dict[str, Any]) -> list[Any]:
    """The elements that a key stands for: `k:{"name":"http"}` those with that name, `v:"x"` that value."""
    kind, _, text = key.partition(":")
    wanted = json.loads(text)
    if kind == "v":
        return [part for part in value if part == wanted]
    if kind == "k":
        return [_keep(part, inner) for part in value if part.items() >= wanted.items()]
    return []
