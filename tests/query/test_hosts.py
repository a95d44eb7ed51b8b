"""By which names clients may call a port."""

from __future__ import annotations

import socket

import pytest

from clipper_server.query.hosts import Hosts

GOOD = [
    *(None, b"", b"127.0.0.1", b"127.0.0.1:1337", b"192.0.2.7", b"[::1]:1337", b"[::1]", b"localhost:80"),
    *(b"LOCALHOST", b"localhost.", b"app.localhost:1337", b" localhost ", socket.gethostname().encode()),
]
BAD = [
    b"evil.example",
    b"evil.example:1337",
    b"localhost.evil.example",
    b"127.0.0.1.evil.example",
    b"notlocalhost",
]
BAD += [b"xlocalhost:1", b"\xff\xfe", b"[evil]", b"127.0.0.1@evil.example"]


@pytest.mark.parametrize("host", GOOD)
def test_a_port_of_this_machine_goes_by_its_addresses_and_names(host: bytes | None) -> None:
    hosts = Hosts("127.0.0.1")
    assert hosts.welcome(host)
    assert hosts.welcome(host)
    assert not hosts.welcome(b"evil.example")


@pytest.mark.parametrize("host", BAD)
def test_a_name_that_somebody_has_pointed_here_is_not_welcome(host: bytes) -> None:
    hosts = Hosts("127.0.0.1")
    assert not hosts.welcome(host)
    assert hosts.welcome(b"localhost")
    assert not hosts.welcome(host)


@pytest.mark.parametrize("bound", ["0.0.0.0", "10.1.2.3", "::"])
def test_a_port_that_others_reach_has_names_that_nobody_knows_here(bound: str) -> None:
    assert all(Hosts(bound).welcome(host) for host in [*GOOD, *BAD])
