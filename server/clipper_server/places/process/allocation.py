"""What this machine has for replicas that are processes, and which of it goes to whom."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import psutil

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.limits import MIB
from clipper_container.resources import GPU, Resources

from .. import one_machine

SMALLEST = 64 * MIB  # what a replica with an empty model takes


def check(resources: Resources) -> None:
    """Raises BadRequest, with the reason, for what this machine cannot give or keep to."""
    if resources.cpus is not None:
        if not hasattr(os, "sched_setaffinity"):
            raise BadRequest("cpus: this operating system binds no process to cores. Leave it out here.")
        if resources.cpus != int(resources.cpus):
            raise BadRequest(
                f"cpus: a process gets whole cores, not {resources.cpus:g}. Containers get parts."
            )
        if resources.cpus > len(cores()):
            raise BadRequest(f"cpus: this machine has {len(cores())} cores, not {resources.cpus:g}.")
    if resources.memory is not None:
        has = psutil.virtual_memory().total
        if sys.platform != "linux":
            raise BadRequest("memory: this operating system keeps no process to a limit. Leave it out here.")
        if not SMALLEST <= resources.memory <= has:
            raise BadRequest(
                f"memory: a replica needs at least {SMALLEST // MIB} MiB, and this machine has "
                f"{has // MIB:,} MiB: {resources.memory / MIB:,.1f} MiB cannot be."
            )
    one_machine.check(resources)
    if resources.shared_memory is not None:
        raise BadRequest("shared_memory: processes share the machine's /dev/shm. Leave it out here.")
    for device, count in resources.devices.items():
        if device != GPU:
            raise BadRequest(f"{device}: processes get no such devices. Kubernetes has them.")
        if count > len(gpus()):
            raise BadRequest(f"gpus: this machine has {len(gpus()) or 'none'}, and {count} are asked for.")


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def gpus() -> list[int]:
    """The numbers of the machine's NVIDIA GPUs."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return list(range(sum(line.startswith("GPU ") for line in done.stdout.splitlines())))


def least_used(count: int, among: Iterable[int], used: Iterable[int]) -> list[int]:
    """So many cores, the least used first."""
    uses = Counter(used)
    return sorted(among, key=lambda core: (uses[core], core))[:count]


def free(count: int, among: Iterable[int], used: Iterable[int]) -> list[int]:
    """So many GPUs that nobody has. Raises ClusterError where there are fewer."""
    taken = set(used)
    found = [gpu for gpu in among if gpu not in taken][:count]
    if len(found) < count:
        raise ClusterError(
            f"GPUs asked for: {count}. Free: {len(found)}, because other replicas have the rest. Stop one of "
            "them, or scale down."
        )
    return found
