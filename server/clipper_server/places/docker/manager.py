"""The container manager `docker`: each replica and query frontend is a container of one engine.

What belongs to a cluster carries its name as a label, so that a new management finds it all. Query frontends
and replicas meet at Unix sockets in a volume, which replicas cannot write to; replicas have no way out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.errors import NotFound as NoSuchContainer
from docker.types import DeviceRequest

from clipper_container import image, words
from clipper_container.errors import BadRequest, ClusterError, NotFound
from clipper_container.limits import MIB, out_of_memory
from clipper_container.near import unknown
from clipper_container.resources import GPU, Resources

from .. import LOG_AT_ONCE, Kind, Runtime, Spec, Status, one_machine
from .images import Images
from .parts import (
    CLUSTER,
    HOLDER,
    KIND,
    LABELS,
    MANAGEMENT,
    MANAGEMENT_PORT,
    NAME,
    QUERY_PORT,
    SNAPSHOTS,
    SOCKETS,
    confined,
    full_name,
    mount,
    remove,
)

GRACE_S = 10
ANSWER_S = 60
LOG_LINES = 400  # of each log, where all are asked for
LOGS_KEPT = 50
SMALLEST = 64 * MIB
SCRATCH = "256m"  # of memory, that a replica may write to as files
MAX_PROCESSES = 512

T = TypeVar("T")


class DockerContainerManager:
    """Containers of the engine that the environment names, for the cluster `cluster`.

    `logs` is a folder for the logs of containers that are gone. `registry` is where Clipper Lab's images are
    pulled from where the engine lacks them.
    """

    def __init__(self, cluster: str, logs: Path, registry: str = "") -> None:
        self._cluster = cluster
        self._registry = registry
        self._engine = docker.from_env(timeout=ANSWER_S)
        self._images = Images(self._engine, registry)
        self._logs = logs
        self._logs.mkdir(exist_ok=True)
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, tuple[int, str]] = {}  # exit code and last words of what has ended

    def published(self, host: str) -> tuple[str, str]:
        """Where clients find management and the query frontends, "host:port"."""
        management = self._published(MANAGEMENT, host)
        return management[MANAGEMENT_PORT], self._published(HOLDER, host)[QUERY_PORT]

    def own_ports(self, host: str) -> dict[int, str]:
        """... and the ports of protocols, by their number inside."""
        return {port: where for port, where in self._published(HOLDER, host).items() if port != QUERY_PORT}

    def _published(self, part: str, host: str) -> dict[int, str]:
        container = self._engine.containers.get(full_name(self._cluster, part))
        bound = container.attrs["NetworkSettings"]["Ports"]
        return {
            int(inside.partition("/")[0]): f"{host}:{bindings[0]['HostPort']}"
            for inside, bindings in bound.items()
            if bindings
        }

    def check(self, resources: Resources, runtime: Runtime) -> None:
        if resources.memory is not None and resources.memory < SMALLEST:
            raise BadRequest(f"memory: a replica needs at least {SMALLEST // MIB} MiB.")
        one_machine.check(resources)
        for device in resources.devices:
            if device != GPU:
                raise BadRequest(f"{device}: Docker gives no such devices. Kubernetes has them.")

    async def prepare(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        await self._do(lambda: self._images.prepare(runtime, say))

    async def start(self, spec: Spec) -> None:
        try:
            await self._do(lambda: self._start(spec))
        except ImageNotFound as error:
            raise ClusterError(f"{spec.name} cannot be started: {error.explanation}") from error

    def _start(self, spec: Spec) -> None:
        name = full_name(self._cluster, spec.name)
        options = self._query(spec) if spec.kind == "query" else self._replica(spec)
        labels = self._labels(spec.kind) | {NAME: spec.name, LABELS: json.dumps(spec.labels)}
        container = self._engine.containers.create(
            name=name,
            labels=labels,
            **confined(),
            **options,
        )
        try:
            container.start()
        except APIError:
            remove(container)
            raise

    def _query(self, spec: Spec) -> dict[str, Any]:
        return {
            "image": image.tag("server", registry=self._registry),
            "command": ["clipper_server.query.frontend"],
            "environment": spec.environment,
            # They share one port: that of the container which holds it.
            "network_mode": f"container:{full_name(self._cluster, HOLDER)}",
            "mounts": [
                mount(full_name(self._cluster, "sockets"), SOCKETS),
                mount(full_name(self._cluster, "snapshots"), SNAPSHOTS),
            ],
            "tmpfs": {"/tmp": "size=16m,mode=1777"},
        }

    def _replica(self, spec: Spec) -> dict[str, Any]:
        resources = spec.resources
        threads = max(1, int(resources.cpus or 1))
        environment = {"OMP_NUM_THREADS": str(threads), **spec.environment}
        options: dict[str, Any] = {
            "image": self._images.of(spec.runtime),
            "environment": environment | {"CLIPPER_LAST_WORDS": words.IN_THE_LOG},
            "network": full_name(self._cluster, "internal"),
            "mounts": [mount(full_name(self._cluster, "sockets"), SOCKETS, read_only=True)],
            "tmpfs": {"/tmp": f"size={SCRATCH},mode=1777"},
            "pids_limit": MAX_PROCESSES,
        }
        if resources.cpus is not None:
            options["nano_cpus"] = int(resources.cpus * 1e9)
        if resources.memory is not None:
            options |= {"mem_limit": resources.memory, "memswap_limit": resources.memory}
        if resources.shared_memory is not None:
            options["shm_size"] = resources.shared_memory
        if resources.gpus:
            options["environment"]["CLIPPER_GPUS"] = "all"  # that it sees
            options["device_requests"] = [DeviceRequest(count=resources.gpus, capabilities=[["gpu"]])]
        return options

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        if name not in self._stopping:
            ending = self._do(lambda: self._stop(name, at_once))
            self._stopping[name] = asyncio.create_task(ending, name=f"stop {name}")

    def _stop(self, name: str, at_once: bool) -> None:
        try:
            container = self._engine.containers.get(full_name(self._cluster, name))
            if at_once:
                container.kill()
            else:
                container.stop(timeout=GRACE_S)
        except NoSuchContainer:
            pass
        except APIError as error:
            if error.status_code != 409:  # it has ended already
                raise

    async def poll(self) -> list[Status]:
        return await self._do(self._poll)

    def _poll(self) -> list[Status]:
        statuses = []
        for found in self._engine.api.containers(all=True, filters={"label": f"{CLUSTER}={self._cluster}"}):
            kind = found["Labels"][KIND]
            if kind not in ("query", "replica"):
                continue
            name = found["Labels"][NAME]
            exit_code, said = None, ""
            if found["State"] in ("exited", "dead", "created"):
                if name not in self._ends:
                    self._ends[name] = self._end_of(found["Id"])
                exit_code, said = self._ends[name]
            labels = json.loads(found["Labels"][LABELS])
            statuses.append(Status(name, _kind(kind), labels, 0, exit_code, said))
        return statuses

    def _end_of(self, id_: str) -> tuple[int, str]:
        """Its exit code, and its last words."""
        state = self._engine.api.inspect_container(id_)
        exit_code = int(state["State"]["ExitCode"])
        log = self._engine.api.logs(id_, tail=LOG_LINES).decode(errors="replace")
        if state["State"].get("OOMKilled"):
            return exit_code, out_of_memory(state["HostConfig"].get("Memory") or None)
        return exit_code, words.find(log) or log.strip()[-4000:] or state["State"]["Error"] or words.NONE

    async def forget(self, name: str) -> None:
        if task := self._stopping.pop(name, None):
            await task
        await self._do(lambda: self._forget(name))
        self._ends.pop(name, None)

    def _forget(self, name: str) -> None:
        try:
            container = self._engine.containers.get(full_name(self._cluster, name))
        except NoSuchContainer:
            return
        (self._logs / f"{name}.log").write_bytes(container.logs(tail=10 * LOG_LINES))
        old = sorted(self._logs.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-LOGS_KEPT]
        for path in old:
            path.unlink(missing_ok=True)
        remove(container)

    async def logs(self) -> dict[str, str]:
        return await self._do(self._all_logs)

    def _all_logs(self) -> dict[str, str]:
        found = {path.stem: path.read_text(errors="replace") for path in self._logs.glob("*.log")}
        for container in self._containers():
            name = container.labels.get(NAME) or container.labels[KIND]
            found[name] = container.logs(tail=LOG_LINES).decode(errors="replace")
        return dict(sorted(found.items()))

    async def log(self, name: str, after: int) -> tuple[str, int]:
        return await self._do(lambda: self._log(name, after))

    def _log(self, name: str, after: int) -> tuple[str, int]:
        for container in self._containers():
            if name == (container.labels.get(NAME) or container.labels[KIND]):
                data = container.logs()
                break
        else:
            path = self._logs / f"{name}.log"
            if name not in {kept.stem for kept in self._logs.glob("*.log")}:
                running = sorted(c.labels.get(NAME) or c.labels[KIND] for c in self._containers())
                raise NotFound(unknown("log", name, "Logs", running))
            data = path.read_bytes()
        begin = after if after <= len(data) else 0
        part = data[begin : begin + LOG_AT_ONCE]
        return part.decode(errors="replace"), begin + len(part)

    def _containers(self) -> list[Any]:
        found: list[Any] = self._engine.containers.list(
            all=True, filters={"label": f"{CLUSTER}={self._cluster}"}, ignore_removed=True
        )
        return found

    def _labels(self, kind: str) -> dict[str, str]:
        return {CLUSTER: self._cluster, KIND: kind}

    async def _do(self, call: Callable[[], T]) -> T:
        """In a thread, for the engine may be slow. Raises ClusterError where it does not do it."""
        try:
            return await asyncio.to_thread(call)
        except ImageNotFound:
            raise
        except (DockerException, OSError) as error:
            why = getattr(error, "explanation", None) or error
            raise ClusterError(f"The Docker engine does not do it: {why}") from error


def _kind(text: str) -> Kind:
    return "query" if text == "query" else "replica"
