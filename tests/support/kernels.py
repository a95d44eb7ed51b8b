"""Kernels at ports that nobody else is given.

jupyter_client asks the system for five free ports, and frees them for the kernel to bind.
"""

from __future__ import annotations

from jupyter_client.connect import LocalPortCache

from .ports import free_port


def at_ports_of_their_own() -> None:
    """All kernels that this process starts from now on."""
    setattr(LocalPortCache, "find_available_port", _find)  # noqa: B010 - mypy lets nobody set a method


def _find(cache: LocalPortCache, ip: str) -> int:
    port = free_port(cache.currently_used_ports, ip)
    cache.currently_used_ports.add(port)
    return port
