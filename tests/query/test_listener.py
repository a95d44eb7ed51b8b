"""Several frontends on one port: real sockets, in one process."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest

from clipper_server.query.frontend import raise_limit_of_descriptors
from clipper_server.query.listener import Listener

pytestmark = pytest.mark.anyio
DEADLINE_S = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as name:
        yield Path(name)


class Frontend:
    """Answers each connection with its name."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.listener = Listener(name, address, folder)

    async def start(self) -> None:
        frontend = self

        class Greeter(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                cast(asyncio.Transport, transport).write(frontend.name.encode())  # uvloop's is none of these

            def connection_lost(self, exc: Exception | None) -> None:
                frontend.listener.lost()

        await self.listener.start(Greeter)

    async def end(self) -> None:
        self.listener.close()
        await self.listener.wait_closed()


class Clients:
    """Connections that stay open."""

    def __init__(self) -> None:
        self._open: list[tuple[str, asyncio.StreamWriter]] = []

    async def connect(self, address: tuple[str, int], count: int) -> list[str]:
        """Make so many connections, one after the other; which frontend answers each."""
        for _ in range(count):
            async with asyncio.timeout(DEADLINE_S):
                reader, writer = await asyncio.open_connection(*address)
                self._open.append(((await reader.read(1)).decode(), writer))
        return [name for name, _ in self._open[-count:]]

    async def greeted(self, connection: socket.socket) -> str:
        """Which frontend answers it."""
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(sock=connection)
            self._open.append(((await reader.read(1)).decode(), writer))
        return self._open[-1][0]

    async def close(self, names: str = "0123456789") -> None:
        for name, writer in self._open:
            if name in names:
                writer.close()
                await writer.wait_closed()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    await clients.close()


async def test_connections_are_dealt_out_to_the_frontend_with_the_fewest(
    folder: Path, clients: Clients
) -> None:
    first = Frontend("0", "127.0.0.1:0", folder)
    await first.start()
    address = first.listener.address
    others = [Frontend(name, f"{address[0]}:{address[1]}", folder) for name in ("1", "2")]
    for other in others:
        await other.start()
        assert other.listener.address == address
    names = await clients.connect(address, 12)
    assert sorted(map(names.count, "012")) == [4, 4, 4]
    await clients.close("1")
    async with asyncio.timeout(DEADLINE_S):
        while others[0].listener.connections:  # noqa: ASYNC110 - the other end has yet to notice
            await asyncio.sleep(0)
    assert await clients.connect(address, 4) == ["1"] * 4
    for frontend in (first, *others):
        await frontend.end()


async def test_many_at_once_are_dealt_out_evenly(folder: Path, clients: Clients) -> None:
    first = Frontend("0", "127.0.0.1:0", folder)
    await first.start()
    host, port = first.listener.address
    others = [Frontend(name, f"{host}:{port}", folder) for name in ("1", "2")]
    for other in others:
        await other.start()
    connections = [
        socket.create_connection((host, port), DEADLINE_S) for _ in range(12)
    ]  # none is served yet
    names = await asyncio.gather(*(clients.greeted(connection) for connection in connections))
    assert sorted(map(names.count, "012")) == [4, 4, 4]
    for frontend in (first, *others):
        await frontend.end()


async def test_what_was_dealt_to_one_that_ends_is_served(folder: Path, clients: Clients) -> None:
    first = Frontend("0", "127.0.0.1:0", folder)
    await first.start()
    host, port = first.listener.address
    assert await clients.connect((host, port), 1) == ["0"]
    second = Frontend("1", f"{host}:{port}", folder)
    await second.start()
    connection = socket.create_connection((host, port), DEADLINE_S)
    first.listener._accept()  # which deals it to the second, who has fewer
    await second.end()  # before it has looked into its mail
    assert await clients.greeted(connection) == "1"
    await first.end()


async def test_the_port_lives_as_long_as_any_of_them(folder: Path, clients: Clients) -> None:
    first = Frontend("0", "127.0.0.1:0", folder)
    await first.start()
    address = first.listener.address
    second = Frontend("1", f"{address[0]}:{address[1]}", folder)
    await second.start()
    await first.end()
    assert await clients.connect(address, 3) == ["1"] * 3
    again = Frontend("0", f"{address[0]}:{address[1]}", folder)
    await again.start()
    assert await clients.connect(address, 3) == ["0"] * 3
    for frontend in (again, second):
        await frontend.end()


async def test_one_that_died_without_a_word_is_passed_over(folder: Path, clients: Clients) -> None:
    frontend = Frontend("0", "127.0.0.1:0", folder)
    await frontend.start()
    (folder / "7.peer").touch()  # what kill -9 leaves
    assert await clients.connect(frontend.listener.address, 3) == ["0"] * 3
    await frontend.end()


async def test_a_port_that_is_somebody_elses_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipper_server.query.listener.BIND_FOR_S", 0.1)
    stranger = Frontend("0", "127.0.0.1:0", folder)
    await stranger.start()
    host, port = stranger.listener.address
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as another:
        frontend = Frontend("0", f"{host}:{port}", Path(another))
        with pytest.raises(OSError, match="in use"):
            await frontend.start()
        frontend.listener.close()
    await stranger.end()


async def test_letters_that_no_frontend_writes_cost_nothing_and_are_not_answered(
    folder: Path, clients: Clients
) -> None:
    frontend = Frontend("0", "127.0.0.1:0", folder)
    await frontend.start()
    ours = psutil.Process()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger,
        Path(os.devnull).open("rb") as null,
        tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as elsewhere,
    ):
        mine = f"{elsewhere}/mine"
        stranger.bind(mine)
        stranger.setblocking(False)
        before = ours.num_fds()
        for kind in (b"c", b"l", b"w", b"", b"w" + mine.encode(), b"w99", b"c" * 1000):
            for descriptors in ((), (null.fileno(),), (null.fileno(), stranger.fileno()) * 4):
                rights = array.array("i", descriptors).tobytes()
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
                stranger.sendmsg([kind], ancillary, 0, str(folder / "0.peer"))
                assert await clients.connect(frontend.listener.address, 1) == ["0"]
        await clients.close()
        async with asyncio.timeout(DEADLINE_S):
            while ours.num_fds() > before:  # noqa: ASYNC110 - the other ends have yet to close
                await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            stranger.recv(64)
    await frontend.end()


