"""Where the query frontends are: Unix sockets in a folder of one machine, or whoever answers to a name.

`/clipper/sockets/*.sock` is a glob of sockets; `frontends:7000`, or several such with commas, are names that
are looked up again and again, each of which may stand for several frontends.
"""

from __future__ import annotations

import contextlib
import glob
import socket
import sys
import threading
from collections.abc import Callable
from typing import Protocol

LOOK_AGAIN_S = 1.0
CONNECT_S = 2.0
IDLE_S, INTERVAL_S, PROBES = 5, 2, 3  # a machine that is lost without a word is given up after about 11 s


class Addresses(Protocol):
    def present(self) -> set[str]:
        """Where frontends are, as far as is known. Never blocks."""

    def dial(self, address: str) -> socket.socket:
        """Connected. Never blocks: raises OSError where it is not there, or not yet."""

    def close(self) -> None: ...


def find(frontends: str, changed: Callable[[], None]) -> Addresses:
    """`changed` is called, from any thread, when it is worth while to look at once."""
    return Sockets(frontends) if "/" in frontends else Names(frontends, changed)


class Sockets:
    """A glob of Unix sockets."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def present(self) -> set[str]:
        return set(glob.glob(self._pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern

    def dial(self, address: str) -> socket.socket:
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.connect(address)
        except OSError:
            found.close()
            raise
        return found

    def close(self) -> None:
        pass


class Names:
    """Names and ports. A thread looks them up and connects, for both may take seconds."""

    def __init__(self, names: str, changed: Callable[[], None]) -> None:
        self._names = [name.rpartition(":")[::2] for name in names.split(",")]
        self._changed = changed
        self._present: set[str] = set()
        self._wanted: set[str] = set()  # to be connected
        self._open: dict[str, socket.socket] = {}  # connected, and not taken yet
        self._lock = threading.Lock()
        self._look = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="names", daemon=True)
        self._thread.start()

    def present(self) -> set[str]:
        return self._present

    def dial(self, address: str) -> socket.socket:
        with self._lock:
            if found := self._open.pop(address, None):
                return found
            self._wanted.add(address)
        self._look.set()
        raise BlockingIOError(f"{address} is being dialled")

    def close(self) -> None:
        self._closing = True
        self._look.set()
        self._thread.join(CONNECT_S + 1)
        with self._lock:
            for found in self._open.values():
                found.close()
            self._open.clear()

    def _run(self) -> None:
        while not self._closing:
            present = self._resolve()
            if present != self._present:
                self._present = present
                self._tell()
            with self._lock:
                wanted, self._wanted = self._wanted & present, set()
            for address in wanted:
                self._connect(address)
            self._look.wait(LOOK_AGAIN_S)
            self._look.clear()

    def _resolve(self) -> set[str]:
        found: set[str] = set()
        for host, port in self._names:
            try:
                answers = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
            except OSError:
                return self._present  # nobody answers for names just now: who was there may still be
            found |= {f"{answer[4][0]!s}:{port}" for answer in answers}
        return found

    def _connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError):
            found = socket.create_connection((host, int(port)), CONNECT_S)
            found.settimeout(None)
            tune(found)
            with self._lock:
                old = self._open.pop(address, None)
                self._open[address] = found
            if old is not None:
                old.close()
            self._tell()

    def _tell(self) -> None:
        if not self._closing:
            self._changed()


def tune(tcp: socket.socket) -> None:
    """Send at once, and notice when the other side is lost without a word.

    What a listening socket is given, those that it accepts have too.
    """
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_S)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    if sys.platform == "linux":
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
        # What was sent counts as well: without this, bytes on their way hold keep-alive up for minutes.
        milliseconds = 1000 * (IDLE_S + INTERVAL_S * PROBES)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    elif sys.platform == "darwin":
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPALIVE, IDLE_S)
