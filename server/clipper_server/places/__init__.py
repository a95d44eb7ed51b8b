"""Container managers: what runs replicas and query frontends, as processes, in Docker or on Kubernetes.

A container manager keeps its own record of what it started, so that a new management process finds it.
"""

from __future__ import annotations

import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from clipper_container.resources import Resources

from ..cluster import ClusterFolder

FRONTENDS = "/frontends/addresses"
"""The path of management's API at which management answers with an Orchestrator's `wires`."""
LOG_AT_ONCE = 64 << 10  # bytes that `log` gives at most

Answer = dict[str, object]
"""What the command line says: one line of JSON."""
Kind = Literal["query", "replica"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a replica's code runs on.

    `python` is the path of the interpreter that packaged the model, or that its owner named; "" is the
    cluster's own. `requirements` are installed beside what that interpreter has, as pip takes them.
    `python_version` is the one that the model was packaged with, "" where the owner chose the interpreter.
    `image` is a container image that its owner named, with Clipper Lab's entry point; "" is the one for
    `loader`, the artifact's, which takes GPUs into account.
    """

    python: str = ""
    requirements: tuple[str, ...] = ()
    python_version: str = ""
    image: str = ""
    loader: str = "python"
    gpus: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """What to start. `name` is its own in the cluster, for ever. `labels` come back from `poll`."""

    name: str
    kind: Kind
    environment: dict[str, str] = field(repr=False)  # it has a token in it
    labels: dict[str, str]
    resources: Resources = field(default_factory=Resources)
    runtime: Runtime = field(default_factory=Runtime)


@dataclass(frozen=True, slots=True)
class ByCpu:
    """Bounds between which the engine is to keep the CPU load of replicas at so much of what they ask for."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version, by the spec of any of its replicas.

    It is to have so many of them; or, `by_cpu`, as many as the engine decides, and so many to begin with.
    """

    spec: Spec
    num_replicas: int
    by_cpu: ByCpu | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What became of it. `exit_code` is None while it runs, and may be -1 where nobody knows it.

    `last_words` is what it said of its own end: the model's traceback, or the end of its log. `stopping`
    says that somebody, not necessarily the reconciler, has asked it to end.
    """

    name: str
    kind: Kind
    labels: dict[str, str]
    pid: int
    exit_code: int | None
    last_words: str
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something does not run or will end: a sentence with advice, and what it is about, as in events.

    Waiting will not help where it is `hopeless`. `last_words` are those of a replica that ends again and
    again; "" of others.
    """

    text: str
    subject: dict[str, str]
    hopeless: bool = False
    last_words: str = ""


class ContainerManager(Protocol):
    """Called by the reconciler alone, one call at a time; but `check`, `log` and `logs` by anybody."""

    def check(self, resources: Resources, runtime: Runtime) -> None:
        """Raises BadRequest, with the reason, where a replica like that cannot run here."""

    async def prepare(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        """Make what replicas with this runtime need; return when it is there, at once where it was.

        May take minutes, and runs beside the other calls; `say` is told how far it is, from any thread.
        Raises DeployError with the builder's last words.
        """

    async def start(self, spec: Spec) -> None:
        """Start it, and return without waiting for it. Raises ClusterError where it cannot be started."""

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        """Ask it to end, and see to it that it does; `at_once` ends it without asking.

        Returns at once; does nothing for unknown names.
        """

    async def poll(self) -> list[Status]:
        """All that was started and not yet forgotten. Called often, so it must be quick."""

    async def forget(self, name: str) -> None:
        """It has ended, and its end was noted."""

    async def logs(self) -> dict[str, str]:
        """The last part (a bounded one) of each log, by name."""

    async def log(self, name: str, after: int) -> tuple[str, int]:
        """What the log has beyond the position `after`, and the position to go on from; 0 is its begin.

        At most 64 KiB at once. A position that is gone is the begin of what is left. Raises NotFound.
        """


@runtime_checkable
class Orchestrator(ContainerManager, Protocol):
    """A container manager that counts replicas itself, and whose query frontends are there of themselves.

    It is told what is wanted, and not what to start: `start` is never called.
    """

    def number(self, frontend: str) -> int:
        """The number of the query frontend with this name, for as long as it lives. Raises ClusterError."""

    def decided(self, model: str, version: str) -> tuple[int, str] | None:
        """How many replicas the engine itself has decided on, and why; None where it was not asked to."""

    def preparing(self, model: str, version: str) -> str:
        """How far its replicas are with what they need before they begin; "" where they need nothing now."""

    async def want(self, wanted: Sequence[Wanted], ready: Collection[str]) -> None:
        """Have these versions, and no others.

        `ready` names the replicas that every query frontend has. Raises ClusterError where the engine does
        not answer; what is there stays then.
        """

    def wires(self) -> list[str]:
        """Where query frontends wait for replicas, host:port, those that start as well."""

    def troubles(self) -> list[Trouble]:
        """What is wrong now."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses are host:port. `sockets` is the folder where query frontends and replicas meet, unless
    `wire` is the name and port of all query frontends.

    `management` and `query` are where the cluster's own parts find each other; `published` has what its
    clients use for both where that is another. `private` is where query frontends answer management alone:
    the host to listen at, and its name. `snapshots` is where they keep theirs, by default beside the sockets.
    """

    management: str
    query: str
    sockets: Path
    published: tuple[str, str] | None = None
    private: tuple[str, str] = ("127.0.0.1", "127.0.0.1")
    snapshots: Path | None = None
    wire: str = ""


class Ports(Protocol):
    """The ports that protocols have here, where query frontends listen."""

    def give(self, documented: int, wish: int | None) -> int:
        """One for a protocol whose clients expect `documented`: the one that is wished for, or a free one.

        Raises BadRequest where it cannot be had.
        """

    def again(self, port: int) -> int:
        """The same one when management begins anew, or another one. Raises BadRequest where there is none."""

    async def open(self, spoken: Mapping[int, str]) -> None:
        """Let clients come to these ports, where "http" or "grpc" is spoken, and to no others.

        Raises ClusterError where that cannot be done now.
        """

    def published(self, port: int) -> str:
        """Where clients find it, "host:port"."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a place gives management to stand on. At `listener` the management API is to be served."""

    cluster_name: str
    token: str = field(repr=False)
    listener: socket.socket
    addresses: Addresses
    manager: ContainerManager
    ports: Ports


ADDRESS = "query_address"
"""The setting that has where clients were told to ask, when the cluster last started."""


class Settings(Protocol):
    """What a place keeps in a cluster's state: a few short texts."""

    def get(self, key: str) -> str | None:
        """None where nothing was kept."""

    def set(self, key: str, value: str) -> None: ...


class Place(Protocol):
    """Where clusters run, as the command line knows it. `arguments` name the cluster.

    All but `add_arguments` raise ClusterError, with the reason and with advice.
    """

    def add_arguments(self, command: ArgumentParser, word: str) -> None:
        """Those of `word` (up, down, record or management) that only this place has."""

    def up(self, arguments: Namespace) -> Answer:
        """See to it that the cluster serves. `started` says whether it had to be started."""

    def down(self, arguments: Namespace) -> Answer:
        """End the cluster's parts: so many were `stopped`."""

    def record(self, arguments: Namespace) -> Answer:
        """How to reach the cluster, as `record`; None where it does not run."""

    def ground(self, arguments: Namespace, folder: ClusterFolder, settings: Settings, token: str) -> Ground:
        """In management's process, when it begins. `token` is the cluster's, unless the place has another."""
