"""The replicas of versions: how many there should be, and when they are ready."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TypedDict

from clipper_container.errors import ClusterError, DeployError

from . import paths
from .versions import Versions

LOOK_S = 0.05  # between two looks for what has no long poll
LONG_POLL_S = 25.0  # management holds a long poll for 30 s at most


class GPU(TypedDict):
    memory_used: float  # in bytes, over all GPUs of a replica
    memory: float
    utilisation: float  # their mean, from 0 to 1


class Replica(TypedDict):
    model_id: str
    model_name: str
    model_version: str
    model_replica_id: str
    input_type: str
    state: str  # "starting", "ready", "stopping" or "dead"
    pid: int | None  # None where it runs elsewhere
    num_predictions: int
    gpu: GPU | None  # None where it has none, or does not tell of it


class Replicas(Versions):
    def replicas(self) -> list[Replica]:
        replicas: list[Replica] = self._call("GET", "/replicas")
        return replicas

    def set_num_replicas(self, name: str, version: object, num_replicas: int) -> None:
        self._call("PUT", f"{paths.version(name, version)}/replicas", {"num_replicas": num_replicas})

    def set_autoscaling(
        self, name: str, version: object, bounds: tuple[int, int] | None, cpu_percent: int | None = None
    ) -> None:
        path = f"{paths.version(name, version)}/autoscaling"
        if bounds is None:
            self._call("DELETE", path)
        else:
            cpu = {} if cpu_percent is None else {"cpu_percent": cpu_percent}
            self._call("PUT", path, {"min_replicas": bounds[0], "max_replicas": bounds[1], **cpu})

    def credential(self, name: str, version: object) -> dict[str, str]:
        found: dict[str, str] = self._call("GET", f"{paths.version(name, version)}/credential")
        return found

    def wait_ready(
        self,
        name: str,
        version: object,
        *,
        timeout_s: float,
        said: Callable[[str], None] = lambda _: None,
        look_every_s: float = LONG_POLL_S,
    ) -> None:
        """Return once all replicas that a version should have are ready.

        Raises DeployError, with the model's own traceback, where the version failed; ClusterError after
        `timeout_s`.
        """
        give_up = time.monotonic() + timeout_s
        look_s = LOOK_S  # soon at first, for what is prepared may be told at once and over in a second
        while True:
            wait_s = max(0.0, min(look_s, give_up - time.monotonic()))
            look_s = min(2 * look_s, look_every_s)
            found = self.version(name, version, wait_s=wait_s)
            wrong = found["warnings"][-1] if found["state"] == "starting" and found["warnings"] else ""
            counted = f"{found['ready_replicas']} of {found['num_replicas']} replicas ready"
            said(found["preparing"] or (f"{counted}. {wrong}" if wrong else counted))
            if found["state"] == "ready":
                for warning in found["warnings"]:
                    warnings.warn(f"{name}:{version}: {warning}", stacklevel=3)
                return
            if found["state"] in ("failed", "crashing"):
                raise DeployError(found["error"] or f"{name}:{version} failed, and nothing tells why.")
            if time.monotonic() >= give_up:
                raise ClusterError(
                    f"{name}:{version} has {found['ready_replicas']} of {found['num_replicas']} replicas "
                    f"ready after {timeout_s:g} s, and goes on starting. "
                    f"{wrong or 'get_clipper_logs() tells what it does.'} stop_versioned_models() ends it."
                )

    def wait_dialled(self, name: str, version: object, replica: str, *, timeout_s: float) -> None:
        """Return once a replica that runs elsewhere is ready. Raises ClusterError after `timeout_s`."""
        give_up = time.monotonic() + timeout_s
        while not any(
            (r["model_name"], r["model_version"], r["model_replica_id"], r["state"])
            == (name, str(version), replica, "ready")
            for r in self.replicas()
        ):
            if time.monotonic() > give_up:
                raise ClusterError(
                    f"No query frontend has taken up replica {replica} of {name}:{version} within "
                    f"{timeout_s:g} s. status() tells what runs."
                )
            time.sleep(LOOK_S)
