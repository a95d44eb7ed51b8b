"""Clients in a closed loop, each with a connection that it keeps."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import cast

import msgspec

BODY = b'{"input": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]}'
REQUEST = (
    b"POST /app/predict HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Client(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) if found else 0
        if not found or len(body) < length:
            return
        self._data = b""
        self._load.answered(body)
        assert self._transport is not None
        self._transport.write(REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost += not self._load.over


class Load:
    """What came of the queries: answers by "model" or by why it was not the model's."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.lost = 0
        self.over = False

    def answered(self, body: bytes) -> None:
        answer = msgspec.json.decode(body)
        self.answers[answer.get("default_reason", "default") if answer["default"] else "model"] += 1

    async def run(self, address: str, connections: int, seconds: float) -> float:
        """So many connections, for so long; the seconds that it took."""
        loop = asyncio.get_running_loop()
        host, _, port = address.rpartition(":")
        clients = []
        for _ in range(connections):
            transport, _ = await loop.create_connection(lambda: Client(self), host, int(port))
            clients.append(transport)
        self.answers.clear()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        self.over = True
        for transport in clients:
            transport.abort()
        return took
