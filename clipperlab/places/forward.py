"""A port on 127.0.0.1 behind which a service of a cluster on Kubernetes answers, through the API server.

What `kubectl port-forward` does; but where the pod that it had is about to end, it goes on with another one.
It is for a person's queries, and not for a load: each connection is a WebSocket of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from clipper_container.errors import ClusterError

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1  # channels
START_S = 20.0
ANSWER_S = 10.0
CHUNK = 1 << 16
LOOK_AGAIN_S = 1.0
GOODBYE_S = 0.25  # aiohttp does not wait for the end of TLS, which takes a round trip
QUIET_S = 0.2  # an answer may come in pieces
MAX_CONNECTIONS = 256

log = logging.getLogger(__name__)


class Forward:
    """Listens from the start, in a thread. Where no pod is ready, connections are closed at once.

    Raises ClusterError where the API server does not forward ports for this user.
    """

    def __init__(self, namespace: str, service: str, port: int, context: str = "") -> None:
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._service = service
        self._port = port
        self._turn = 0
        self._open: dict[asyncio.Task[None], _Connection] = {}
        self._api: Any = None
        self._session: Any = None
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"forward {service}", daemon=True)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(context), self._loop)
        try:
            self.address = started.result(START_S)
        except BaseException:
            self.close()
            raise

    def close(self, drain_s: float = 0.0) -> None:
        """Listen no more, and close all connections, after `drain_s` where an answer is waited for that long.

        May be called once.
        """
        ended = asyncio.run_coroutine_threadsafe(self._end(drain_s), self._loop)
        ended.result(START_S + drain_s)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)
        self._loop.close()

    async def _start(self, context: str) -> str:
        import aiohttp  # the Kubernetes client's own
        from kubernetes.aio import client

        self._api = client.ApiClient(await _settings(context))
        connector = aiohttp.TCPConnector(ssl=self._api.rest_client.ssl_context, limit=MAX_CONNECTIONS)
        self._session = aiohttp.ClientSession(connector=connector)
        await self._try()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._retiring = asyncio.create_task(self._retire())
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def _try(self) -> None:
        """Whether it may be done at all, as far as that can be told: a pod may be ready only later."""
        import aiohttp

        try:
            pod = await self._pod()
        except _NotReady:
            return
        try:
            async with asyncio.timeout(ANSWER_S), self._connect(pod):
                pass
        except aiohttp.WSServerHandshakeError as error:
            raise ClusterError(
                f"The API server makes no port-forward to pod {pod} (HTTP {error.status}): it takes the "
                "right to create and get pods/portforward."
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise ClusterError(f"A port-forward to pod {pod} does not come about ({why}).") from None

    async def _end(self, drain_s: float) -> None:
        if self._server is not None:
            self._server.close()
        waits = [asyncio.create_task(each.answered.wait()) for each in self._open.values()]
        if waits:
            await asyncio.wait(waits, timeout=drain_s)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        if self._api is not None:
            await self._api.close()
        await asyncio.sleep(GOODBYE_S)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._open[task] = _Connection(reader, writer)
        try:
            connection.pod = await self._pod()
            async with self._connect(connection.pod) as ws:
                await connection.forward(ws)
        except asyncio.CancelledError:
            pass  # by this module alone; asyncio's streams take it for an error
        except Exception as error:  # the client sees it: its connection ends
            log.info("nothing is forwarded to %s: %r", self._service, error)
        finally:
            del self._open[task]
            connection.answered.set()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _retire(self) -> None:
        """Close connections that nobody waits at and whose pods are about to end.

        A port-forward does not tell that a pod has closed its side: what is sent then is never answered.
        """
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            if self._open:
                with suppress(Exception):  # the API server may be away: the next look tells
                    ready = await self._ready()
                    for task, connection in list(self._open.items()):
                        if connection.answered.is_set() and connection.pod not in ready:
                            task.cancel()

    @asynccontextmanager
    async def _connect(self, pod: str) -> AsyncIterator[Any]:
        url, headers = await self._request(f"{self._pods}/{pod}/portforward", ports=str(self._port))
        async with self._session.ws_connect(url, headers=headers, protocols=[PROTOCOL], max_msg_size=0) as ws:
            yield ws

    async def _request(self, path: str, **query: str) -> tuple[str, dict[str, str]]:
        """The URL, and the headers that prove who we are."""
        _, url, headers, *_ = await self._api.param_serialize(
            "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"]
        )
        return url, headers

    async def _pod(self) -> str:
        """The next one that is ready. Raises _NotReady, or another ClusterError."""
        ready = await self._ready()
        if not ready:
            raise _NotReady(f"No pod of {self._service} is ready.")
        self._turn += 1
        return ready[self._turn % len(ready)]

    async def _ready(self) -> list[str]:
        """The pods that are, and that nobody ends. Raises ClusterError."""
        selector = f"app.kubernetes.io/name=clipper,app.kubernetes.io/component={self._service}"
        url, headers = await self._request(self._pods, labelSelector=selector)
        async with asyncio.timeout(ANSWER_S), self._session.get(url, headers=headers) as response:
            found = json.loads(await response.read())
        if response.status >= 400:
            raise ClusterError(f"The API server lists no pods to forward to: {found['message']}.")
        return sorted(str(pod["metadata"]["name"]) for pod in found.get("items", []) if _is_ready(pod))


class _NotReady(ClusterError):
    """There is no pod to forward to, so far."""


class _Connection:
    """A client's. It is `answered` QUIET_S after the pod has spoken last, where the client is silent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pod = ""
        self.answered = asyncio.Event()
        self._quiet: asyncio.TimerHandle | None = None
        self._reader = reader
        self._writer = writer

    async def forward(self, ws: Any) -> None:
        """Until either end closes."""
        there = asyncio.create_task(self._send(ws))
        try:
            await self._receive(ws)
        finally:
            there.cancel()
            await asyncio.gather(there, return_exceptions=True)

    async def _send(self, ws: Any) -> None:
        while data := await self._reader.read(CHUNK):
            self._speaks(client=True)
            await ws.send_bytes(bytes([DATA]) + data)
        await ws.close()

    async def _receive(self, ws: Any) -> None:
        """Each channel begins with the port's number."""
        begun = set()
        async for message in ws:
            channel, data = message.data[0], message.data[1:]
            if channel not in begun:
                begun.add(channel)
            elif channel == ERROR:
                raise ClusterError(data.decode(errors="replace"))
            else:
                self._writer.write(data)
                await self._writer.drain()
                self._speaks(client=False)

    def _speaks(self, *, client: bool) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
        self.answered.clear()
        self._quiet = None if client else asyncio.get_running_loop().call_later(QUIET_S, self.answered.set)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    ready = any((found["type"], found["status"]) == ("Ready", "True") for found in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


async def _settings(context: str) -> Any:
    """As the runtime chooses them: the kubeconfig's, or this pod's where there is none."""
    from kubernetes.aio import client, config

    settings = client.Configuration()
    has_config = "KUBECONFIG" in os.environ or Path("~/.kube/config").expanduser().exists()
    try:
        if not context and not has_config and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                os.environ.get("KUBECONFIG"), context=context or None, client_configuration=settings
            )
    except (config.ConfigException, OSError) as error:
        raise ClusterError(f"There is no Kubernetes cluster to ask: {error}. Set KUBECONFIG.") from None
    return settings
