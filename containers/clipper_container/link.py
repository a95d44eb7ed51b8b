"""One connection of a container to a query frontend: frames in, without waiting, and frames out."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
from collections.abc import Sequence

from . import wire

SEND_TIMEOUT_S = 5  # a frontend that takes nothing for this long is given up
BUFFERS_AT_ONCE = 512  # below IOV_MAX, which is 1,024

log = logging.getLogger(__name__)


class Link:
    """One connection to one frontend. `send` may be called from any thread."""

    def __init__(self, address: str, connected: socket.socket) -> None:
        self.address = address
        self.closed = False
        self.welcome = False  # the frontend knows this replica
        self.offered = False  # ... and that its model is loaded
        self.released = False  # ... and will send no more
        self._lock = threading.Lock()
        self._socket = connected
        timeout = struct.pack("ll", SEND_TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        self._header = memoryview(bytearray(wire.PREFIX.size))
        self._got = 0
        self._lengths: tuple[int, int] | None = None
        self._content = memoryview(b"")

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: object, body: Sequence[wire.Buffer] = ()) -> None:
        """Send one frame. A connection that does not take it is closed; its frontend dials nobody."""
        buffers = wire.frame(message, body)
        with self._lock:
            if self.closed:
                return
            try:
                self._send(buffers)
            except OSError as error:
                log.warning("the query frontend at %s does not take answers: %s", self.address, error)
                self.closed = True
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self, buffers: list[wire.Buffer]) -> None:
        first = 0
        while first < len(buffers):
            sent = self._socket.sendmsg(buffers[first : first + BUFFERS_AT_ONCE])
            while first < len(buffers) and sent >= len(buffers[first]):
                sent -= len(buffers[first])
                first += 1
            if sent:
                buffers[first] = memoryview(buffers[first])[sent:]

    def receive(self) -> tuple[wire.ToContainer, memoryview] | None:
        """Read what is there, without waiting; the next whole frame, or None.

        The body is received into the memory that the model will see. Raises WireError or OSError where
        the connection is of no more use.
        """
        if self._lengths is None:
            if not self._fill(self._header):
                return None
            self._lengths = header, body = wire.lengths(self._header)
            # The body begins at a multiple of 16, for numpy is slower on numbers that lie across words.
            padding = -header % 16
            self._content = memoryview(bytearray(padding + header + body))[padding:]
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

    def leave_to_parent(self) -> None:
        """In a forked child, whose other threads are gone, and perhaps with the lock."""
        self.closed = True
        self._socket.close()
