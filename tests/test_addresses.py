"""Where a container looks for query frontends, and how it reaches those that have names."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clipper_container import addresses
from clipper_container.addresses import Names

from .waiting import wait_for


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
        server.settimeout(10)
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
    names = Names(f"frontends:{port_of(listening)}", changed.set)
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
    names = Names(f"frontends:{port_of(listening)}", lambda: None)
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
    names = Names(f"frontends:{address[1]}", lambda: None)
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
    names = Names(f"frontends:{port_of(listening)}", opened.set)
    wait_for("the address", names.present)
    opened.clear()
    with pytest.raises(BlockingIOError):
        names.dial(*names.present())
    accepted, _ = listening.accept()
    with accepted:
        assert opened.wait(10)
        names.close()
        accepted.settimeout(10)
        assert accepted.recv(1) == b""
