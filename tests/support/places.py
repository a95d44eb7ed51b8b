"""Where clusters run, for tests that hold of every place: how to reach one there, and how to do it harm.

A part is named as in the cluster: "management", "query-0", or "<model>.<version>.<replica>".
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from clipperlab import (
    ClipperConnection,
    DockerContainerManager,
    KubernetesContainerManager,
    ProcessContainerManager,
)
from tests.support import parts
from tests.support.clusters import kill, pid_of
from tests.support.home import own_home
from tests.support.ports import free_port
from tests.support.waiting import wait_for

EVERYWHERE = pytest.mark.parametrize(
    "place",
    [
        "process",
        pytest.param("docker", marks=pytest.mark.slow),
        pytest.param("stand-in", marks=pytest.mark.slow),
        pytest.param("kubernetes", marks=pytest.mark.kubernetes),
    ],
    indirect=True,
    scope="module",
)
BY_PROCESSES = pytest.mark.parametrize("place", ["process"], indirect=True, scope="module")
"""For what is the same code everywhere, beside tests that run EVERYWHERE."""
ON_THE_STAND_IN = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # The stand-in passes bytes on for pods that end: such streams are closed by nobody.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
]
REGISTRY = "CLIPPERLAB_TESTS_REGISTRY"
"""Where the nodes of a Kubernetes cluster pull Clipper Lab's images from, unless they have them."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
LABEL = "org.clipperlab.cluster"


class Place(Protocol):
    name: str

    @property
    def starts_python(self) -> str:
        """An expression that makes a container manager of the cluster `name`, which is "shared"."""

    restarts_management: bool
    """Whether management comes back of itself."""
    ports_are_its_own: bool
    """Whether no other program can have the ports where it serves. Its proxies share connections out then."""

    @property
    def keeps_state(self) -> bool:
        """Whether applications and models outlive management, and a cluster that is stopped."""

    def connection(self, cluster: str, **options: Any) -> ClipperConnection:
        """Unconnected, on free ports."""

    def kill(self, cluster: ClipperConnection, part: str) -> None:
        """With SIGKILL, from outside; return when it is dead."""

    def pause(self, cluster: ClipperConnection, part: str) -> Callable[[], None]:
        """Stop it as SIGSTOP does; what comes back lets it go on, if it still lives."""

    def left(self, cluster: str) -> list[str]:
        """What runs of it, or was left of it in other ways."""


class Processes:
    name = "process"
    restarts_management = False
    ports_are_its_own = False
    keeps_state = True
    starts_python = "ProcessContainerManager(name)"

    def connection(self, cluster: str, **options: Any) -> ClipperConnection:
        query, management = free_port(), free_port()  # which are free again when it starts anew
        ports = {"clipper_query_port": query, "clipper_management_port": management}
        return ClipperConnection(ProcessContainerManager(cluster, **{**ports, **options}))

    def kill(self, cluster: ClipperConnection, part: str) -> None:
        kill(pid_of(cluster, part))

    def pause(self, cluster: ClipperConnection, part: str) -> Callable[[], None]:
        process = psutil.Process(pid_of(cluster, part))
        process.send_signal(signal.SIGSTOP)

        def go_on() -> None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

        return go_on

    def left(self, cluster: str) -> list[str]:
        folder = ProcessContainerManager(cluster).folder
        found = [str(folder)] if folder.exists() else []
        for process in psutil.process_iter(["pid", "cmdline"]):
            with suppress(psutil.Error):
                if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                    found.append(f"process {process.pid}")
        return found


