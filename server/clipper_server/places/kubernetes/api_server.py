"""The API server of the cluster that this pod is in, as management asks it: in plain objects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from kubernetes.aio import client, config

from clipper_container.errors import ClusterError, NotFound

from . import deployments
from .manifests import NAME, Manifest
from .watched import UNREACHABLE, Watched, body_of, reason, retry_after_s

ANSWER_S = 10.0
TRIES = 5
WAITS_S = 1.0
_APPLY: dict[str, Any] = {"_content_type": "application/apply-patch+yaml", "force": True}
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
        self._core = client.CoreV1Api(self._client)
        self._apis: dict[str, tuple[Any, str]] = {  # by kind: where its calls are, and their name for it
            "Pod": (self._core, "pod"),
            "Event": (self._core, "event"),
            "Secret": (self._core, "secret"),
            "Deployment": (client.AppsV1Api(self._client), "deployment"),
            "PodDisruptionBudget": (client.PolicyV1Api(self._client), "pod_disruption_budget"),
            "HorizontalPodAutoscaler": (client.AutoscalingV2Api(self._client), "horizontal_pod_autoscaler"),
        }

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    def watched(self, kind: str, selector: str = _SELECTOR, **only: str) -> Watched:
        """Those of the kind with these labels, by default the cluster's own; `run` it."""
        ask = self._call("list", kind)

        def of_the_namespace(**options: Any) -> Awaitable[Any]:
            return ask(self._namespace, **options, **only)

        return Watched(of_the_namespace, selector)

    async def apply(self, manifest: Manifest, who: str = deployments.OWNER) -> Object:
        """The object as it is then. The fields of the manifest belong to `who` from now on."""
        patch, name = self._call("patch", manifest["kind"]), manifest["metadata"]["name"]
        options = {**_APPLY, "field_manager": who, "_request_timeout": ANSWER_S}
        return _object(await self._do(lambda: patch(name, self._namespace, manifest, **options)))

    async def create(self, manifest: Manifest) -> None:
        """See that there is one of that name, which nobody else gives."""
        create = self._call("create", manifest["kind"])
        options = {"_request_timeout": ANSWER_S}
        await self._do(lambda: create(self._namespace, manifest, **options), there_is_well=True)

    async def delete(self, kind: str, name: str, **options: Any) -> None:
        delete = self._call("delete", kind)
        options["_request_timeout"] = ANSWER_S
        await self._do(lambda: delete(name, self._namespace, **options))

    async def set_condition(self, pod: str, condition: dict[str, str]) -> Object:
        patch = self._core.patch_namespaced_pod_status_without_preload_content
        body = {"status": {"conditions": [condition]}}
        kind = "application/strategic-merge-patch+json"
        given = (pod, self._namespace, body)
        answer = await self._do(lambda: patch(*given, _content_type=kind, _request_timeout=ANSWER_S))
        return _object(answer)

    async def read_log(self, pod: str, **options: Any) -> bytes:
        read = self._core.read_namespaced_pod_log_without_preload_content
        options["_request_timeout"] = ANSWER_S
        return await self._do(lambda: read(pod, self._namespace, **options), patient=True)

    def _call(self, verb: str, kind: str) -> Callable[..., Awaitable[Any]]:
        api, name = self._apis[kind]
        call: Callable[..., Awaitable[Any]] = getattr(
            api, f"{verb}_namespaced_{name}_without_preload_content"
        )
        return call

    async def _do(
        self, call: Callable[[], Awaitable[Any]], *, patient: bool = False, there_is_well: bool = False
    ) -> bytes:
        time = asyncio.get_running_loop().time
        if not patient and (left_s := self._not_before - time()) > 0:
            raise ClusterError(unreachable(f"it has too much to do, and wants to be asked in {left_s:.0f} s"))
        for attempt in range(TRIES):
            try:
                return await body_of(await call())
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
