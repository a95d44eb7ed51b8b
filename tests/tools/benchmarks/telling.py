"""Clients that say how good answers were: with tokens that were gathered before, at a steady rate."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from clipperlab.load.http_request import post

AT_ONCE = 50
"""Feedbacks in a request."""
CONNECTIONS = 64
TOKEN = re.compile(rb'"feedback_token":"([^"]+)"')
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


def tokens(url: str, request: bytes, count: int) -> list[str]:
    """Those of so many answers to the same request, each for one decision."""
    return asyncio.run(_gathered(url, request, count))


async def _gathered(url: str, request: bytes, count: int) -> list[str]:
    host, port = urlsplit(url).hostname, urlsplit(url).port
    found: list[str] = []
    asked = iter(range(count))

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for _ in asked:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            assert length, head
            body = await reader.readexactly(int(length[1]))
            token = TOKEN.search(body)
            assert token, body
            found.append(token[1].decode())
        writer.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return found


class Telling:
    """Sends feedback with these tokens in a thread, so many a second, AT_ONCE of them in each request.

    Ends with the block, wherever it is; `wait` returns when all is sent. `late_s` is by how much a request
    was sent too late, at most.
    """

    def __init__(self, url: str, tokens: Sequence[str], rate: float) -> None:
        feedback = f"{url.removesuffix('/predict')}/feedback"
        entries = [{"feedback_token": token, "reward": i % 2} for i, token in enumerate(tokens)]
        parts = [entries[i : i + AT_ONCE] for i in range(0, len(entries), AT_ONCE)]
        self._requests = [post(feedback, json.dumps(part).encode()) for part in parts]
        self._address = urlsplit(url).hostname, urlsplit(url).port
        self._every_s = AT_ONCE / rate if rate else 0.0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._send, name="telling", daemon=True)
        self.seconds = self.late_s = 0.0
        self.accepted = 0

    def _send(self) -> None:
        with socket.create_connection(self._address) as connection:
            began = time.monotonic()
            for i, request in enumerate(self._requests):
                left_s = began + i * self._every_s - time.monotonic()
                self.late_s = max(self.late_s, -left_s)
                if self._ends.wait(max(0.0, left_s)):
                    return
                connection.sendall(request)
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                self.accepted += json.loads(answer.read())["accepted"]
            self.seconds = time.monotonic() - began

    def wait(self) -> None:
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
