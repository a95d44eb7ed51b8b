"""Artifacts: uploaded by deployers, downloaded by replicas."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse

from clipper_container.errors import Unauthorized

from ..artifacts import Artifacts
from . import answers, openapi
from .access import Access


class ArtifactStore:
    def __init__(self, artifacts: Artifacts, access: Access) -> None:
        self._artifacts = artifacts
        self._access = access

    def router(self) -> APIRouter:
        return openapi.router(
            ("PUT", "/artifacts/{digest}", self.put_artifact, 200),
        )

    def for_replicas(self) -> APIRouter:
        """The way in that checks for itself: a replica's credential is good for its own artifact."""
        return openapi.router(
            ("GET", "/artifacts/{digest}", self.get_artifact, 200), dependencies=[Depends(openapi.BEARER)]
        )

    async def put_artifact(self, digest: str, request: Request) -> answers.Artifact:
        """Upload an artifact, as the raw body, under its own digest."""
        size = await self._artifacts.put(digest, request.stream(), _announced(request))
        return {"digest": digest, "size": size}

    async def get_artifact(self, digest: str, request: Request) -> FileResponse:
        """Download an artifact, with the cluster's token or the credential of a version that uses it."""
        if not self._access.is_replica(request, digest):
            raise Unauthorized("The bearer token is missing, or not good for this artifact.")
        path = self._artifacts.path(digest)
        return FileResponse(path, media_type="application/octet-stream")


def _announced(request: Request) -> int:
    """The size that the client gives its body, in bytes; 0 where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
