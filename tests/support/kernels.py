"""Kernels at ports that nobody else is given.

jupyter_client asks the system for five free ports, and frees them for the kernel to bind: where much runs at
once, another program may have been given one of them by then, and the kernel does not come up. The system
gives nobody a port below its ephemeral ones.
"""

from __future__ import annotations

import random
import socket

from jupyter_client.connect import LocalPortCache

PORTS = range(10_000, 20_000)  # above them are those that containers and nodes get here


def at_ports_of_their_own() -> None:
    """All kernels that this process starts from now on."""
    setattr(LocalPortCache, "find_available_port", _find)  # noqa: B010 - mypy lets nobody set a method


def _find(cache: LocalPortCache, ip: str) -> int:
    for port in random.sample(PORTS, 1000):
        if port in cache.currently_used_ports:
            continue
        with socket.socket() as tried:
            try:
                tried.bind((ip, port))
            except OSError:
                continue
        cache.currently_used_ports.add(port)
        return port
    raise OSError(f"None of the ports from {PORTS.start} to {PORTS.stop} is free.")
