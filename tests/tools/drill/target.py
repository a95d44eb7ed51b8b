"""What a bad neighbour knows of a cluster. Each has a process of its own, and is given one of these."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
VICTIM = "victim"  # the application that bad neighbours ask, and the model that lies


@dataclass(frozen=True)
class Target:
    query: str
    management: str
    token: str
    folder: Path

    def manage(
        self, method: str, path: str, body: Any = None, patience_s: float = PATIENCE_S
    ) -> tuple[int, Any]:
        """Status and answer. `body` is sent as JSON, but for bytes, which are sent as they are."""
        content = body if isinstance(body, bytes | None) else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection = HTTPConnection(self.management, timeout=patience_s)
        try:
            connection.request(method, f"/api/v1{path}", content, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return response.status, json.loads(text) if text else None

    def dial(self) -> socket.socket:
        """A connection to the query port."""
        host, _, port = self.query.rpartition(":")
        return socket.create_connection((host, int(port)), PATIENCE_S)

    def ask(self, path: str, body: bytes, headers: str = "") -> int:
        """The status of the answer to a POST, which is read to its end."""
        connection = HTTPConnection(self.query, timeout=PATIENCE_S)
        try:
            connection.request("POST", path, body, dict(line.split(": ") for line in headers.splitlines()))
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


def rounds(seconds: float, pause_s: float = 0.05, least: int = 1) -> Iterator[int]:
    """The numbers of an attack's rounds, until the time is over and there were enough."""
    give_up = time.monotonic() + seconds
    number = 0
    while number < least or time.monotonic() < give_up:
        yield number
        number += 1
        time.sleep(pause_s)  # not for an event: it is one of many neighbours, and the machine is everybody's
