"""Several frontends on one port: real sockets, in one process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

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
                frontend.listener.count(1)
                assert isinstance(transport, asyncio.Transport)
                transport.write(frontend.name.encode())

            def connection_lost(self, exc: Exception | None) -> None:
                frontend.listener.count(-1)

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
