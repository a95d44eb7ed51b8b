"""Says what is wrong with this machine: one finding a check, each with what to do."""

from __future__ import annotations

from collections.abc import Callable

from ..places.process import ProcessContainerManager
from .clusters import PORTS, cluster, leftovers, one_port
from .engines import docker, gpu, kubernetes
from .finding import Finding, Findings
from .machine import disk, home, memory, packages, proxies, python

__all__ = [
    "Finding",
    "Findings",
    "cluster",
    "disk",
    "docker",
    "examine",
    "gpu",
    "home",
    "kubernetes",
    "leftovers",
    "memory",
    "one_port",
    "packages",
    "proxies",
    "python",
]


def examine(manager: ProcessContainerManager) -> Findings:
    """All findings, in the order in which to look at them."""
    checks: list[Callable[[], Finding | list[Finding]]] = [
        python,
        packages,
        lambda: home(manager.folder),
        lambda: disk(manager.folder),
        memory,
        proxies,
        *(lambda port=port, what=what: one_port(port, what, manager) for port, what in PORTS.items()),
        lambda: cluster(manager),
        lambda: leftovers(manager.folder.parent),
        docker,
        kubernetes,
        gpu,
    ]
    found = Findings()
    for check in checks:
        finding = check()
        found += finding if isinstance(finding, list) else [finding]
    return found
