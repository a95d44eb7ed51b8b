"""Brings a cluster of containers up and down, and finds it: by labels, from any process that has the engine.

Nothing of it is on the client's file system, so the engine may be elsewhere.
"""

from __future__ import annotations

import io
import random
import re
import tarfile
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import docker
import msgspec
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from clipper_container import image
from clipper_container.errors import ClusterError

from ...cluster import ClusterRecord
from .parts import (
    CLUSTER,
    HOLDER,
    KIND,
    MANAGEMENT,
    MANAGEMENT_PORT,
    PORTS,
    QUERY_PORT,
    SNAPSHOTS,
    SOCKETS,
    STATE,
    confined,
    full_name,
    mount,
    remove,
)

HOLD = "clipper_server.places.docker.hold"
ENGINE_SOCKET = "/var/run/docker.sock"
START_S = 60.0
LOOK_S = 0.1
FREE_PORTS = range(20_000, 30_000)  # below those that Kubernetes has for nodes, and systems for clients
TRIES = 10
RESTART: Any = {"Name": "unless-stopped"}
GRACE_S = 10


class DockerCluster:
    """One cluster, by name. Raises ClusterError where the engine does not answer or does not do it."""

    def __init__(self, name: str, registry: str = "") -> None:
        self._name = name
        self._registry = registry
        self._image = image.tag("server", registry=registry)
        try:
            self._engine = docker.from_env(timeout=60)
            self._engine.ping()
        except (DockerException, OSError) as error:
            raise ClusterError(
                f"No Docker engine answers ({error}). Start one (`systemctl start docker`, or Docker "
                "Desktop), or set DOCKER_HOST to where it is."
            ) from None

    def record(self) -> ClusterRecord | None:
        """How to reach it; None where it does not run. The token is read through the engine."""
        container = self._container(MANAGEMENT)
        if container is None:
            return None
        try:  # it can be read of a dead one too, whom `up` starts again
            stream, _ = container.get_archive(str(STATE / "cluster.json"))
        except NotFound:
            return None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            file = archive.extractfile("cluster.json")
            assert file is not None
            return msgspec.json.decode(file.read(), type=ClusterRecord)

    def up(
        self,
        host: str,
        ports: tuple[int, int],
        own_ports: Mapping[int, int],
        options: list[str],
        *,
        fresh: bool,
    ) -> tuple[ClusterRecord, bool]:
        """See to it that it serves; also return whether it had to be started.

        `host` is where the two ports (for queries, for management) are published; where one is taken a free
        one is used. `own_ports` are those of protocols, inside, with the ports that are to be published for
        them; 0 is a free one. A cluster that was stopped goes back to where its clients know it, where that
        is free, and where nobody names another port.
        """
        if fresh:
            self.down(purge=True)
        record = self.record()
        if record is not None and record.answers():
            if (served := self._served()) is None:
                raise ClusterError(
                    f"Management of the cluster answers, and no query frontend does within {START_S:.0f} s. "
                    "`clipperlab --on docker events` tells why; stop_all() ends it."
                )
            return served, False
        try:
            return self._start(host, ports, own_ports, options), True
        except DockerException as error:
            self._remove(GRACE_S)
            raise ClusterError(
                f"The cluster did not start: {getattr(error, 'explanation', None) or error}"
            ) from error

    def _start(
        self, host: str, ports: tuple[int, int], own_ports: Mapping[int, int], options: list[str]
    ) -> ClusterRecord:
        self._see_to_image()
        kept, known = self._ports(), self._known_ports()
        holder = self._container(HOLDER)
        is_held = holder is not None and holder.status == "running"
        named = {inside: port for inside, port in own_ports.items() if port}
        if is_held and not (kept.keys() >= own_ports.keys() and kept.items() >= named.items()):
            raise ClusterError(
                "Its query frontends run on without management, and ports are published when they start: "
                "stop_all() first, or leave out protocols=."
            )
        self._remove_container(MANAGEMENT)
        for network in ("internal", "edge"):
            if not self._engine.networks.list(names=[f"^{self._full(network)}$"]):
                self._engine.networks.create(
                    self._full(network), internal=network == "internal", labels=self._labels("network")
                )
        for volume in ("state", "sockets", "snapshots"):
            self._engine.volumes.create(self._full(volume), labels=self._labels("volume"))
        if not is_held:
            self._remove_container(HOLDER)
            wanted = {QUERY_PORT: ports[0], **own_ports}
            wishes = {**wanted, **{port: known[port] for port in wanted if port in known}, **kept, **named}
            wishes.pop(MANAGEMENT_PORT, None)
            self._publish(HOLDER, [HOLD], host, wishes, {}, named)
        mounts = [mount(self._full("state"), STATE), mount(self._full("sockets"), SOCKETS)]
        mounts.append(mount(self._full("snapshots"), SNAPSHOTS))  # its first user makes it theirs
        command = [
            "clipper_server",
            "management",
            "docker",
            "--folder",
            str(STATE),
            "--cluster-name",
            self._name,
        ]
        command += ["--published-host", host, "--registry", self._registry, *options]
        more = {
            "mounts": mounts,
            "volumes": {ENGINE_SOCKET: {"bind": ENGINE_SOCKET, "mode": "rw"}},
            "group_add": [self._socket_group()],
        }
        wishes = {MANAGEMENT_PORT: {**known, **kept}.get(MANAGEMENT_PORT, ports[1])}
        self._publish(MANAGEMENT, command, host, wishes, more)
        record = self._wait()
        if known != (now := {**known, **self._ports()}):
            labels = {**self._labels("volume"), PORTS: msgspec.json.encode(now).decode()}
            with suppress(DockerException):  # it serves: another time it may be elsewhere
                self._remove_volume("ports")
                self._engine.volumes.create(self._full("ports"), labels=labels)
        return record

    def _see_to_image(self) -> None:
        try:
            self._engine.images.get(self._image)
        except ImageNotFound:
            if not self._registry:
                raise ClusterError(
                    f"The engine has no image {self._image}: `clipperlab images build` makes all that a "
                    "cluster needs."
                ) from None
            try:
                self._engine.images.pull(self._image)
            except DockerException as error:
                raise ClusterError(
                    f"The engine has no image {self._image}, and cannot pull it: "
                    f"{getattr(error, 'explanation', None) or error}. `clipperlab images build --push` with "
                    "that --registry puts it there."
                ) from None

    def _publish(
        self,
        part: str,
        command: list[str],
        host: str,
        wishes: Mapping[int, int],
        more: dict[str, Any],
        named: Collection[int] = (),
    ) -> None:
        """Start the part on both networks, with its ports published: each as wished, or where that is free.
        One that is `named` is nowhere else.

        A port is chosen here and not by the engine, which would choose another one each time it starts.
        """
        published = {port: wish or random.choice(FREE_PORTS) for port, wish in wishes.items()}
        for _ in range(TRIES):
            container = self._engine.containers.create(
                self._image,
                command,
                name=self._full(part),
                labels=self._labels("holder" if part == HOLDER else part),
                network=self._full("edge"),
                ports={f"{port}/tcp": (host, outside) for port, outside in published.items()},
                restart_policy=RESTART,
                tmpfs={"/tmp": "size=64m,mode=1777"},
                **confined(),
                **more,
            )
            self._engine.networks.get(self._full("internal")).connect(container, aliases=[part])
            try:
                container.start()
            except APIError as error:
                remove(container)
                said = str(error)
                if "port is already allocated" not in said and "address already in use" not in said:
                    raise
                taken = [p for p, outside in published.items() if re.search(rf":{outside}\b", said)]
                if any(port in named for port in taken):
                    where = ", ".join(str(published[port]) for port in taken)
                    raise ClusterError(
                        f"The port {where} at {host} is taken. Name another one in protocols=, or none: a "
                        "free one is used then."
                    ) from None
                may_move = [port for port in published if port not in named]
                published |= {port: random.choice(FREE_PORTS) for port in taken or may_move}
                continue
            return
        raise ClusterError(
            f"No port at {host} is free for the {part} container: {TRIES} were tried. Name one that is, as "
            "clipper_query_port or clipper_management_port."
        )

    def _served(self) -> ClusterRecord | None:
        """The record, once management and a query frontend answer; None where they do not, in time or ever.

        One that an earlier management has left may have the same addresses, and says nothing of who serves.
        """
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            container = self._container(MANAGEMENT)
            record = self.record()
            if record is not None and record.serves():
                return record
            if container is None or container.status == "restarting":
                return None
            time.sleep(LOOK_S)
        return None

    def _wait(self) -> ClusterRecord:
        if (record := self._served()) is not None:
            return record
        said = {part: self._last_line(part) for part in (MANAGEMENT, "query-0")}
        self._remove(GRACE_S)
        words = " ".join(f"The last words of {part}: {line}" for part, line in said.items() if line)
        raise ClusterError(f"The cluster did not start. {words or 'It said nothing.'}")

    def _last_line(self, part: str) -> str:
        container = self._container(part)
        lines = container.logs(tail=20).decode(errors="replace").split("\n") if container is not None else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def down(self, *, purge: bool, now: bool = False) -> int:
        """End every container of the cluster; return how many there were. Its state stays unless purged."""
        try:
            self._forget_record()
            count = self._remove(0 if now else GRACE_S)
            for volume in ("sockets", "snapshots", *(["state", "ports"] if purge else [])):
                self._remove_volume(volume)
        except DockerException as error:
            raise ClusterError(f"The cluster could not be stopped: {error}") from error
        return count

    def _remove(self, grace_s: int) -> int:
        """Management first, for it would start the others again; then all others at the same time."""
        management = self._container(MANAGEMENT)
        if management is not None:
            remove(management)
        containers = self._engine.containers.list(
            all=True, filters={"label": f"{CLUSTER}={self._name}"}, ignore_removed=True
        )
        for container in containers:
            with suppress(APIError):
                container.kill("SIGTERM")
        give_up = time.monotonic() + grace_s
        for container in containers:
            with suppress(APIError, OSError):
                container.wait(timeout=max(1, give_up - time.monotonic()))
            remove(container)
        for network in self._engine.networks.list(filters={"label": f"{CLUSTER}={self._name}"}):
            with suppress(APIError):
                network.remove()
        return len(containers) + (management is not None)

    def _forget_record(self) -> None:
        """Or the next start would find it, and take what it says for true before anybody serves."""
        container = self._container(MANAGEMENT)
        if container is not None:
            with suppress(APIError):  # it does not run, and who starts it again has the same addresses
                container.exec_run(["rm", "-f", str(STATE / "cluster.json")])

    def _known_ports(self) -> dict[int, int]:
        """Those of the last start that went well. A label of an empty volume says them, for that outlives
        the containers, and is read without any.
        """
        try:
            labels = self._engine.volumes.get(self._full("ports")).attrs["Labels"] or {}
        except NotFound:
            return {}
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(labels.get(PORTS, "{}"), type=dict[int, int])
        return {}

    def _remove_volume(self, name: str) -> None:
        with suppress(NotFound):
            self._engine.volumes.get(self._full(name)).remove(force=True)

    def _ports(self) -> dict[int, int]:
        """The published ports that it has now, by the ports inside."""
        found = {}
        for part in (HOLDER, MANAGEMENT):
            container = self._container(part)
            bindings = (container.attrs["HostConfig"]["PortBindings"] or {}) if container is not None else {}
            for inside, published in bindings.items():
                for binding in published:
                    if binding["HostPort"]:
                        found[int(inside.partition("/")[0])] = int(binding["HostPort"])
        return found

    def _socket_group(self) -> int:
        """The group of the engine's socket, where the engine is: only it and root may use that."""
        said = self._engine.containers.run(
            self._image,
            [HOLD, "--group-of", ENGINE_SOCKET],
            volumes={ENGINE_SOCKET: {"bind": ENGINE_SOCKET, "mode": "ro"}},
            network_mode="none",
            remove=True,
            labels=self._labels("look"),
        )
        return int(said)

    def _remove_container(self, part: str) -> None:
        container = self._container(part)
        if container is not None:
            remove(container)

    def _container(self, part: str) -> Any:
        try:
            return self._engine.containers.get(self._full(part))
        except NotFound:
            return None

    def _full(self, part: str) -> str:
        return full_name(self._name, part)

    def _labels(self, kind: str) -> dict[str, str]:
        return {CLUSTER: self._name, KIND: kind}