FEW = 40
WITH_FEW_DESCRIPTORS = f"""
import asyncio, logging, resource, sys
from pathlib import Path
import uvloop
from tests.query.test_listener import Frontend

async def main():
    frontend = Frontend("0", "127.0.0.1:0", Path(sys.argv[1]))
    await frontend.start()
    print(frontend.listener.address[1], flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW}))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await frontend.end()

logging.basicConfig()
uvloop.run(main())
"""


def test_where_descriptors_run_out_those_who_come_wait_and_it_is_said_once(folder: Path) -> None:
    command = [sys.executable, "-c", WITH_FEW_DESCRIPTORS, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as frontend, contextlib.ExitStack() as opened:  # type: ignore[call-overload]
        address = ("127.0.0.1", int(frontend.stdout.readline()))

        def connect() -> socket.socket:
            return opened.enter_context(socket.create_connection(address, timeout=DEADLINE_S))

        many = [connect() for _ in range(2 * FEW)]
        assert many[0].recv(1) == b"0"
        said = frontend.stderr.readline()
        assert "those that come wait" in said
        for connection in many[: -FEW // 4]:
            connection.close()
        assert many[-1].recv(1) == b"0"  # which had waited
        for connection in many:
            connection.close()
        assert connect().recv(1) == b"0"
        frontend.stdin.close()
        assert frontend.stderr.read() == ""
    assert frontend.returncode == 0


def test_a_frontend_takes_as_many_descriptors_as_it_may_have() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard) - 1, hard))
    try:
        raise_limit_of_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
