"""Addresses: of pods and Services on the loopback network, names for them, and what forwards to pods."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import random
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .resources import Object

NODE_PORTS = range(30_000, 32_768)
HELD = 9_253  # a port that nobody asks, and that no test is given


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _draw() -> tuple[int, int, socket.socket]:
    """A part of 127.0.0.0/8 that no other stand-in has, and the socket that holds it."""
    for _ in range(1000):
        first, second = random.randrange(16, 120), random.randrange(256)
        held = socket.socket()
        try:
            held.bind((f"127.{first + 120}.{second}.1", HELD))
        except OSError as error:
            held.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return first, second, held
    raise OSError(f"Port {HELD} is somebody's on all addresses.")


class Network:
    """Every stand-in has its own part of 127.0.0.0/8, drawn by chance: others may run beside it."""

    def __init__(self, folder: Path, *, dns: bool) -> None:
        self.names_file = folder / "names.json"
        self.dns = dns
        self._first, self._second, self._held = _draw()
        self._pods = iter(
            f"127.{self._first}.{(self._second + block) % 256}.{last}"
            for block in range(256)
            for last in range(1, 255)
        )
        self._services = iter(
            f"127.{self._first + 120}.{(self._second + block) % 256}.{last}"
            for block in range(256)
            for last in range(2, 255)
        )
        self.api_address = f"127.{self._first + 120}.{self._second}.1"
        self._node_ports = iter(random.sample(NODE_PORTS, len(NODE_PORTS)))
        self._forwarders: dict[tuple[str, int], asyncio.Server] = {}
        self._behind: dict[tuple[str, int], list[tuple[str, int]]] = {}
        self._written = ""
        self._busy: set[_Near] = set()
        self.write_names({})

    def pod_address(self) -> str:
        return next(self._pods)

    def service_address(self) -> str:
        return next(self._services)

    def node_port(self) -> int:
        """One that no other program on this machine has."""
        return next(port for port in self._node_ports if _is_free(port))

    def write_names(self, names: dict[str, list[str]]) -> None:
        """`name.namespace` of each Service to its addresses."""
        text = json.dumps(names if self.dns else {}, sort_keys=True)
        if text != self._written:
            temporary = self.names_file.with_suffix(".new")
            temporary.write_text(text)
            temporary.replace(self.names_file)
            self._written = text

    async def forward(self, wanted: dict[tuple[str, int], list[tuple[str, int]]]) -> None:
        """Listen where a Service has pods that are ready; nobody answers where it has none."""
        self._behind = wanted
        for place in self._forwarders.keys() - {place for place, there in wanted.items() if there}:
            self._forwarders.pop(place).close()
        loop = asyncio.get_running_loop()
        for place, there in wanted.items():
            if there and place not in self._forwarders:
                accept = partial(_Near, self._busy, partial(self._choose, place))
                with contextlib.suppress(OSError):  # the port is taken: nobody answers
                    self._forwarders[place] = await loop.create_server(accept, *place)

    def _choose(self, place: tuple[str, int]) -> tuple[str, int] | None:
        """A pod that is ready now."""
        there = self._behind.get(place)
        return random.choice(there) if there else None

    def close(self) -> None:
        """End all connections. One that comes later finds no pod, and a second call ends it."""
        self._behind = {}
        self._held.close()
        for server in self._forwarders.values():
            server.close()
        self._forwarders.clear()
        for near in list(self._busy):
            near.abort()


class _End(asyncio.Protocol):
    """One end of a connection: what comes goes to the other end, also when this one is lost after it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.other: _End | None = None
        self.said_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.said_all = True
        if self.other is not None:
            self.other.transport.write_eof()
        return self.other is not None and not self.other.said_all

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()


class _Near(_End):
    """A client's end. It is read when there is a pod's: one that `choose` names."""

    def __init__(self, busy: set[_Near], choose: Callable[[], tuple[str, int] | None]) -> None:
        super().__init__()
        self._busy, self._choose = busy, choose
        self._reaching: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._busy.add(self)
        self.transport.pause_reading()
        self._reaching = asyncio.create_task(self._reach(), name="a connection to a pod")

    async def _reach(self) -> None:
        chosen = self._choose()
        try:
            if chosen is None:
                raise ConnectionRefusedError
            _, far = await asyncio.get_running_loop().create_connection(_End, *chosen)
        except OSError:
            self.transport.abort()
            return
        self.other, far.other = far, self
        if self.transport.is_closing():
            far.transport.abort()
        else:
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._busy.discard(self)
        super().connection_lost(error)

    def abort(self) -> None:
        if self._reaching is not None:
            self._reaching.cancel()
        for end in (self, self.other):
            if end is not None:
                end.transport.abort()


def port_of(pod: Object, wanted: object) -> int | None:
    """A port of the pod by number or name; None where it has none of that name."""
    if isinstance(wanted, int) or str(wanted).isdigit():
        return int(str(wanted))
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == wanted:
                return int(port["containerPort"])
    return None
