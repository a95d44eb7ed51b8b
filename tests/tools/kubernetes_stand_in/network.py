"""Addresses: of pods and Services on the loopback network, names for them, and what forwards to pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path

from .resources import Object

NODE_PORTS = range(30_000, 32_768)
PIECE = 64 << 10


class Network:
    """Every stand-in has its own part of 127.0.0.0/8, drawn by chance: others may run beside it."""

    def __init__(self, folder: Path, *, dns: bool) -> None:
        self.names_file = folder / "names.json"
        self.dns = dns
        self._first, self._second = random.randrange(16, 120), random.randrange(256)
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
        self._busy: set[asyncio.Task[None]] = set()
        self.write_names({})

    def pod_address(self) -> str:
        return next(self._pods)

    def service_address(self) -> str:
        return next(self._services)

    def node_port(self) -> int:
        return next(self._node_ports)

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
        for place, there in wanted.items():
            if there and place not in self._forwarders:
                with contextlib.suppress(OSError):  # the port is taken: nobody answers
                    self._forwarders[place] = await asyncio.start_server(self._accept(place), *place)

    def _accept(self, place: tuple[str, int]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = self._behind.get(place) or []
            try:
                far = await asyncio.open_connection(*random.choice(there))
            except (OSError, IndexError):
                writer.transport.abort()
                return
            await both_ways((reader, writer), far)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(pass_on(reader, writer))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

        return accept

    def close(self) -> None:
        for server in self._forwarders.values():
            server.close()
        self._forwarders.clear()
        for task in self._busy:
            task.cancel()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def both_ways(near: Stream, far: Stream) -> None:
    """Pass bytes on until both sides have said all."""
    await asyncio.gather(_pump(near[0], far[1]), _pump(far[0], near[1]))
    for _, writer in (near, far):
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


def port_of(pod: Object, wanted: object) -> int | None:
    """A port of the pod by number or name; None where it has none of that name."""
    if isinstance(wanted, int) or str(wanted).isdigit():
        return int(str(wanted))
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == wanted:
                return int(port["containerPort"])
    return None
