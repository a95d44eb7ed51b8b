"""HTTP/1.1 to one server, on the replica's event loop, over connections that are kept.

The standard library has no client that waits on an event loop, and a package for it would be one more that
every replica of a remote model has to install before it comes up. So the few lines that a POST takes are
here.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple

from .address import Address

IDLE_S = 4.0  # a connection that was idle for longer may be about to be closed by the other end
MAX_HEADERS = 1 << 16
MAX_ANSWER = 256 << 20
_WITHIN = "On Docker and Kubernetes a replica reaches servers of its cluster's own network alone"
_ADDRESS = re.compile(r" ?\('[^']*', \d+[^)]*\)")


class Unanswered(Exception):
    """There is no answer. `sent`: the server may have begun to work on the request."""

    def __init__(self, words: str, sent: bool) -> None:
        super().__init__(words)
        self.sent = sent


class Answered(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    transport: asyncio.Transport


class Connections:
    """To one server. All of them are of one event loop."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._kept: list[tuple[_Connection, float]] = []

    async def ask(self, request: Request, timeout_s: float) -> Answered:
        """Raises Unanswered."""
        sent = False
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = self._take() or await self._open()
                sent = True
                connection.transport.write(self._head(request) + request.body)
                answered, keep = await _read(connection.reader)
                if keep:
                    self._kept.append((connection, time.monotonic()))
                    connection = None
                return answered
        except TimeoutError:
            raise Unanswered(f"gave no answer within {timeout_s:g} s", sent) from None
        except (OSError, EOFError) as error:
            did = "ended the connection before it had answered" if sent else "cannot be reached"
            raise Unanswered(f"{did}: {_of(error)}", sent) from None
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise Unanswered(f"answered what is no HTTP: {error!r:.200}", sent) from None
        finally:
            if connection is not None:
                connection.transport.abort()

    async def check(self, timeout_s: float) -> None:
        """Connect. Raises Unanswered."""
        try:
            async with asyncio.timeout(timeout_s):
                self._kept.append((await self._open(), time.monotonic()))
        except TimeoutError:
            raise Unanswered(f"could not be connected to within {timeout_s:g} s. {_WITHIN}", False) from None
        except OSError as error:
            raise Unanswered(f"cannot be reached: {_of(error)}. {_WITHIN}", False) from None

    def close(self) -> None:
        for connection, _ in self._kept:
            connection.transport.abort()
        self._kept.clear()

    async def _open(self) -> _Connection:
        reader = asyncio.StreamReader(MAX_HEADERS)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: asyncio.StreamReaderProtocol(reader),
            *(self._address.host, self._address.port),
            ssl=self._tls,
        )
        return _Connection(reader, transport)

    def _take(self) -> _Connection | None:
        """The one that was used last, if the other end has not left it."""
        while self._kept:
            connection, since = self._kept.pop()
            is_there = not connection.reader.at_eof() and not connection.transport.is_closing()
            if is_there and time.monotonic() - since < IDLE_S:
                return connection
            connection.transport.abort()
        return None

    def _head(self, request: Request) -> bytes:
        headers = {
            "Host": self._address.authority,
            "User-Agent": "clipperlab",
            "Content-Length": str(len(request.body)),
            **request.headers,
        }
        lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _read(reader: asyncio.StreamReader) -> tuple[Answered, bool]:
    """The answer, and whether the connection can be used again."""
    status = 100
    while status < 200:  # what comes before an answer is none
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        version, _, said = first.decode("latin-1").partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(first[:100])
        status = int(said[:3])
        headers = _headers(rest)
    stays = "close" not in headers.get("connection", "").lower() and version != "HTTP/1.0"
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return Answered(status, headers, await _chunks(reader)), stays
    if (length := headers.get("content-length")) is not None:
        return Answered(status, headers, await reader.readexactly(_small(int(length)))), stays
    if status in (204, 304):
        return Answered(status, headers, b""), stays
    body = await reader.read(MAX_ANSWER + 1)
    while not reader.at_eof():
        body += await reader.read(_small(MAX_ANSWER + 1 - len(body)))
    return Answered(status, headers, body), False


def _headers(lines: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.decode("latin-1").split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int((await reader.readline()).partition(b";")[0], 16):
        found += await reader.readexactly(_small(size))
        _small(len(found))
        await reader.readexactly(2)
    while (await reader.readline()).strip():
        pass
    return bytes(found)


def _of(error: Exception) -> str:
    """What went wrong, without addresses: it is told to whoever asked for an answer."""
    return _ADDRESS.sub("", str(error)) or type(error).__name__


def _small(size: int) -> int:
    if not 0 <= size <= MAX_ANSWER:
        raise ValueError(f"{size} bytes, and {MAX_ANSWER >> 20} MiB is the most")
    return size
