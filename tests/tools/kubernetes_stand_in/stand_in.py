"""The stand-in itself: a thread with an API server, controllers, a scheduler and kubelets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import ssl
import tempfile
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import trustme
import yaml
from aiohttp import web

from .api import API
from .authorization import Asked, Authorization
from .autoscaler import Autoscalers
from .controllers import DEFAULT_CLASS, Budgets, Claims, Garbage, Namespaces, Services
from .deployments import Deployments, ReplicaSets
from .faults import Faults
from .kubelet import Kubelet
from .network import Network
from .nodes import Nodes
from .objects import Objects
from .process import INSIDE
from .proxy import Proxy
from .resources import ALL, NAMESPACES, PODS, SERVICES, STORAGE_CLASSES, Object
from .scheduler import Scheduler
from .store import Store
from .subresources import Subresources
from .volumes import Volumes

CONTEXT = "stand-in"
LOOK_AGAIN_S = 0.25
ANSWER_S = 30.0
TURNS = 5

T = TypeVar("T")


class StandIn:
    """A cluster with the nodes node-a and node-b, as a context manager; its methods are the test's.

    Without `dns` no name of a Service is known, and without `storage_class` no claim is bound. A container
    that crashes is restarted at once, then after `back_off_s`, and ever later.
    """

    def __init__(
        self,
        *,
        dns: bool = True,
        storage_class: bool = True,
        nodes: int = 2,
        back_off_s: float = 0.5,
    ) -> None:
        self._dns, self._storage_class, self._node_count = dns, storage_class, nodes
        self._back_off_s = back_off_s
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="the stand-in for Kubernetes")

    def __enter__(self) -> Self:
        # A short path, for there will be Unix sockets in it.
        self._temporary = tempfile.TemporaryDirectory(prefix="k8s-", dir="/tmp", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.kubeconfig = self.folder / "kubeconfig"
        self._thread.start()
        self._started.result(ANSWER_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(ANSWER_S)
        self._temporary.cleanup()
        assert not self._thread.is_alive(), "the stand-in for Kubernetes did not end"
        with warnings.catch_warnings():  # connections of pods that were killed: nobody closes their streams
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._build()
        runner = web.AppRunner(self._app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        self._runner = runner
        self._port = 0
        await self._listen()
        self._write_kubeconfig()
        self._populate()
        controlling = asyncio.create_task(self._control(), name="controllers")
        self._controlling = controlling
        self._started.set_result(None)
        ended = asyncio.create_task(self._end.wait())
        await asyncio.wait([ended, controlling], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        controlling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await controlling
        self._network.close()
        await self._kubelet.close()
        self._disconnect()
        await runner.cleanup()
        self._network.close()
        for _ in range(TURNS):  # aborted connections are closed in a later turn of the loop
            await asyncio.sleep(0)

    def _build(self) -> None:
        self._ca = trustme.CA()
        self._network = Network(self.folder, dns=self._dns)
        self.store = Store()
        self._objects = Objects(self.store)
        self._authorization = Authorization(self.store)
        self.faults = Faults()
        ca = self._ca.cert_pem.bytes()
        volumes = Volumes(self.store, self.folder / "kept", ca, self._authorization.token)
        pods = self.folder / "p"
        self._kubelet = Kubelet(self._objects, pods, self._network, volumes, self._back_off_s)
        self._nodes = Nodes(self._objects, self._kubelet)
        self._services = Services(self._objects, self._network)
        self._objects.after_defaults.append(self._services.amend)
        self._autoscalers = Autoscalers(self._objects)
        self._looks = [
            controller.look
            for controller in (
                Namespaces(self._objects, self._authorization, ca.decode()),
                self._autoscalers,
                Deployments(self._objects),
                ReplicaSets(self._objects),
                Claims(self._objects),
                Scheduler(self._objects),
                self._kubelet,
                Budgets(self._objects),
                Garbage(self._objects),
            )
        ]
        subresources = Subresources(self._objects, self._kubelet, self._authorization)
        self._app = API(self._objects, self._authorization, self.faults, subresources).build()

    async def _listen(self) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert("127.0.0.1", self._network.api_address, "kubernetes.default.svc").configure_cert(
            tls
        )
        self._sites = []
        for address in ("127.0.0.1", self._network.api_address):
            site = web.TCPSite(self._runner, address, self._port, ssl_context=tls, reuse_address=True)
            await site.start()
            self._sites.append(site)
            self._port = self._port or int(self._runner.addresses[0][1])
        self._kubelet.api = (self._network.api_address, self._port)

    def _write_kubeconfig(self) -> None:
        ca = self.folder / "ca.crt"
        ca.write_bytes(self._ca.cert_pem.bytes())
        server = f"https://127.0.0.1:{self._port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": {"server": server, "certificate-authority": str(ca)}}],
            "users": [{"name": "admin", "user": {"token": self._authorization.admin_token}}],
            "contexts": [
                {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "admin", "namespace": "default"}}
            ],
            "current-context": CONTEXT,
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.kubeconfig.chmod(0o600)

    def _populate(self) -> None:
        for name in ("default", "kube-system", "kube-node-lease", "kube-public"):
            self._objects.create(NAMESPACES, "", {"metadata": {"name": name}})
        api = {"clusterIP": self._network.api_address, "ports": [{"name": "https", "port": self._port}]}
        self._objects.create(SERVICES, "default", {"metadata": {"name": "kubernetes"}, "spec": api})
        if self._dns:
            spec = {"selector": {"k8s-app": "kube-dns"}, "ports": [{"name": "dns-tcp", "port": 53}]}
            body = {"metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns"}}, "spec": spec}
            self._objects.create(SERVICES, "kube-system", body)
        if self._storage_class:
            meta = {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}}
            self._objects.create(STORAGE_CLASSES, "", {"metadata": meta, "provisioner": "stand-in/folders"})
        for i in range(self._node_count):
            self._nodes.add(f"node-{'abcdefghij'[i]}", "8", "16Gi", 0, {}, [])

    async def _control(self) -> None:
        """Every controller looks again after every change."""
        while True:
            revision = self.store.revision
            for look in self._looks:
                look()
            await self._services.look()
            await asyncio.sleep(0)
            if self.store.revision == revision:
                await self.store.change(revision, LOOK_AGAIN_S)

    @property
    def environment(self) -> dict[str, str]:
        """What processes need that are to be its clients."""
        path = os.pathsep.join(filter(None, [str(INSIDE), os.environ.get("PYTHONPATH")]))
        return {"KUBECONFIG": str(self.kubeconfig), "PYTHONPATH": path}

    # What tests do to it, from their own thread.

    def _do(self, call: Callable[[], T]) -> T:
        async def run() -> T:
            return call()

        return self._wait(run())

    def _wait(self, coroutine: Coroutine[Any, Any, T], timeout_s: float = ANSWER_S) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)

    def add_node(
        self,
        name: str,
        *,
        cpu: str = "8",
        memory: str = "16Gi",
        gpus: int = 0,
        labels: dict[str, str] | None = None,
        taints: list[Object] | None = None,
    ) -> None:
        self._do(lambda: self._nodes.add(name, cpu, memory, gpus, labels or {}, taints or []))

    def drain(self, node: str, timeout_s: float = 60.0) -> None:
        """Return when nothing runs there any more. Raises TimeoutError where a budget forbids it."""
        self._wait(self._nodes.drain(node, timeout_s), timeout_s + ANSWER_S)

    def lose(self, node: str, evict_after_s: float = 1.0) -> None:
        """Its machine is gone; return when its pods are marked for deletion."""
        self._wait(self._nodes.lose(node, evict_after_s), evict_after_s + ANSWER_S)

    def restore(self, node: str) -> None:
        """After `drain` or `lose`."""
        self._do(lambda: self._nodes.restore(node))

    def remove_node(self, node: str) -> None:
        self._do(lambda: self._nodes.remove(node))

    def unpullable(self, image: str) -> None:
        """From now on no image with this in its name can be pulled; `pullable` takes it back."""
        self._do(lambda: self._kubelet.unpullable.add(image))

    def pullable(self, image: str) -> None:
        self._do(lambda: self._kubelet.unpullable.discard(image))

    def kill_pod(self, namespace: str, name: str, container: str = "") -> None:
        """SIGKILL its process, which is then restarted."""
        self._do(lambda: self._kubelet.find(namespace, name).container(container).kill())

    def oom(self, namespace: str, name: str, container: str = "") -> None:
        """As if the container had used more memory than its limit."""
        self._do(lambda: self._kubelet.find(namespace, name).container(container).kill("OOMKilled"))

    def evict_for_pressure(self, namespace: str, name: str, resource: str = "memory") -> None:
        """As if its node were short of memory, or of ephemeral-storage."""
        message = f"The node was low on resource: {resource}. Threshold quantity: 100Mi, available: 61Mi."
        self._do(lambda: self._kubelet.find(namespace, name).evict(message))

    def uses(self, namespace: str, deployment: str, cpus: float | None) -> None:
        """What all its pods use together; None is a cluster without metrics-server, as at the beginning."""

        def measure() -> None:
            self._autoscalers.has_metrics = cpus is not None
            self._autoscalers.cpus[namespace, deployment] = cpus or 0.0

        self._do(measure)

    def pid(self, namespace: str, name: str, container: str = "") -> int:
        """Of the container's process."""
        return self._do(lambda: self._kubelet.find(namespace, name).container(container).pid)

    @contextlib.contextmanager
    def proxy(self) -> Iterator[str]:
        """A `kubectl proxy`; its address."""
        tls = ssl.create_default_context(cadata=self._ca.cert_pem.bytes().decode())
        found = Proxy(f"https://127.0.0.1:{self._port}", self._authorization.admin_token, tls)
        address = self._wait(found.start())
        try:
            yield address
        finally:
            self._wait(found.close())

    def kubeconfig_of(self, namespace: str, account: str) -> Path:
        """One for a service account, which may do what its Roles say."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"]["token"] = self._do(lambda: self._authorization.token(namespace, account))
        path = self.folder / f"kubeconfig-{namespace}-{account}"
        path.write_text(yaml.safe_dump(config))
        return path

    def pods(self, namespace: str) -> list[Object]:
        return self._do(lambda: self.store.all(PODS, namespace))

    def first(self, plural: str, namespace: str, shows: Callable[[Object], object]) -> float | None:
        """When an object of that kind was first so, by the monotonic clock; None where none was so far."""
        resource = next(resource for resource in ALL if resource.plural == plural)
        return self._do(lambda: self.store.first(resource, namespace, shows))

    @property
    def requests(self) -> list[Asked]:
        """What was asked of the API server, the last 5,000."""
        return self._do(lambda: list(self.faults.asked))

    def throttle(self, times: int, retry_after_s: int = 1) -> None:
        """The next requests get a 429."""

        def strike() -> None:
            self.faults.throttled, self.faults.retry_after_s = times, retry_after_s

        self._do(strike)

    def conflicts(self, times: int) -> None:
        """The next changes of objects get a 409."""

        def strike() -> None:
            self.faults.conflicts = times

        self._do(strike)

    def drop_watches(self) -> None:
        """The connections of all watches break."""
        self._do(self.faults.drop_watches)

    def expire(self) -> None:
        """The history is forgotten: watches from before now get a 410."""
        self._do(self.store.forget)

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        """Nobody reaches the API server; what runs goes on running."""
        self._wait(self._stop_listening())
        try:
            yield
        finally:
            self._wait(self._listen())

    async def _stop_listening(self) -> None:
        for site in self._sites:
            assert site._server is not None
            site._server.close()
            await asyncio.sleep(0)
            self._runner._unreg_site(site)
        self._disconnect()

    def _disconnect(self) -> None:
        """Every connection to the API server breaks."""
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
