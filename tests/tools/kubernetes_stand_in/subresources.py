"""What is asked of a pod or a Service beside its object: logs, eviction, port-forward, proxy, tokens."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web

from . import logs, selectors
from .authorization import Authorization
from .controllers import budget_status
from .kubelet import Kubelet
from .network import port_of
from .objects import Objects, now
from .refusals import Refusal, bad_request, too_many
from .resources import BUDGETS, ENDPOINTS, PODS, SERVICE_ACCOUNTS, Object
from .target import Target

PIECE = 64 << 10
FOLLOW_S = 0.1
PORT_FORWARD = ("v4.channel.k8s.io", "portforward.k8s.io")
_NOT_PASSED_ON = {
    *("host", "authorization", "connection", "upgrade", "content-length", "transfer-encoding", "keep-alive"),
    *("content-encoding", "date", "server"),
}


class Subresources:
    def __init__(self, objects: Objects, kubelet: Kubelet, authorization: Authorization) -> None:
        self._objects = objects
        self._kubelet = kubelet
        self._authorization = authorization

    async def answer(self, request: web.Request, target: Target) -> web.StreamResponse:
        self._objects.get(target.resource, target.namespace, target.name.split(":")[_where(target)])
        match target.subresource:
            case "log":
                return await self._log(request, target)
            case "eviction":
                body = evict(self._objects, target.namespace, target.name)
                return web.json_response(body, status=201)
            case "token":
                return self._token(target)
            case "portforward":
                return await self._forward(request, target)
            case _:
                return await self._proxy(request, target)

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        query, name = request.query, target.name
        try:
            pod = self._kubelet.find(target.namespace, name)
        except LookupError:
            raise bad_request(f'container in pod "{name}" is waiting to start: ContainerCreating') from None
        containers = {container.name: container for container in [*pod.first, *pod.containers]}
        wanted = query.get("container") or pod.containers[0].name
        if wanted not in containers:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        if len(pod.containers) > 1 and "container" not in query:
            names = " ".join(c.name for c in pod.containers)
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{names}]")
        container = containers[wanted]
        path = container.log(previous=query.get("previous") == "true")
        if query.get("previous") == "true" and not container.restarts:
            raise bad_request(f'previous terminated container "{wanted}" in pod "{name}" not found')
        if not path.exists():
            if "waiting" in container.state and not container.restarts:
                reason = container.state["waiting"].get("reason", "ContainerCreating")
                raise bad_request(f'container "{wanted}" in pod "{name}" is waiting to start: {reason}')
            path = container.log(previous=True)
        return await self._send_log(request, path, lambda: "terminated" in container.state)

    async def _send_log(
        self, request: web.Request, path: Path, ended: Callable[[], bool]
    ) -> web.StreamResponse:
        query = request.query
        timestamps, since = query.get("timestamps") == "true", query.get("sinceTime", "")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        path.touch()
        with path.open("rb") as file:  # it may be removed while it is read
            text = logs.lines(file.read(), timestamps=timestamps, since=since)
            if "tailLines" in query:
                text = text[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
            whole = b"".join(text)
            if "limitBytes" in query:
                whole = whole[: int(query["limitBytes"])]
            await response.prepare(request)
            await response.write(whole)
            following = query.get("follow") == "true"
            while following:
                following = not ended()  # looked up first, for what came before its end
                await response.write(b"".join(logs.lines(file.read(), timestamps=timestamps)))
                await asyncio.sleep(FOLLOW_S)
        return response

    def _token(self, target: Target) -> web.Response:
        assert target.resource == SERVICE_ACCOUNTS
        token = self._authorization.token(target.namespace, target.name)
        body = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": target.name, "namespace": target.namespace},
            "spec": {"audiences": [], "expirationSeconds": 3600},
            "status": {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"},
        }
        return web.json_response(body, status=201)

    async def _forward(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Streams over a WebSocket: channel 2i has the data of the i-th port, 2i + 1 its errors."""
        try:
            pod = self._kubelet.find(target.namespace, target.name)
        except LookupError:
            raise Refusal(404, "NotFound", f"pod {target.name} is not running") from None
        if pod.pod["status"].get("phase") != "Running":
            phase = pod.pod["status"].get("phase")
            raise bad_request(f"unable to forward port because pod is not running. Current status={phase}")
        numbers = [int(part) for text in request.query.getall("ports", []) for part in text.split(",")]
        socket = web.WebSocketResponse(protocols=PORT_FORWARD, max_msg_size=16 << 20)
        await socket.prepare(request)
        writers: dict[int, asyncio.StreamWriter] = {}
        tasks: list[asyncio.Task[None]] = []
        for i, number in enumerate(numbers):
            for channel in (2 * i, 2 * i + 1):
                await socket.send_bytes(bytes([channel]) + number.to_bytes(2, "little"))
        for i, number in enumerate(numbers):
            try:
                reader, writer = await asyncio.open_connection(pod.address, number)
            except OSError as error:
                said = (
                    f"an error occurred forwarding {number} -> {number}: failed to connect to "
                    f'localhost:{number} inside namespace "{target.namespace}": {error.strerror or error}'
                )
                await socket.send_bytes(bytes([2 * i + 1]) + said.encode())
                continue
            writers[2 * i] = writer
            tasks.append(asyncio.create_task(_send(reader, socket, 2 * i)))
        done = asyncio.gather(*tasks, return_exceptions=True)
        done.add_done_callback(lambda _: ending.cancel())
        ending = asyncio.create_task(_receive(socket, writers))
        await asyncio.wait([ending])
        for writer in writers.values():
            writer.close()
        for task in tasks:
            task.cancel()
        await done
        await socket.close()
        return socket

    async def _proxy(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Pass the request on, as the API server does: without the Authorization header."""
        parts = target.name.split(":")
        name, port = parts[_where(target)], parts[-1] if len(parts) > 1 else ""
        if target.resource == PODS:
            pod = self._objects.get(PODS, target.namespace, name)
            address, number = pod["status"].get("podIP", ""), port_of(pod, port or 80) or 80
        else:
            address, number = self._behind(target, name, port)
        query = f"?{request.query_string}" if request.query_string else ""
        url = f"http://{address}:{number}/{target.rest}{query}"
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_PASSED_ON}
        data = io.BytesIO(await request.read())
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=True) as session,
                session.request(
                    request.method, url, headers=headers, data=data, allow_redirects=False
                ) as answer,
            ):
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in _NOT_PASSED_ON}
                if "Content-Length" in answer.headers:
                    return web.Response(status=answer.status, headers=kept, body=await answer.read())
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                return response
        except aiohttp.ClientError as error:
            raise Refusal(503, "ServiceUnavailable", f"error trying to reach service: {error}") from None

    def _behind(self, target: Target, name: str, port: str) -> tuple[str, int]:
        endpoints = self._objects.store.get(ENDPOINTS, target.namespace, name) or {}
        found = [
            (address["ip"], int(each["port"]))
            for subset in endpoints.get("subsets") or []
            for address in subset.get("addresses") or []
            for each in subset.get("ports") or []
            if port in ("", str(each["port"]), each.get("name"))
        ]
        service = self._objects.get(target.resource, target.namespace, name)
        for each in service["spec"].get("ports") or []:
            if str(each["port"]) == port:
                pods = self._objects.store.view(PODS, target.namespace)
                ready = {address for address, _ in found} or {
                    address["ip"]
                    for subset in endpoints.get("subsets") or []
                    for address in subset.get("addresses") or []
                }
                found = [
                    (pod["status"]["podIP"], number)
                    for pod in pods
                    if pod["status"].get("podIP") in ready
                    and (number := port_of(pod, each["targetPort"])) is not None
                ]
        if not found:
            raise Refusal(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')
        return random.choice(found)


def _where(target: Target) -> int:
    """Where the name stands in `scheme:name:port`, `name:port` or `name`."""
    return 1 if target.name.count(":") == 2 else 0


async def _send(reader: asyncio.StreamReader, socket: web.WebSocketResponse, channel: int) -> None:
    while data := await reader.read(PIECE):
        await socket.send_bytes(bytes([channel]) + data)


async def _receive(socket: web.WebSocketResponse, writers: dict[int, asyncio.StreamWriter]) -> None:
    async for message in socket:
        if message.type == WSMsgType.BINARY and (writer := writers.get(message.data[0])):
            writer.write(message.data[1:])
            await writer.drain()


def evict(objects: Objects, namespace: str, name: str) -> Object:
    """Delete the pod if its disruption budget allows it. Raises Refusal (429)."""
    pod = objects.get(PODS, namespace, name)
    labels = pod["metadata"].get("labels")
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])
    for budget in objects.store.all(BUDGETS, namespace):
        if ready and selectors.selects(budget["spec"].get("selector"), labels):
            status = budget_status(objects, budget)
            if status["disruptionsAllowed"] <= 0:
                raise too_many(
                    "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget "
                    f"{budget['metadata']['name']} needs {status['desiredHealthy']} healthy pods and has "
                    f"{status['currentHealthy']} currently",
                    10,
                )
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": now(),
    }
    others = [c for c in pod["status"].get("conditions") or [] if c["type"] != "DisruptionTarget"]
    pod["status"]["conditions"] = [*others, condition]
    objects.store.put(PODS, pod)
    objects.delete(PODS, namespace, name)
    return {"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201}
