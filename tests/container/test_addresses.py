"""Where a container looks for query frontends, and how it reaches those that have names."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from clipper_container import addresses
from clipper_container.addresses import find
from tests.support.waiting import wait_for


@pytest.fixture
def frontends(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for; a name that is not in it has no answer."""
    known: dict[str, list[str]] = {}
    really = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *more: Any, **options: Any) -> list[Any]:
        if host[0].isdecimal():
            return really(host, port, *more, **options)
        if host not in known:
            raise socket.gaierror("no answer")
        return [(2, 1, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses, "LOOK_AGAIN_S", 0.02)
    return known


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def until_open(dial: Callable[[], socket.socket]) -> socket.socket:
    def attempt() -> socket.socket | None:
        try:
            return dial()
        except OSError:
            return None

    found = wait_for("the connection", attempt)
    assert found is not None
    return found


def test_a_name_stands_for_as_many_as_it_does_now(
    frontends: dict[str, list[str]], listening: socket.socket
) -> None:
    changed = threading.Event()
    names = find(f"frontends:{port_of(listening)}", "", changed.set)
    assert names.present() == set()
    frontends["frontends"] = ["127.0.0.1", "127.0.0.2"]
    wait_for("both", lambda: len(names.present()) == 2)
    assert changed.is_set()
    frontends["frontends"] = ["127.0.0.1"]
    wait_for("one to go", lambda: names.present() == {f"127.0.0.1:{port_of(listening)}"})
    del frontends["frontends"]  # the one who answers for names is away
    names.close()
    assert len(names.present()) == 1


def test_dialling_never_waits_and_what_is_open_is_given_once(
    frontends: dict[str, list[str]], listening: socket.socket
) -> None:
    frontends["frontends"] = ["127.0.0.1"]
    names = find(f"frontends:{port_of(listening)}", "", lambda: None)
    address = f"127.0.0.1:{port_of(listening)}"
    with pytest.raises(BlockingIOError):
        names.dial(address)
    with until_open(lambda: names.dial(address)) as found:
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"x")
            assert found.recv(1) == b"x"
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    with pytest.raises(BlockingIOError):
        names.dial(address)
    names.close()


def test_one_that_is_not_there_is_dialled_again(
    frontends: dict[str, list[str]], listening: socket.socket
) -> None:
    address = listening.getsockname()
    frontends["frontends"] = ["127.0.0.1"]
    names = find(f"frontends:{address[1]}", "", lambda: None)
    listening.close()
    with pytest.raises(BlockingIOError):
        names.dial(f"127.0.0.1:{address[1]}")
    with socket.create_server(address) as later, until_open(lambda: names.dial(f"127.0.0.1:{address[1]}")):
        later.accept()[0].close()
    names.close()


def test_connections_that_nobody_took_are_closed(
    frontends: dict[str, list[str]], listening: socket.socket
) -> None:
    frontends["frontends"] = ["127.0.0.1"]
    opened = threading.Event()
    names = find(f"frontends:{port_of(listening)}", "", opened.set)
    wait_for("the address", names.present)
    opened.clear()
    with pytest.raises(BlockingIOError):
        names.dial(*names.present())
    accepted, _ = listening.accept()
    with accepted:
        assert opened.wait(60)
        names.close()
        accepted.settimeout(60)
        assert accepted.recv(1) == b""


def test_where_there_is_no_dns_management_has_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LOOK_AGAIN_S", 0.02)
    answers: list[tuple[int, bytes]] = [(200, json.dumps({"addresses": ["10.0.0.1:7000"]}).encode())]
    asked: list[str | None] = []

    class Management(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            status, body = answers[-1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Management) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        found = find(f"http://127.0.0.1:{server.server_port}/list", "credential", lambda: None)
        wait_for("the first", lambda: found.present() == {"10.0.0.1:7000"})
        assert asked[0] == "Bearer credential"
        for garbage in ((503, b"no"), (200, b"{"), (200, b"[]"), (200, b'{"addresses": 1}')):
            answers.append(garbage)
            before = len(asked)
            wait_for("more questions", lambda before=before: len(asked) > before + 2)  # type: ignore[misc]
            assert found.present() == {"10.0.0.1:7000"}
        answers.append((200, b'{"addresses": ["10.0.0.2:7000"]}'))
        wait_for("the second", lambda: found.present() == {"10.0.0.2:7000"})
        server.shutdown()
        thread.join()
    found.close()
