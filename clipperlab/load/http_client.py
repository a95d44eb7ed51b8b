"""The client's side of HTTP/1.1, and no more of it than a load generator needs."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

LENGTH = b"\r\ncontent-length:"
LAST = b"\r\nconnection: close\r\n"


class Owner(Protocol):
    """Who asks, on several connections."""

    def free(self, connection: Connection) -> None:
        """The connection can be asked: it is new, or has just answered."""

    def answered(self, number: int, status: int, body: bytes) -> None:
        """The answer to a request, by the number that it was sent under."""

    def lost(self, connection: Connection, number: int) -> None:
        """The connection was closed, and the request of that number not answered; -1 where there was none."""


class Connection(asyncio.Protocol):
    """One request at a time. Responses must tell their length."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._number = -1
        self.free_since = 0.0  # the owner's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._owner.free(self)

    def send(self, number: int, request: bytes) -> None:
        assert self._transport is not None
        self._number = number
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n") + 4
        if end > 3:
            head = received[:end].lower()
            at = head.index(LENGTH) + len(LENGTH)
            if len(received) - end >= int(head[at : head.index(b"\r", at)]):
                self._received = b""
                number, self._number = self._number, -1
                if LAST not in head:  # else the server is about to close it
                    self._owner.free(self)
                self._owner.answered(number, int(head[9:12]), received[end:])
                return
        self._received = received

    def connection_lost(self, _exc: Exception | None) -> None:
        self._owner.lost(self, self._number)