class Kubernetes:
    """The cluster of the kubeconfig's current context, over its API alone; whose pods find what they need."""

    name = "kubernetes"
    restarts_management = True
    ports_are_its_own = True

    def __init__(self) -> None:
        from clipper_server.places.kubernetes.api import KubernetesAPI

        self._api = KubernetesAPI()

    @property
    def keeps_state(self) -> bool:
        classes = self._api.ask("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
        return any(DEFAULT_CLASS in (found["metadata"].get("annotations") or {}) for found in classes)

    @property
    def starts_python(self) -> str:
        return f"KubernetesContainerManager(name, **{self._options('shared')!r})"

    def connection(self, cluster: str, **_: Any) -> ClipperConnection:
        return ClipperConnection(KubernetesContainerManager(cluster, **self._options(cluster)))

    def _options(self, cluster: str) -> dict[str, Any]:
        """By node ports where those can be reached, for a port-forward is not for loads."""
        return {
            "namespace": self.namespace(cluster),
            "create_namespace_if_not_exists": True,
            "service_types": {"management": "NodePort", "query": "NodePort"},
            "registry": os.environ.get(REGISTRY, ""),
        }

    def namespace(self, cluster: str) -> str:
        return f"clipper-tests-{cluster}"

    def kill(self, cluster: ClipperConnection, part: str) -> None:
        """A replica's processes; of other pods, process 1 has no signal that kills it from inside."""
        namespace, pod = self.namespace(cluster.cm.cluster_name), self.pod(cluster, part)
        if part == "management" or part.startswith("query-"):
            path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
            self._api.ask("DELETE", path, {"gracePeriodSeconds": 0})
            return
        from kubernetes import client
        from kubernetes.stream import stream

        from clipper_server.places.kubernetes.api import configuration

        with client.ApiClient(configuration("")) as api:
            execute = client.CoreV1Api(api).connect_get_namespaced_pod_exec
            kill = ["python", "-c", "import os; os.kill(-1, 9)"]
            words = stream(execute, pod, namespace, command=kill, stdout=True, _preload_content=False)
            words.run_forever(timeout=20)
            words.sock.shutdown()  # its close() leaves one open whose other end has closed it

    def pause(self, cluster: ClipperConnection, part: str) -> Callable[[], None]:
        pytest.skip("Kubernetes cannot pause a process")

    def left(self, cluster: str) -> list[str]:
        return [f"pod {pod['metadata']['name']}" for pod in self.pods(self.namespace(cluster))]

    def pods(self, namespace: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.ask("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
        return found

    def pod(self, cluster: ClipperConnection, part: str) -> str:
        """The name of that of management, of the replica, or of the query frontend by place in the status."""
        if part != "management" and not part.startswith("query-"):
            return part.rpartition(".")[2]
        key = "app.kubernetes.io/component"
        found = [
            pod
            for pod in self.pods(self.namespace(cluster.cm.cluster_name))
            if pod["metadata"]["labels"][key] == part.partition("-")[0]
            and "deletionTimestamp" not in pod["metadata"]
        ]
        if part != "management":
            frontend = cluster.status()["frontends"][int(part.removeprefix("query-"))]
            host = str(frontend["metrics"]).partition(":")[0]
            found = [pod for pod in found if pod["status"].get("podIP") == host]
        return str(found[0]["metadata"]["name"])


@contextmanager
def by_node_ports(cluster: str, **start: Any) -> Iterator[ClipperConnection]:
    """A running cluster on the stand-in, reached without a port-forward, which is not for loads."""
    ports = {"management": "NodePort", "query": "NodePort"}
    connection = ClipperConnection(KubernetesContainerManager(cluster, service_types=ports))
    connection.start_clipper(fresh=True, **start)
    try:
        yield connection
    finally:
        connection.stop_all(purge=True)


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


class StandIn(Kubernetes):
    """Pods that are processes of this machine: everything but Kubernetes itself is real."""

    name = "stand-in"

    def __init__(self, stand_in: Any) -> None:
        super().__init__()
        self.stand_in = stand_in

    def kill(self, cluster: ClipperConnection, part: str) -> None:
        pid = self.pid(cluster, part)
        self.stand_in.kill_pod(self.namespace(cluster.cm.cluster_name), self.pod(cluster, part))
        wait_for(f"the process of {part} to be dead", lambda: not psutil.pid_exists(pid))

    def pause(self, cluster: ClipperConnection, part: str) -> Callable[[], None]:
        process = psutil.Process(self.pid(cluster, part))
        process.send_signal(signal.SIGSTOP)

        def go_on() -> None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

        return go_on

    def pid(self, cluster: ClipperConnection, part: str) -> int:
        namespace = self.namespace(cluster.cm.cluster_name)
        return int(self.stand_in.pid(namespace, self.pod(cluster, part)))


class Docker:
    name = "docker"
    restarts_management = False
    ports_are_its_own = False
    keeps_state = True
    starts_python = "DockerContainerManager(name)"

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def connection(self, cluster: str, **options: Any) -> ClipperConnection:
        ports = {"clipper_query_port": 0, "clipper_management_port": 0}
        return ClipperConnection(DockerContainerManager(cluster, **{**ports, **options}))

    def kill(self, cluster: ClipperConnection, part: str) -> None:
        container = self.container(cluster, part)
        died = container.attrs["State"]["StartedAt"]
        container.kill()

        def is_dead() -> bool:
            from docker.errors import NotFound

            try:
                container.reload()
            except NotFound:
                return True
            return not container.attrs["State"]["Running"] or container.attrs["State"]["StartedAt"] != died

        wait_for(f"the container of {part} to be dead", is_dead)

    def pause(self, cluster: ClipperConnection, part: str) -> Callable[[], None]:
        from docker.errors import APIError

        container = self.container(cluster, part)
        container.pause()

        def go_on() -> None:
            with suppress(APIError):
                container.unpause()

        return go_on

    def left(self, cluster: str) -> list[str]:
        label = {"label": f"{LABEL}={cluster}"}
        return [
            *(
                f"container {c.name}"
                for c in self.engine.containers.list(all=True, filters=label, ignore_removed=True)
            ),
            *(f"network {n.name}" for n in self.engine.networks.list(filters=label)),
            *(f"volume {v.name}" for v in self.engine.volumes.list(filters=label)),
        ]

    def container(self, cluster: ClipperConnection, part: str) -> Any:
        return self.engine.containers.get(f"clipper-{cluster.cm.cluster_name}-{part}")


@cache
def engine() -> Any:
    """The client of the engine, with the images that the tests need; skips where there is none."""
    docker = pytest.importorskip("docker", reason="needs docker's client, which is not installed here")
    client = None
    with warnings.catch_warnings():
        # Where no engine answers, the client leaves a socket open, in what cannot be reached any more.
        warnings.simplefilter("ignore", ResourceWarning)
        with suppress(docker.errors.DockerException):
            client = docker.from_env()
            client.ping()
        gc.collect()
    parts.need("docker", client is not None, "Start an engine, or set DOCKER_HOST.")
    from clipperlab.images import build

    # Who comes second waits, and finds the layers of the first.
    with (Path(tempfile.gettempdir()) / "clipperlab-tests-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build(["server", "python"])
    return client


@contextmanager
def find(name: str, **options: Any) -> Iterator[Place]:
    """The place of that name; a home of one's own for clusters goes with it. `options` are the stand-in's."""
    with ExitStack() as stack:
        home = stack.enter_context(own_home())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("CLIPPERLAB_HOME", str(home))
        if name == "kubernetes":
            yield Kubernetes()
        elif name == "stand-in":
            from tests.tools import kubernetes_stand_in

            stand_in = stack.enter_context(kubernetes_stand_in.StandIn(**options))
            for variable, value in stand_in.environment.items():
                patch.setenv(variable, value)
            yield StandIn(stand_in)
        else:
            yield Docker(engine()) if name == "docker" else Processes()
