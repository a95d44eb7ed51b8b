"""A container's connections, against a query frontend played by the test over a real Unix socket."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipper_container import wire
from clipper_container.credits import CREDITS
from clipper_container.links import Links, Work

HELLO = wire.Hello(wire.WIRE_VERSION, "token", "m", "1", "0", 1)
DEADLINE_S = 60
LOOK_AGAIN_S = 0.05  # in the place of a second, for which most tests would wait


class Frontend:
    """The frontend's end of the wire: one listening socket, one connection after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(DEADLINE_S)
        self.connection: socket.socket | None = None

    def accept(self) -> wire.ToFrontend:
        if self.connection is not None:
            self.connection.close()
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(DEADLINE_S)
        return self.receive()

    def receive(self) -> wire.ToFrontend:
        header, body = wire.lengths(self._read(wire.PREFIX.size))
        content = self._read(header + body)
        return wire.to_frontend(content[:header])

    def _read(self, size: int) -> bytes:
        assert self.connection is not None
        read = b""
        while len(read) < size:
            chunk = self.connection.recv(size - len(read))
            assert chunk, "the container closed the connection"
            read += chunk
        return read

    def send(self, message: object, body: list[bytes] | None = None, *, piece: int = 1 << 20) -> None:
        assert self.connection is not None
        stream = b"".join(wire.frame(message, body or []))
        for start in range(0, len(stream), piece):
            self.connection.sendall(stream[start : start + piece])

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.listener.close()
        self.path.unlink()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def frontend(folder: Path) -> Iterator[Frontend]:
    frontend = Frontend(folder / "0.sock")
    yield frontend
    frontend.close()


@pytest.fixture
def links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Links]:
    monkeypatch.setattr("clipper_container.links.LOOK_AGAIN_S", LOOK_AGAIN_S)
    links = Links(str(folder / "*.sock"), HELLO)
    links.start()
    yield links
    links.close()


def take(links: Links) -> Work | None:
    """What the main thread would get next. The wire thread reads the sockets until then."""
    taken: list[Work | None] = []
    thread = threading.Thread(target=lambda: taken.append(links.take()), daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert taken, "no batch came"
    links.lend()
    return taken[0]


def offered(frontend: Frontend, links: Links) -> None:
    """Up to the point where a frontend may send batches."""
    links.ready(wire.Ready([(1.0, 0.5)]))
    assert frontend.accept() == HELLO
    frontend.send(wire.Welcome("0"))
    assert frontend.receive() == wire.Ready([(1.0, 0.5)])
    assert frontend.receive() == wire.Credit(CREDITS)


def drained(frontend: Frontend, links: Links) -> None:
    links.drain()
    assert frontend.receive() == wire.Draining()
    frontend.send(wire.Released())


def test_credits_are_given_once_when_the_model_is_loaded(frontend: Frontend, links: Links) -> None:
    offered(frontend, links)
    drained(frontend, links)


def test_a_frame_that_comes_in_pieces_is_one_batch(frontend: Frontend, links: Links) -> None:
    offered(frontend, links)
    frontend.send(wire.Batch(5, 1, ["<f8"], [(2,)], []), [bytes(range(16))], piece=3)
    received = take(links)
    assert received is not None
    assert received.batch.id == 5
    assert bytes(received.body) == bytes(range(16))
    received.link.send(wire.Reply(5, 0.0, 1, [2], [], {}, None), [b"42"])
    assert isinstance(frontend.receive(), wire.Reply)
    drained(frontend, links)
    assert take(links) is None


def test_numbers_lie_where_numpy_is_quick_with_them(frontend: Frontend, links: Links) -> None:
    offered(frontend, links)
    frontend.send(wire.Batch(123456, 1, ["<f8"], [(2,)], []), [bytes(16)])
    received = take(links)
    assert received is not None
    assert np.frombuffer(received.body, "<f8").flags.aligned


def test_what_was_sent_before_the_release_is_still_answered(frontend: Frontend, links: Links) -> None:
    offered(frontend, links)
    links.drain()
    assert frontend.receive() == wire.Draining()
    frontend.send(wire.Batch(1, 1, ["<f8"], [(1,)], []), [bytes(8)])
    frontend.send(wire.Released())
    last = take(links)
    assert last is not None
    assert last.batch.id == 1
    assert take(links) is None


def test_while_the_model_computes_another_frontend_is_heard(
    frontend: Frontend, links: Links, folder: Path
) -> None:
    offered(frontend, links)
    frontend.send(wire.Batch(1, 1, ["<f8"], [(1,)], []), [bytes(8)])
    assert take(links) is not None  # and now the main thread computes, and takes no more
    other = Frontend(folder / "1.sock")
    assert other.accept() == HELLO
    other.send(wire.Welcome("1"))
    assert isinstance(other.receive(), wire.Ready)
    other.send(wire.Backlog())
    assert frontend.receive() == wire.Recall()
    frontend.send(wire.Yield(1))
    assert other.receive() == wire.Credit(1)
    other.close()


def test_a_frontend_that_goes_leaves_its_credits_to_the_others(
    frontend: Frontend, links: Links, folder: Path
) -> None:
    offered(frontend, links)
    other = Frontend(folder / "1.sock")
    other.accept()
    other.send(wire.Welcome("1"))
    assert isinstance(other.receive(), wire.Ready)
    assert frontend.connection is not None
    frontend.connection.close()
    assert other.receive() == wire.Credit(CREDITS)
    other.close()


def test_a_frontend_that_comes_back_is_dialled_again(folder: Path, links: Links) -> None:
    for _ in range(2):
        frontend = Frontend(folder / "0.sock")
        assert frontend.accept() == HELLO
        frontend.close()


def test_a_frontend_that_refuses_is_dialled_again_ever_later_for_it_may_not_have_known(
    frontend: Frontend, links: Links, caplog: pytest.LogCaptureFixture
) -> None:
    links.ready(wire.Ready([]))
    assert frontend.accept() == HELLO
    for pause_s in (LOOK_AGAIN_S, 2 * LOOK_AGAIN_S, 4 * LOOK_AGAIN_S):
        refused_at = time.monotonic()
        frontend.send(wire.Refused("m:1 is not deployed on this cluster"))
        assert frontend.accept() == HELLO
        assert time.monotonic() - refused_at >= pause_s
    frontend.send(wire.Welcome("0"))
    assert frontend.receive() == wire.Ready([])
    assert caplog.text.count("refuses this replica: m:1 is not deployed") == 1


def test_garbage_from_a_frontend_ends_its_connection_and_no_other(
    frontend: Frontend, links: Links, folder: Path
) -> None:
    frontend.accept()
    other = Frontend(folder / "1.sock")
    other.accept()
    assert frontend.connection is not None
    frontend.connection.sendall(b"\xff" * 64)
    with contextlib.suppress(ConnectionResetError):
        assert frontend.connection.recv(100) == b""
    other.send(wire.Welcome("1"))
    links.ready(wire.Ready([]))
    assert other.receive() == wire.Ready([])
    other.close()
