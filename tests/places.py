"""Where clusters run, for tests that hold of every place: how to reach one there, and how to do it harm.

A part is named as in the cluster: "management", "query-0", or "<model>.<version>.<replica>".
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any, Protocol

import psutil
import pytest

from clipperlab import (
    ClipperConnection,
    DockerContainerManager,
    KubernetesContainerManager,
    ProcessContainerManager,
)

from . import parts
from .clusters import kill, pid_of
from .home import own_home
from .waiting import wait_for

EVERYWHERE = pytest.mark.parametrize(
    "place", ["process", pytest.param("docker", marks=pytest.mark.slow)], indirect=True, scope="module"
)
LABEL = "org.clipperlab.cluster"


class Place(Protocol):
    name: str
    starts_python: str
    """An expression that makes a container manager of the cluster `name`."""

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
    starts_python = "ProcessContainerManager(name)"

    def connection(self, cluster: str, **options: Any) -> ClipperConnection:
        ports = {"clipper_query_port": 0, "clipper_management_port": 0}
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
    """Pods that are processes of this machine: everything but Kubernetes itself is real."""

    name = "kubernetes"
    starts_python = "KubernetesContainerManager(name)"

    def __init__(self, stand_in: Any) -> None:
        self.stand_in = stand_in

    def connection(self, cluster: str, **_: Any) -> ClipperConnection:
        # By node ports, for a port-forward is not for loads.
        ports = {"management": "NodePort", "query": "NodePort"}
        return ClipperConnection(KubernetesContainerManager(cluster, service_types=ports))

    def kill(self, cluster: ClipperConnection, part: str) -> None:
        namespace, pod = self.pod(cluster, part)
        pid = self.stand_in.pid(namespace, pod)
        self.stand_in.kill_pod(namespace, pod)
        wait_for(f"the process of {part} to be dead", lambda: not psutil.pid_exists(pid))

    def pause(self, cluster: ClipperConnection, part: str) -> Callable[[], None]:
        process = psutil.Process(self.stand_in.pid(*self.pod(cluster, part)))
        process.send_signal(signal.SIGSTOP)

        def go_on() -> None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

        return go_on

    def left(self, cluster: str) -> list[str]:
        return [f"pod {pod['metadata']['name']}" for pod in self.stand_in.pods(f"clipper-{cluster}")]

    def pod(self, cluster: ClipperConnection, part: str) -> tuple[str, str]:
        """Its namespace and name."""
        namespace = f"clipper-{cluster.cm.cluster_name}"
        if part.startswith("query-") or part == "management":
            component = part.partition("-")[0]
            key = "app.kubernetes.io/component"
            found = [p for p in self.stand_in.pods(namespace) if p["metadata"]["labels"][key] == component]
            if part != "management":
                number = part.removeprefix("query-")
                (host,) = [
                    str(f["metrics"]).partition(":")[0]
                    for f in cluster.status()["frontends"]
                    if f["id"] == number
                ]
                found = [p for p in found if p["status"].get("podIP") == host]
            return namespace, found[0]["metadata"]["name"]
        return namespace, part.rpartition(".")[2]


class Docker:
    name = "docker"
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
            *(f"container {c.name}" for c in self.engine.containers.list(all=True, filters=label)),
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
    with suppress(docker.errors.DockerException):
        client = docker.from_env()
        client.ping()
    parts.need("docker", client is not None, "Start an engine, or set DOCKER_HOST.")
    from clipperlab.images import build

    build(["server", "python"])
    return client


@contextmanager
def find(name: str) -> Iterator[Place]:
    """The place of that name; a home of one's own for clusters goes with it."""
    with ExitStack() as stack:
        home = stack.enter_context(own_home())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("CLIPPERLAB_HOME", str(home))
        if name == "kubernetes":
            from .kubernetes_stand_in import StandIn

            stand_in = stack.enter_context(StandIn())
            patch.setenv("KUBECONFIG", str(stand_in.kubeconfig))
            yield Kubernetes(stand_in)
            return
        yield Docker(engine()) if name == "docker" else Processes()
