"""The measure of all things here: a bare ASGI application that answers what it was sent."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Receive, Scope, Send

from tests.support.ports import free_port
from tests.support.waiting import wait_for

HEADERS = [(b"content-type", b"application/json")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving() -> Iterator[str]:
    """The echo's URL, while it runs in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"{__name__}:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"]
    server = subprocess.Popen([*command, "--log-level", "warning"])
    try:
        wait_for("the echo to listen", lambda: listens(port))
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
