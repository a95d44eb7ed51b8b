"""Container managers, seen from the workbench: where a cluster is, and how it is brought up and down.

The cluster is not part of this process. It is brought up by `python -m clipper_server`, outlives this
process, and is found again through its record.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from clipper_container.errors import BadRequest, ClusterError

from ..names import check_name

UP_TIMEOUT_S = 120.0
DOWN_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class ClusterRecord:
    """How to reach a cluster. Addresses are "host:port"."""

    cluster_name: str
    query: str
    management: str
    token: str = field(repr=False)  # a notebook shows what it is given, and is passed on


class ContainerManager(Protocol):
    """What a connection needs to know of the place where its cluster runs."""

    cluster_name: str

    def up(self, *, fresh: bool, settings: Mapping[str, int] | None = None) -> bool:
        """Bring the cluster up, or restart what is dead of it; True unless it was running and well.

        `fresh` first ends and removes everything that an earlier run left. `settings` may have a
        `cache_size` and `num_frontends`; what is left out stays as it was. Raises ClusterError.
        """

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        """End every process of the cluster; return how many there were. `purge` forgets its state too.

        Without `graceful` they are killed at once.
        """

    def record(self) -> ClusterRecord | None:
        """How to reach the cluster; None where it was never started, or is stopped."""


def home() -> Path:
    """Where the clusters of this user have their folders."""
    return Path(os.environ.get("CLIPPERLAB_HOME") or "~/.clipperlab").expanduser().absolute()


def clusters() -> list[str]:
    """The names of the clusters of this user, whether they run or not."""
    folders = home().iterdir() if home().is_dir() else []
    return sorted(f.name for f in folders if (f / "state.db").exists() or (f / "cluster.json").exists())


class _BroughtUp:
    """What the container managers share: `python -m clipper_server` does it, for a place that they name."""

    down_timeout_s = DOWN_TIMEOUT_S

    def __init__(
        self, cluster_name: str, place: list[str], wishes: Mapping[str, int | str], more: str
    ) -> None:
        self.cluster_name = check_name("cluster", cluster_name)
        self._place = place
        self._wishes = wishes
        self._more = more

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cluster_name!r})"

    def up(self, *, fresh: bool, settings: Mapping[str, int] | None = None) -> bool:
        given: dict[str, int | str] = {**self._wishes, **(settings or {})}
        options = [
            part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))
        ]
        return bool(self._run("up", [*options, *(["--fresh"] if fresh else [])], UP_TIMEOUT_S)["started"])

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        options = [*(["--purge"] if purge else []), *([] if graceful else ["--now"])]
        return int(self._run("down", options, self.down_timeout_s)["stopped"])

    def record(self) -> ClusterRecord | None:
        found = self._run("record", [], DOWN_TIMEOUT_S)["record"]
        return None if found is None else ClusterRecord(**found)

    def get_admin_addr(self) -> str:
        """Where the management API answers, "host:port". Raises ClusterError where the cluster is stopped."""
        record = self.record()
        if record is None:
            raise ClusterError(f"Cluster {self.cluster_name!r} is not running. start_clipper() starts it.")
        return record.management

    def _run(self, command: str, options: list[str], timeout_s: float) -> dict[str, Any]:
        return _run([command, *self._place, *options], timeout_s, self._more)


class ProcessContainerManager(_BroughtUp):
    """A cluster of plain processes on this machine.

    Its folder is `$CLIPPERLAB_HOME/<cluster_name>`, by default `~/.clipperlab/<cluster_name>`. The ports
    are preferences: where one is taken, a free one is used. Raises BadRequest for a name that is no DNS
    label.
    """

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        *,
        clipper_query_port: int = 1337,
        clipper_management_port: int = 1338,
    ) -> None:
        self.folder = home() / check_name("cluster", cluster_name)
        super().__init__(
            cluster_name,
            ["process", "--folder", str(self.folder)],
            {"query_port": clipper_query_port, "management_port": clipper_management_port},
            f"{self.folder / 'logs' / 'management.log'} tells more.",
        )

    def record(self) -> ClusterRecord | None:
        path = self.folder / "cluster.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=ClusterRecord)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClusterError(
                f"{path} cannot be read ({error}). start_clipper(fresh=True) removes it and starts anew."
            ) from None


class DockerContainerManager(_BroughtUp):
    """A cluster of containers on the Docker engine that the environment names (DOCKER_HOST).

    Its two ports are published at `docker_ip_address`, free ones where these are taken. Everything is found
    by the cluster's name, from any process that has the engine. `clipperlab images build` makes the images;
    with a `registry` the engine pulls those that it lacks from there. Clipper's other arguments are refused
    with the reason. Raises BadRequest.
    """

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        docker_ip_address: str = "127.0.0.1",
        *,
        clipper_query_port: int = 1337,
        clipper_management_port: int = 1338,
        registry: str = "",
        **of_clipper: Any,
    ) -> None:
        for name in of_clipper:
            if name not in DOCKER_ARGUMENTS:
                raise TypeError(f"DockerContainerManager() got an unexpected keyword argument {name!r}")
            raise BadRequest(
                f"DockerContainerManager() takes no {name}. {DOCKER_ARGUMENTS[name]} Leave it out."
            )
        super().__init__(
            cluster_name,
            ["docker", "--cluster-name", cluster_name],
            {
                "query_port": clipper_query_port,
                "management_port": clipper_management_port,
                "published_host": "127.0.0.1" if docker_ip_address == "localhost" else docker_ip_address,
                **({"registry": registry} if registry else {}),
            },
            f"`docker logs clipper-{cluster_name}-management` tells more.",
        )


DOCKER_ARGUMENTS = {
    "use_centralized_log": "get_clipper_logs() and `clipperlab logs` have the logs of all containers.",
    "fluentd_port": "There is no fluentd: get_clipper_logs() has the logs of all containers.",
    "clipper_rpc_port": "Models meet the query frontends at sockets in a volume: there is no port.",
    "redis_ip": "There is no Redis: management keeps the state in a volume.",
    "redis_port": "There is no Redis: management keeps the state in a volume.",
    "prometheus_port": "Query frontends serve /metrics for a Prometheus of your own.",
    "docker_network": "A cluster has two networks of its own, by its name.",
    "extra_container_kwargs": "resources= on a deploy gives a model's replicas limits and GPUs.",
}


def _run(arguments: list[str], timeout_s: float, more: str) -> dict[str, Any]:
    """Have the runtime do it, in a process of its own; its answer. Raises ClusterError."""
    # -P: no file beside the notebook that is called like a library's module gets in the way.
    command = [sys.executable, "-P", "-m", "clipper_server", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`{' '.join(command)}` took more than {timeout_s:.0f} s. {more}") from None
    if done.returncode != 0:
        raise ClusterError(_reason(done.stderr) or f"`{' '.join(command)}` failed and said nothing.")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _reason(stderr: str) -> str:
    """The sentence that the runtime left: its last line, with advice where the runtime is not installed."""
    lines = stderr.strip().splitlines()
    last = lines[-1] if lines else ""
    if "No module named" in last:
        return f'{last}: the serving runtime is not installed here. pip install "clipperlab[server]"'
    return last
