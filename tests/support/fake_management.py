"""A small HTTP server that plays the management API from a script, and a container manager that finds it."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clipperlab import ClipperConnection
from clipperlab.places import ClusterRecord

TOKEN = "a-token"


class FakeManagement:
    """Answers "METHOD /path" with what the test put into `answers`: (status, JSON, or text as a
    str), one after the other, the last for ever. Keeps the requests, and refuses those without the token."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {"GET /cluster": [(200, {"cluster_name": "fake"})]}
        self.requests: list[tuple[str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = fake.answer(self.command, self.path, self.headers["X-Clipper-Token"], body)
                text = answer if isinstance(answer, str) else "" if answer is None else json.dumps(answer)
                content = text.encode()
                self.send_response(status)
                if isinstance(answer, str):
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        if token != TOKEN:
            return 401, {"error": "Unauthorized", "message": "no"}
        path, _, query = path.removeprefix("/api/v1").partition("?")
        try:
            self.requests.append((f"{method} {path}", json.loads(body) if body else query or None))
        except ValueError:
            self.requests.append((f"{method} {path}", body))
        script = self.answers.get(f"{method} {path}", [(404, {"error": "NotFound", "message": "not here"})])
        return script.pop(0) if len(script) > 1 else script[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FakeManager:
    """A container manager whose cluster is the fake."""

    cluster_name = "fake"

    def __init__(self, address: str) -> None:
        self.found: ClusterRecord | None = ClusterRecord("fake", "127.0.0.1:1337", address, TOKEN)
        self.runs = False
        self.calls: list[str] = []
        self.after_up: ClusterRecord | None = self.found

    def up(self, *, fresh: bool, settings: Mapping[str, int | str] | None = None) -> bool:
        self.calls.append(f"up fresh={fresh}")
        self.settings = dict(settings or {})
        started, self.runs, self.found = fresh or not self.runs, True, self.after_up
        return started

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        self.calls.append(f"down purge={purge}")
        return 2

    def record(self) -> ClusterRecord | None:
        return self.found

    def reached(self, addresses: Collection[str]) -> dict[str, str]:
        self.calls.append(f"reached {' '.join(sorted(addresses))}")
        return {address: address.replace("inside", "outside") for address in addresses}

    def left(self, addresses: Collection[str]) -> None:
        self.calls.append(f"left {' '.join(sorted(addresses))}")


def a_version(**changes: Any) -> dict[str, Any]:
    return {
        "model_name": "digits",
        "model_version": "1",
        "num_replicas": 1,
        "ready_replicas": 1,
        "preparing": "",
        "state": "ready",
        "warnings": [],
        "error": None,
        "is_current_version": True,
        "is_rolled_back_to": False,
        "version_labels": [],
        "uses": [],
    } | changes


@pytest.fixture
def fake() -> Iterator[FakeManagement]:
    management = FakeManagement()
    yield management
    management.close()


@pytest.fixture
def manager(fake: FakeManagement) -> FakeManager:
    return FakeManager(fake.address)


@pytest.fixture
def conn(manager: FakeManager) -> ClipperConnection:
    connection = ClipperConnection(manager)
    connection.connect()
    return connection
