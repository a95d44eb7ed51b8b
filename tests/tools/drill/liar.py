"""A replica that lies: what may be said on the wire, and must cost nobody but the liar's own application."""

from __future__ import annotations

import math
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from clipper_container import wire
from clipper_container.errors import WireError
from clipper_container.wire import Fault, Metric

from .target import PATIENCE_S, VICTIM, Target, rounds

QUERY = f"/{VICTIM}/predict", b'{"input": [1.0]}', "Cache-Control: no-cache"


class Liar:
    """A connection on the replicas' socket."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(next(target.folder.glob("sockets/*.sock"))))

    def join(self, token: str, ready: wire.Ready | None = None) -> None:
        self.say(wire.Hello(wire.WIRE_VERSION, token, VICTIM, "1", "0", 1))
        self.say(wire.Ready([]) if ready is None else ready)
        self.say(wire.Credit(2))

    def say(self, message: object, body: bytes = b"") -> None:
        self._socket.sendall(b"".join(wire.frame(message, [body])))

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def batch(self) -> wire.Batch:
        """The next one, for somebody asks."""
        while True:
            header, body = wire.lengths(self._read(wire.PREFIX.size))
            message = wire.to_container(self._read(header))
            self._read(body)
            if isinstance(message, wire.Batch):
                return message

    def _read(self, size: int) -> bytes:
        data = self._socket.recv(size, socket.MSG_WAITALL) if size else b""
        if len(data) < size:
            raise ConnectionError
        return data

    def closed(self) -> None:
        """Returns once the frontend has closed it."""
        with suppress(ConnectionError):
            while self._socket.recv(1 << 16):
                pass

    def close(self) -> None:
        self._socket.close()


def _reply(**changes: Any) -> Callable[[int], tuple[wire.Reply, bytes]]:
    body = changes.pop("body", b"1.0")
    fields = {"compute_s": 0.001, "credits": 1, "sizes": [len(body)], "tensors": [], "faults": {}}
    return lambda id: (wire.Reply(**{"id": id, "fault": None, **fields, **changes}), body)


def _reasons(id: int) -> tuple[wire.Reply, bytes]:
    return _reply(body=b"", faults={0: Fault(f"{id:04000}", "m")})(id)


SPLITS = "a\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL"
REPLIES = [
    _reply(body=b"", faults={0: Fault(SPLITS, "m")}),
    _reply(compute_s=math.nan),
    _reply(compute_s=math.inf),
    _reasons,
    _reply(body=b"\0" * 8, tensors=[("<f8", (), [0])]),
    _reply(body=b'1,"default":false,"x'),
    _reply(sizes=[1 << 40]),
    _reply(credits=1 << 62),
    _reply(id=77),
]
MESSAGES: list[object] = [
    wire.Ready([(1.0, math.nan)]),
    wire.Ready([(0.0, 1.0)]),
    wire.Ready([], ["w" * 3_900_000]),
    wire.Metrics([Metric("h", "Histogram", "d", [1.0], [1])]),
    wire.Metrics([Metric("g", "Gauge", "d", [], [], math.nan)]),
    wire.Metrics([Metric("g", "Gauge", "one\u2028# TYPE two\rthree", [], [], 1.0)]),
    wire.Metrics([Metric(f"m{i}", "Gauge", "d" * 1000, [], [], 1.0) for i in range(3000)]),
    wire.Credit(1 << 62),
    wire.Credit(-5),
]


def lie_in_replies(target: Target, seconds: float) -> str:
    told = 0
    token = _token(target)
    for number in rounds(seconds, least=len(REPLIES)):
        liar = Liar(target)
        liar.join(token)
        asker = threading.Thread(target=target.ask, args=QUERY)
        asker.start()
        with suppress(ConnectionError, WireError):
            liar.say(*REPLIES[number % len(REPLIES)](liar.batch().id))
            told += 1
            liar.closed()
        liar.close()
        asker.join()
    return f"{told} replies"


def lie_in_messages(target: Target, seconds: float) -> str:
    told = 0
    token = _token(target)
    for number in rounds(seconds, least=len(MESSAGES)):
        message = MESSAGES[number % len(MESSAGES)]
        liar = Liar(target)
        with suppress(ConnectionError):
            if isinstance(message, wire.Ready):
                liar.join(token, message)
            else:
                liar.join(token)
                liar.say(message)
            told += 1
        liar.close()
    return f"{told} messages"


def knock(target: Target, seconds: float) -> str:
    """Strangers, without a hello: announcements of a gigabyte, floods of one message, nothing at all."""
    flood = b"".join(wire.frame(wire.Recall())) * 10_000
    said: Iterable[bytes] = (struct.pack("<II", 16, 1 << 30), flood, b"", b"GET / HTTP/1.1\r\n\r\n")
    strangers = []
    came = 0
    for _ in rounds(seconds):
        for words in said:
            liar = Liar(target)
            strangers.append(liar)
            came += 1
            with suppress(OSError):
                liar.raw(words)
        for liar in strangers[:-100]:
            liar.close()
        del strangers[:-100]
    return f"{came} strangers"


def flood(target: Target, seconds: float) -> str:
    """Known, and asks without end for what it never reads."""
    said = 0
    token = _token(target)
    recalls = b"".join(wire.frame(wire.Recall())) * 10_000
    liar = Liar(target)
    liar.join(token)
    for _ in rounds(seconds, 0.0):
        try:
            liar.raw(recalls)
            said += 10_000
        except OSError:  # it was closed
            liar = Liar(target)
            liar.join(token)
    liar.close()
    return f"{said:,} recalls"


def _token(target: Target) -> str:
    _, way = target.manage("GET", f"/models/{VICTIM}/versions/1/credential")
    return str(way["token"])
