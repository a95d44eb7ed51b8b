"""Ports that are free until a test binds them.

A port that the system gives, and gets back, it may give to another program before it is bound again: much
runs at once, and every connection that is made takes one for a while. It gives nobody a port below its
ephemeral ones.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Container

PORTS = range(10_000, 20_000)  # above them are those that containers and nodes get here


def free_port(besides: Container[int] = (), ip: str = "127.0.0.1") -> int:
    """One that nobody has, other than those `besides`."""
    for port in random.sample(PORTS, 1000):
        if port in besides:
            continue
        with socket.socket() as tried:
            try:
                tried.bind((ip, port))
            except OSError:
                continue
        return port
    raise OSError(f"None of the ports from {PORTS.start} to {PORTS.stop} is free.")
