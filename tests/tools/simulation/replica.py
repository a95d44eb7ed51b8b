"""One real replica among many frontends. As a program it is that replica, with a model that does nothing.

Real: its connections, its credits, its process. Fake: the frontends, which are in the measuring process, and
send a batch for every credit that they get.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import psutil

from clipper_container import wire
from clipper_container.links import Links
from clipper_container.replica import Replica, Warm

from .replicas import MODEL, TOKEN, VERSION

START_S = 60.0


@dataclass(frozen=True)
class Cost:
    """The replica's own CPU seconds for a batch, how many there were, and of how many the least-served
    frontend had, in parts of its fair share; its CPU seconds in a second without queries, and its memory.
    """

    batch_cpu_s: float
    batches: int
    least: float
    idle_cpu: float
    memory: int


class Frontend(asyncio.BufferedProtocol):
    """A frontend's end of the wire. Asks for a credit when it has none, as one with queries does."""

    def __init__(self, name: str, served: Counter[str], wants: asyncio.Event, at_once: int) -> None:
        self.ready = False
        self._at_once, self._asking = at_once, False
        self._name, self._served, self._wants = name, served, wants
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(wire.PREFIX.size))
        self._got = 0
        self._header: int | None = None
        self._credits = self._in_flight = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._got :]

    def buffer_updated(self, nbytes: int) -> None:
        self._got += nbytes
        if self._got < len(self._buffer):
            return
        self._got = 0
        if self._header is None:
            self._header, body = wire.lengths(self._buffer)
            self._buffer = memoryview(bytearray(self._header + body))
            return
        content, size = self._buffer, self._header
        self._buffer, self._header = memoryview(bytearray(wire.PREFIX.size)), None
        self._on_message(wire.to_frontend(content[:size]))

    def _on_message(self, message: wire.ToFrontend) -> None:
        match message:
            case wire.Hello():
                self._send(wire.Welcome(self._name))
            case wire.Ready():
                self.ready = True
            case wire.Credit():
                self._asking = False
                self._credits += message.credits
                self.work()
            case wire.Reply():
                self._served[self._name] += 1
                self._in_flight -= 1
                self._credits += message.credits
                self._asking = self._asking and not message.credits
                self.work()
            case wire.Recall():
                self._send(wire.Yield(self._credits))
                self._credits = 0
                self.work()

    def work(self) -> None:
        """Send what there are credits for; ask for one where nothing is under way."""
        if not self._wants.is_set():
            return
        while self._credits:
            self._credits -= 1
            self._in_flight += 1
            self._send(wire.Batch(self._in_flight, 1, ["<f8"], [(1,)], []), bytes(8))
        if self._in_flight < self._at_once and not self._asking:
            self._asking = True
            self._send(wire.Backlog())

    def _send(self, message: object, body: bytes = b"") -> None:
        assert self._transport is not None
        self._transport.writelines(wire.frame(message, [body] if body else []))


async def measure(frontends: int, seconds: float, at_once: int = 1) -> Cost:
    """Of a replica that works on so many batches at once."""
    loop = asyncio.get_running_loop()
    served: Counter[str] = Counter()
    wants = asyncio.Event()
    connections: list[Frontend] = []
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:

        def connected(name: str) -> Frontend:
            connections.append(Frontend(name, served, wants, at_once))
            return connections[-1]

        servers = [
            await loop.create_unix_server(lambda name=str(i): connected(name), f"{folder}/{i}.sock")  # type: ignore[misc]
            for i in range(frontends)
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.simulation.replica", f"{folder}/*.sock", str(at_once)]
        )
        try:
            return await _measure(psutil.Process(process.pid), connections, served, wants, frontends, seconds)
        finally:
            process.kill()
            process.wait()
            for server in servers:
                server.close()


async def _measure(
    process: psutil.Process,
    connections: list[Frontend],
    served: Counter[str],
    wants: asyncio.Event,
    frontends: int,
    seconds: float,
) -> Cost:
    give_up = time.monotonic() + START_S
    while sum(connection.ready for connection in connections) < frontends:
        assert time.monotonic() < give_up, "the replica did not find all frontends"
        await asyncio.sleep(0.05)
    quiet = _cpu_s(process)
    await asyncio.sleep(seconds)
    busy = _cpu_s(process)
    wants.set()
    for connection in connections:
        connection.work()
    await asyncio.sleep(seconds)
    cpu_s = _cpu_s(process) - busy
    wants.clear()
    batches = served.total()
    least = min(served[str(i)] for i in range(frontends)) * frontends / max(1, batches)
    memory = process.memory_full_info().uss
    return Cost(cpu_s / max(1, batches), batches, least, (busy - quiet) / seconds, int(memory))


def _cpu_s(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


def same(inputs: Any) -> list[float]:
    return [1.0 for _ in inputs]


if __name__ == "__main__":
    hello = wire.Hello(wire.WIRE_VERSION, TOKEN, MODEL, VERSION, "0", 1)
    links = Links(sys.argv[1], hello, int(sys.argv[2]))
    links.start()
    Replica(links).serve(same, Warm([]))
