"""Replicas: how many of a version there are, and should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from clipper_container.errors import BadRequest

from .models import Models

if TYPE_CHECKING:
    from ..management import Replica

READY_TIMEOUT_S = 300.0


class Replicas(Models):
    """Operations on the replicas of versions."""

    def set_num_replicas(self, name: str, num_replicas: int, version: object = None) -> None:
        """Give a version, by default the current one, this many replicas; return when they are ready.

        Raises NotFound or BadRequest; DeployError where they do not come up; ClusterError after 300 s.

        >>> conn.set_num_replicas("digits", 2)
        >>> conn.get_num_replicas("digits")
        2
        """
        version = self.get_current_model_version(name) if version is None else version
        self._management.set_num_replicas(name, version, num_replicas)
        self._management.wait_ready(name, version, timeout_s=READY_TIMEOUT_S)

    def set_autoscaling(
        self,
        name: str,
        min_replicas: int | None,
        max_replicas: int | None = None,
        version: object = None,
        *,
        cpu_percent: int | None = None,
    ) -> None:
        """Let the number of replicas of a version, by default the current one, follow its load.

        They are as many as carry the measured load within the objective, from `min_replicas` to
        `max_replicas`; its events say why they change. With a `min_replicas` of 0 they all go when nobody
        asks for a minute, and the next query starts one. `set_autoscaling(name, None)` leaves the number as
        it is then. On Kubernetes, `cpu_percent` has a HorizontalPodAutoscaler do it instead, which keeps the
        CPU load of the replicas at that part of what each asks for in resources=, and needs a metrics-server.
        Raises NotFound or BadRequest.

        >>> conn.set_autoscaling("digits", 1, 3)
        >>> conn.get_model_info("digits", 2)["autoscaling"]
        [1, 3]
        """
        version = self.get_current_model_version(name) if version is None else version
        if min_replicas is None:
            self._management.set_autoscaling(name, version, None)
            return
        if max_replicas is None:
            raise BadRequest("set_autoscaling() needs both bounds: set_autoscaling(name, 1, 4).")
        self._management.set_autoscaling(name, version, (min_replicas, max_replicas), cpu_percent)

    def get_num_replicas(self, name: str, version: object = None) -> int:
        """How many replicas a version, by default the current one, should have. Raises NotFound.

        >>> conn.get_num_replicas("digits", version=1)
        1
        """
        version = self.get_current_model_version(name) if version is None else version
        return self._management.version(name, version)["num_replicas"]

    @overload
    def get_all_model_replicas(self, verbose: Literal[False] = False) -> list[str]: ...
    @overload
    def get_all_model_replicas(self, verbose: Literal[True]) -> list[Replica]: ...
    def get_all_model_replicas(self, verbose: bool = False) -> list[str] | list[Replica]:
        """All replicas, "name:version:replica"; `verbose` gives what `get_model_replica_info` does.

        Those that drain before they end count no longer: `verbose` alone has them, as "stopping".

        >>> conn.get_all_model_replicas()
        ['bayes:1:...', 'digits:1:...', 'digits:2:...']
        """
        replicas = self._management.replicas()
        counted = [r for r in replicas if r["state"] != "stopping"]
        return replicas if verbose else [f"{r['model_id']}:{r['model_replica_id']}" for r in counted]

    def get_model_replica_info(self, name: str, version: object, replica_id: object) -> Replica | None:
        """All about one replica; None where there is none like that.

        >>> name, version, replica = conn.get_all_model_replicas()[0].split(":")
        >>> conn.get_model_replica_info(name, version, replica)["state"]
        'ready'
        """
        wanted = (name, str(version), str(replica_id))
        for replica in self._management.replicas():
            if (replica["model_name"], replica["model_version"], replica["model_replica_id"]) == wanted:
                return replica
        return None
