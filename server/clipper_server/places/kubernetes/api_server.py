"""The API server of the cluster that this pod is in, as management asks it: in plain objects.

By paths, for what the client library has for each kind takes seconds to load, all its models with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

from kubernetes.aio import client, config

from clipper_container.errors import ClusterError, NotFound

from . import deployments
from .manifests import NAME, Manifest
from .paths import PATHS
from .watched import UNREACHABLE, Watched, body_of, reason, retry_after_s

ANSWER_S = 10.0
TRIES = 5
WAITS_S = 1.0
_JSON = "application/json"
_SELECTOR = ",".join(f"{key}={value}" for key, value in NAME.items())

Object = dict[str, Any]


class Refused(Exception):
    """The API server will not have it, however often it is asked."""


class APIServer:
    """With the right of this pod's service account, in its namespace.

    Calls are made again where somebody else was quicker. Where the server has too much to do they wait as
    long as it says, if that is not long; else changes fail until then, so that management goes on looking.
    They raise NotFound, Refused, and ClusterError where it does not answer.
    """

    def __init__(self, namespace: str) -> None:
        settings = client.Configuration()
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        settings.retries = False
        self._namespace = namespace
        self._not_before = 0.0  # by the loop's clock
        self._client = client.ApiClient(settings)

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    def watched(self, kind: str, selector: str = _SELECTOR, **only: str) -> Watched:
        """Those of the kind with these labels, by default the cluster's own; `run` it."""

        def ask(timeout_s: float, **query: str) -> Awaitable[Any]:
            return self._ask("GET", self._path(kind), timeout_s=timeout_s, query={**query, **only})

        return Watched(ask, selector)

    async def apply(self, manifest: Manifest, who: str = deployments.OWNER) -> Object:
        """The object as it is then. The fields of the manifest belong to `who` from now on."""
        path = self._path(manifest["kind"], manifest["metadata"]["name"])
        query = {"fieldManager": who, "force": "true"}
        return _object(await self._do("PATCH", path, manifest, "application/apply-patch+yaml", query))

    async def create(self, manifest: Manifest) -> None:
        """See that there is one of that name, which nobody else gives."""
        await self._do("POST", self._path(manifest["kind"]), manifest, there_is_well=True)

    async def delete(self, kind: str, name: str, **options: str | int) -> None:
        """`options` are those of a DELETE, as the API names them."""
        await self._do("DELETE", self._path(kind, name), options or None)

    async def set_condition(self, pod: str, condition: dict[str, str]) -> Object:
        body = {"status": {"conditions": [condition]}}
        path = f"{self._path('Pod', pod)}/status"
        return _object(await self._do("PATCH", path, body, "application/strategic-merge-patch+json"))

    async def read_log(self, pod: str, **query: str) -> bytes:
        return await self._do("GET", f"{self._path('Pod', pod)}/log", query=query, patient=True)

    def _path(self, kind: str, name: str = "") -> str:
        path = PATHS[kind].format(self._namespace)
        return f"{path}/{name}" if name else path

    async def _ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = _JSON,
        query: dict[str, str] | None = None,
        timeout_s: float = ANSWER_S,
    ) -> Any:
        """The response, as it begins."""
        request = await self._client.param_serialize(
            method=method,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return (await self._client.call_api(*request, _request_timeout=timeout_s)).response

    async def _do(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = _JSON,
        query: dict[str, str] | None = None,
        *,
        patient: bool = False,
        there_is_well: bool = False,
    ) -> bytes:
        time = asyncio.get_running_loop().time
        if not patient and (left_s := self._not_before - time()) > 0:
            raise ClusterError(unreachable(f"it has too much to do, and wants to be asked in {left_s:.0f} s"))
        for attempt in range(TRIES):
            try:
                return await body_of(await self._ask(method, path, body, content_type, query))
            except UNREACHABLE as error:
                status = getattr(error, "status", None)
                if status == 404:
                    raise NotFound(reason(error)) from error
                if status in (400, 401, 403, 413, 415, 422):
                    raise Refused(reason(error)) from error
                if status == 409 and there_is_well:
                    return b""
                if attempt == TRIES - 1 or status not in (409, 429):
                    raise ClusterError(unreachable(reason(error))) from error
                pause_s = max(0.05 * 2**attempt, retry_after_s(error))
                if pause_s > WAITS_S and not patient:
                    self._not_before = time() + pause_s
                    raise ClusterError(unreachable(reason(error))) from error
                await asyncio.sleep(pause_s)
        raise AssertionError("unreachable")


def unreachable(why: str) -> str:
    return (
        f"The Kubernetes API server does not do it ({why}). Queries go on, and nothing is changed until it "
        "does."
    )


def _object(content: bytes) -> Object:
    found: Object = json.loads(content)
    return found
