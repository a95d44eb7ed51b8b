"""The management frontend's process."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn

from clipper_container.errors import ClusterError

from ..changes import Changes
from ..cluster import ClusterFolder, ClusterRecord
from .api import API, FRONTENDS
from .artifacts import Artifacts
from .containers import ContainerManager, Orchestrator
from .containers.identity import Identity
from .containers.process import ProcessContainerManager
from .control import Control
from .events import Events
from .frontends import Frontends
from .observations import Observations
from .reconciler import Reconciler
from .running import Running
from .series import Series
from .specs import Specs
from .state import State

HOST = "127.0.0.1"
START_S = 30.0
DEFAULT_CACHE_SIZE = 32 << 20


async def serve(
    folder: ClusterFolder,
    place: Place,
    cache_size: int | None,
    num_frontends: int | None,
) -> None:
    """Manage the cluster in `folder` until SIGTERM. Its frontends and replicas run on after that.

    Writes one line to standard output when the cluster serves. What is None stays as it was.
    """
    lock = folder.lock("management", wait=False)  # held until the process ends
    if lock is None:
        raise ClusterError(f"Another management frontend runs in {folder.path}. Stop it first.")
    state = _state(folder.database)
    listener, specs, manager = place(folder, state)
    cache_size = _keep(state, "cache_size", cache_size, DEFAULT_CACHE_SIZE)
    num_frontends = _keep(state, "num_frontends", num_frontends, 1)

    changes = Changes()
    events = Events(state, changes)
    frontends = Frontends(changes, events)
    artifacts = Artifacts(folder.artifacts)
    running = Running(frontends)
    control = Control(state, artifacts, manager, frontends, running, changes, events, specs.replica_token)
    reconciler = Reconciler(
        state,
        manager,
        frontends,
        running,
        specs,
        changes,
        events,
        control.versions.came_up,
        control.versions.did_not_come_up,
        control.scaling.scaled,
        num_frontends,
    )
    observations = Observations(frontends)
    series = Series(frontends, changes)
    api = API(
        specs,
        control,
        reconciler,
        frontends,
        running,
        manager,
        changes,
        events,
        observations,
        series,
    )
    server = _Server(
        changes,
        uvicorn.Config(
            api.build(),
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        ),
    )
    control.versions.collect()
    events.add("management", f"Management of {specs.cluster_name} starts at revision {state.revision}.")
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    reconciling = asyncio.create_task(reconciler.run(), name="reconciler")
    measuring = asyncio.create_task(series.run(), name="series")
    beside = [reconciling, measuring]
    if not isinstance(manager, Orchestrator):  # which has clients that look for themselves
        announcing = _announce(folder, specs, frontends, changes)
        beside.append(asyncio.create_task(announcing, name="announce"))
    try:
        await serving
    finally:
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await observations.close()
        state.close()
        lock.close()


Place = Callable[[ClusterFolder, State], tuple[socket.socket, Specs, ContainerManager]]
"""Where a cluster runs: gives management its listening socket, its specs and its container manager."""


def on_this_machine(query_port: int, management_port: int) -> Place:
    """As processes. The ports are wishes for the first start: the cluster keeps those that it had."""

    def place(folder: ClusterFolder, state: State) -> tuple[socket.socket, Specs, ContainerManager]:
        manager = ProcessContainerManager(folder.path)
        listener = _listen(int(state.get("management_port") or management_port))
        management = f"{HOST}:{listener.getsockname()[1]}"
        query = f"{HOST}:{_query_port(state, query_port, in_use=manager.serves())}"
        state.set("management_port", management.rpartition(":")[2])
        state.set("query_port", query.rpartition(":")[2])
        specs = Specs(folder.path.name, _token(state), management, query, folder.sockets)
        return listener, specs, manager

    return place


def on_docker(cluster_name: str, host: str, registry: str) -> Place:
    """In containers, of which this is one. `host` is where the ports are published; `registry` has images."""

    def place(folder: ClusterFolder, state: State) -> tuple[socket.socket, Specs, ContainerManager]:
        from .containers import docker  # late: processes need no engine

        folder.make()
        manager = docker.DockerContainerManager(cluster_name, folder.path / "logs", registry)
        specs = Specs(
            cluster_name,
            _token(state),
            f"{docker.MANAGEMENT}:{docker.MANAGEMENT_PORT}",
            f"0.0.0.0:{docker.QUERY_PORT}",
            docker.SOCKETS,
            published=manager.published(host),
            private=("0.0.0.0", docker.HOLDER),
            snapshots=docker.SNAPSHOTS,
        )
        return _listen(docker.MANAGEMENT_PORT, "0.0.0.0"), specs, manager

    return place


def on_kubernetes(cluster_name: str, namespace: str, registry: str, address: str, *, keeps: bool) -> Place:
    """In pods, of which this is one. `registry` has the images of models; its state `keeps`, or does not.

    `address` is that of management's service, where no DNS knows names: replicas find all others through it.
    """

    def place(folder: ClusterFolder, state: State) -> tuple[socket.socket, Specs, ContainerManager]:
        from .containers.kubernetes import WIRE_PORT, KubernetesContainerManager  # late: others need none
        from .containers.kubernetes_token import shared_token
        from .containers.numbers import Numbers

        token = shared_token(namespace, _token(state))
        state.set("token", token)
        specs = Specs(
            cluster_name,
            token,
            f"{address or 'management'}:1338",
            "query:1337",
            folder.sockets,
            published=(f"management.{namespace}:1338", f"query.{namespace}:1337"),
            wire=f"http://{address}:1338{FRONTENDS}" if address else f"frontends:{WIRE_PORT}",
        )
        manager = KubernetesContainerManager(namespace, registry, Numbers(state), keeps=keeps)
        return _listen(1338, "0.0.0.0"), specs, manager

    return place


class _Server(uvicorn.Server):
    """Ends its long polls when it is asked to end."""

    def __init__(self, changes: Changes, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._changes = changes
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._changes.close)


async def _announce(folder: ClusterFolder, specs: Specs, frontends: Frontends, changes: Changes) -> None:
    """Write the record once the query frontends serve, and tell whoever started this process."""
    if not await changes.wait_for(frontends.serving, START_S):
        logging.error("No query frontend serves after %.0f s. See its log in %s/logs.", START_S, folder.path)
        os._exit(1)  # the one who waits for this line learns it from the end of the file
    folder.write_record(
        ClusterRecord(
            specs.cluster_name,
            specs.for_clients[1],
            specs.for_clients[0],
            specs.token,
            os.getpid(),
            Identity.of(os.getpid()),
        )
    )
    print("serving", flush=True)  # noqa: T201 - `up` waits for this line
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _state(path: Path) -> State:
    try:
        return State(path)
    except sqlite3.Error as error:
        raise ClusterError(
            f"The state in {path} cannot be used: {error}. See that the disk has room and the folder is "
            "yours. Where the file is damaged, start_clipper(fresh=True) starts without it."
        ) from error


def _keep(state: State, key: str, given: int | None, default: int) -> int:
    """The setting that was given, or else the one that was kept."""
    kept = state.get(key)
    value = given if given is not None else int(kept) if kept is not None else default
    if str(value) != kept:
        state.set(key, str(value))
        state.next_revision()  # the frontends that outlived the last management must learn of it
    return value


def _token(state: State) -> str:
    token = state.get("token")
    if token is None:
        token = secrets.token_urlsafe(32)
        state.set("token", token)
    return token


def _listen(port: int, host: str = HOST) -> socket.socket:
    """A listening socket on `port`, or on a free port where that one is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        if port == 0:
            raise
        return _listen(0, host)
    return listener


def _query_port(state: State, wish: int, *, in_use: bool) -> int:
    """The port that the query frontends have, or else a free one: the one that they had, or the wish.

    `in_use` says whether any of them runs.
    """
    kept = state.get("query_port")
    if kept is not None and in_use:
        return int(kept)
    with _listen(int(kept or wish)) as listener:
        return int(listener.getsockname()[1])
