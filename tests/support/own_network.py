"""A network of a test's own: a loopback, where nothing comes or goes but what the test starts.

Networks of containers come and go with other tests, and a browser that sees it gives up what it is just
asking for.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_NETWORK = 0x40000000  # os.unshare and os.setns are Python 3.12's
SET_FLAGS, UP = 0x8914, 1
LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and the threads and processes that it starts in the block, have a network of their own.

    Who may not make one stays in the machine's.
    """
    here = Path("/proc/thread-self/ns/net")
    if not here.exists():  # no Linux
        yield
        return
    with here.open() as before:
        if LIBC.unshare(NEW_NETWORK):
            yield
            return
        try:
            with socket.socket() as any_socket:
                fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH22x", b"lo", UP))
            yield
        finally:
            enter(before.fileno())


def enter(namespace: int) -> None:
    """Have this thread in the network of an open /proc/<pid>/ns/net."""
    if LIBC.setns(namespace, NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "the network's namespace cannot be entered")
