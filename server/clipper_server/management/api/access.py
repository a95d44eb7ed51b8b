"""Who may ask: with the cluster's token, or as a replica with the credential of its version."""

from __future__ import annotations

import hmac

from fastapi import Request

from clipper_container.errors import Unauthorized

from ..specs import Specs
from ..state import State


class Access:
    def __init__(self, specs: Specs, state: State) -> None:
        self._specs = specs
        self._state = state

    async def check_token(self, request: Request) -> None:
        if not hmac.compare_digest(_bearer(request), self._specs.token.encode()):
            raise Unauthorized("The bearer token is missing or wrong. It is in the cluster's cluster.json.")

    def is_replica(self, request: Request, digest: str | None = None) -> bool:
        """Whether it has the cluster's token, or the credential of a version: of that artifact, if given."""
        token = _bearer(request)
        allowed = [self._specs.token] + [
            self._specs.replica_token(version)
            for version in self._state.versions()
            if digest is None or version.artifact == digest
        ]
        return any(hmac.compare_digest(token, good.encode()) for good in allowed)


def _bearer(request: Request) -> bytes:
    """The token, also from a header of our own: the Kubernetes API server's proxy takes the other one out."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.headers.get("x-clipper-token", "")
    return token.encode()
