"""What the path of a request names."""

from __future__ import annotations

from .refusals import Refusal
from .resources import BY_PATH, SUBRESOURCES


class Target:
    """Raises Refusal (404). `rest` is what stands behind the subresource."""

    def __init__(self, path: str) -> None:
        parts = path.lstrip("/").split("/")
        if parts[0] == "api":
            group, version, rest = "", parts[1] if len(parts) > 1 else "", parts[2:]
        else:
            (group, version), rest = (*parts[1:3], "", "")[:2], parts[3:]
        self.namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PATH:
            self.namespace, rest = rest[1], rest[2:]
        found = BY_PATH.get((group, version, rest[0] if rest else ""))
        if found is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        self.resource = found
        self.name = rest[1] if len(rest) > 1 else ""
        self.subresource = rest[2] if len(rest) > 2 else ""
        self.rest = "/".join(rest[3:])
        if self.subresource and self.subresource not in SUBRESOURCES.get(found, ("status",)):
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
