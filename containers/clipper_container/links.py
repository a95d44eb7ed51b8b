"""A container's connections to the query frontends, on one thread.

Finds the frontends (a glob of Unix sockets, looked up again every second), dials those that are new, says
hello, hands batches to the model's queue, and gives the model's credits.
"""

from __future__ import annotations

import glob
import logging
import os
import queue
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass

from . import wire
from .errors import WireError

CREDITS = 2  # one batch executing and one prefetched
LOOK_AGAIN_S = 1.0
SEND_TIMEOUT_S = 5  # a frontend that takes nothing for this long is given up

log = logging.getLogger(__name__)


class Link:
    """One connection to one frontend. `send` may be called from any thread."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False
        self.welcome = False  # the frontend knows this replica
        self.offered = False  # ... and has its credits
        self.released = False  # ... and will send no more
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        timeout = struct.pack("ll", SEND_TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        self._header = memoryview(bytearray(wire.PREFIX.size))
        self._got = 0
        self._lengths: tuple[int, int] | None = None
        self._content = memoryview(b"")
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: object, body: list[bytes] | None = None) -> None:
        """Send one frame. A connection that does not take it is closed; its frontend dials nobody."""
        buffers = [memoryview(b) for b in wire.frame(message, body or [])]
        with self._lock:
            if self.closed:
                return
            try:
                while buffers:
                    sent = self._socket.sendmsg(buffers[:512])
                    while buffers and sent >= len(buffers[0]):
                        sent -= len(buffers.pop(0))
                    if sent:
                        buffers[0] = buffers[0][sent:]
            except OSError as error:
                log.warning("the query frontend at %s does not take answers: %s", self.address, error)
                self.closed = True
                self._socket.shutdown(socket.SHUT_RDWR)

    def receive(self) -> tuple[wire.ToContainer, memoryview] | None:
        """Read what is there, without waiting; the next whole frame, or None.

        The body is received into the memory that the model will see. Raises WireError or OSError where
        the connection is of no more use.
        """
        if self._lengths is None:
            if not self._fill(self._header):
                return None
            self._lengths = wire.lengths(self._header)
            self._content = memoryview(bytearray(sum(self._lengths)))
        if not self._fill(self._content):
            return None
        size, _ = self._lengths
        self._lengths = None
        return wire.to_container(self._content[:size]), self._content[size:]

    def _fill(self, buffer: memoryview) -> bool:
        try:
            count = self._socket.recv_into(buffer[self._got :], flags=socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if count == 0:
            raise ConnectionResetError("the query frontend closed the connection")
        self._got += count
        if self._got < len(buffer):
            return False
        self._got = 0
        return True

    def close(self) -> None:
        with self._lock:
            self.closed = True
            self._socket.close()


@dataclass(frozen=True, slots=True)
class Work:
    """A batch on its way to the model."""

    link: Link
    batch: wire.Batch
    body: memoryview


class Links:
    """Every connection of this replica. `ready` and `drain` may be called from the main thread."""

    def __init__(self, frontends: str, hello: wire.Hello, work: queue.SimpleQueue[Work | None]) -> None:
        self._frontends = frontends
        self._hello = hello
        self._work = work
        self._links: dict[str, Link] = {}
        self._refused: set[str] = set()
        self._ready = False
        self._draining = False
        self._drained = False
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ready(self) -> None:
        """The model is loaded: tell every frontend, and ask for work."""
        self._ready = True
        os.write(self._wake_write, b"r")

    def drain(self) -> None:
        """Ask every frontend to send no more. The model's queue ends when all have agreed."""
        self._draining = True
        os.write(self._wake_write, b"d")

    def close(self) -> None:
        """Close every connection and end the thread. What was sent still arrives."""
        self._closing = True
        os.write(self._wake_write, b"c")
        self._thread.join()
        for link in self._links.values():
            link.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        look_again = 0.0
        while not self._closing:
            if time.monotonic() >= look_again:
                self._find_frontends()
                look_again = time.monotonic() + LOOK_AGAIN_S
            for key, _ in self._selector.select(max(0.0, look_again - time.monotonic())):
                if key.fileobj == self._wake_read:
                    self._on_wake(os.read(self._wake_read, 64))
                else:
                    self._on_data(key.data)
            if self._draining and not self._drained and all(ln.released for ln in self._links.values()):
                self._drained = True
                self._work.put(None)

    def _find_frontends(self) -> None:
        present = set(glob.glob(self._frontends))  # noqa: PTH207 - Path.glob takes no absolute pattern
        self._refused &= present
        if self._draining:
            return
        for address in present - self._links.keys() - self._refused:
            try:
                link = Link(address)
            except OSError:
                continue  # it is just starting or just ending: the next look will tell
            self._links[address] = link
            self._selector.register(link, selectors.EVENT_READ, link)
            link.send(self._hello)

    def _on_wake(self, what: bytes) -> None:
        for link in list(self._links.values()):
            self._offer(link)
            if b"d" in what:
                link.send(wire.Draining())

    def _offer(self, link: Link) -> None:
        if self._ready and link.welcome and not link.offered:
            link.offered = True
            link.send(wire.Ready(CREDITS))

    def _on_data(self, link: Link) -> None:
        try:
            received = link.receive()
        except (OSError, WireError) as error:
            self._drop(link, f"the query frontend at {link.address} is gone: {error}")
            return
        if received is None:
            return
        message, body = received
        match message:
            case wire.Batch():
                self._work.put(Work(link, message, body))
            case wire.Welcome():
                link.welcome = True
                self._offer(link)
            case wire.Refused():
                self._refused.add(link.address)
                self._drop(link, f"the query frontend refuses this replica: {message.message}")
            case wire.Released():
                link.released = True

    def _drop(self, link: Link, why: str) -> None:
        if not self._draining:
            log.warning("%s", why)
        self._selector.unregister(link)
        self._links.pop(link.address, None)
        link.close()
