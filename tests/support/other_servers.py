"""Stand-ins for other systems' servers: they speak as their documents say, and keep what they were asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass(frozen=True)
class Said:
    value: Any
    """What JSON has, or bytes as they are."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class OtherServer:
    """Answers by `answer`, which a test may change, and may raise ConnectionError to hang up."""

    def __init__(self, url: str, answer: Callable[[Asked], Said]) -> None:
        self.url = url
        self.answer = answer
        self.asked: list[Asked] = []
        self.connections = 0

    @property
    def posted(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]


@contextlib.contextmanager
def other_server(answer: Callable[[Asked], Said], port: int = 0) -> Iterator[OtherServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            there.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            there.asked.append(asked)
            try:
                said = there.answer(asked)
            except ConnectionError:
                self.close_connection = True
                return
            data = said.value if isinstance(said.value, bytes) else msgspec.json.encode(said.value)
            self.send_response(said.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **said.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    there = OtherServer(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
