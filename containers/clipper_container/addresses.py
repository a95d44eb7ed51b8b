"""Where the query frontends are: Unix sockets in a folder of one machine, or addresses that come and go.

`/clipper/sockets/*.sock` is a glob of sockets; `frontends:7000`, or several such with commas, are names that
are looked up again and again, each of which may stand for several frontends. Where there is no DNS,
`http://10.96.0.7:1338/...` is management's list of them.
"""

from __future__ import annotations

import contextlib
import glob
import http.client
import json
import socket
import sys
import threading
import urllib.request
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

    def leave_to_parent(self) -> None:
        """In a forked child: have no connection."""


def find(frontends: str, token: str, changed: Callable[[], None]) -> Addresses:
    """`changed` is called, from any thread, when it is worth while to look at once.

    Management is shown the `token`, a replica's credential.
    """
    if frontends.startswith("http://"):
        return Remote(lambda: listed(frontends, token), changed)
    return Sockets(frontends) if "/" in frontends else Remote(lambda: resolved(frontends), changed)


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

    def leave_to_parent(self) -> None:
        pass


def resolved(names: str) -> set[str]:
    """What these names, with their ports, stand for now. Raises OSError where nobody answers for one."""
    found = set()
    for name in names.split(","):
        host, _, port = name.rpartition(":")
        answers = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
        found |= {f"{answer[4][0]!s}:{port}" for answer in answers}
    return found


def listed(url: str, token: str) -> set[str]:
    """What management has in its list. Raises OSError where it does not answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=CONNECT_S) as response:
            return set(json.load(response)["addresses"])
    except (http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        raise OSError(f"management gives no list: {error!r}") from error


class Remote:
    """Hosts and ports, as `look` finds them. A thread looks and connects, for both may take seconds.

    Where `look` raises OSError, whoever was there may still be.
    """

    def __init__(self, look: Callable[[], set[str]], changed: Callable[[], None]) -> None:
        self._find = look
        self._changed = changed
        self._present: set[str] = set()
        self._wanted: set[str] = set()  # to be connected
        self._open: dict[str, socket.socket] = {}  # connected, and not taken yet
        self._dialled: tuple[socket.socket, ...] = ()  # connected, and not among those yet
        self._lock = threading.Lock()
        self._look = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="addresses", daemon=True)
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

    def leave_to_parent(self) -> None:
        """In a forked child, whose other threads are gone, and perhaps with the lock."""
        self._lock = threading.Lock()
        for found in (*self._open.values(), *self._dialled):
            found.close()

    def _run(self) -> None:
        while not self._closing:
            present = self._present
            with contextlib.suppress(OSError):
                present = self._find()
            if present != self._present:
                self._present = present
                self._tell()
            with self._lock:
                wanted, self._wanted = self._wanted & present, set()
            for address in wanted:
                self._connect(address)
            self._look.wait(LOOK_AGAIN_S)
            self._look.clear()

    def _connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError):
            found = socket.create_connection((host, int(port)), CONNECT_S)
            self._dialled = (found,)
            found.settimeout(None)
            tune(found)
            with self._lock:
                old = self._open.pop(address, None)
                self._open[address] = found
            if old is not None:
                old.close()
            self._tell()
        self._dialled = ()

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
