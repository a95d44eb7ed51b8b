"""Real query frontends, as processes, with a stand-in for management and fake replicas."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
from aiohttp import web

from clipper_server.query.replicas import credential
from clipper_server.snapshot import ApplicationSpec, Report, Snapshot, VersionSpec
from tests.support.ports import free_port

from .replicas import MODEL, TOKEN, VERSION

START_S = 60.0
SNAPSHOTS = "snapshots"  # frontends find one another there
OBJECTIVE_MICROS = 10_000_000  # so long that no query fails because this machine is busy
MIB = 1 << 20


@dataclass
class Management:
    """Hands out one snapshot, and takes reports."""

    snapshot: bytes
    reports: dict[str, Report] = field(default_factory=dict)
    report_bytes: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it holds, which a report may make it."""
        while not condition():
            self._came.clear()
            await self._came.wait()

    async def give(self, request: web.Request) -> web.Response:
        if int(request.query["after"]) < 1:
            return web.Response(body=self.snapshot)
        await asyncio.sleep(float(request.query["wait_s"]))
        return web.Response(status=204)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.report_bytes = len(body)
        self.reports[request.match_info["id"]] = msgspec.json.decode(body, type=Report)
        self._came.set()
        return web.Response(status=204)


@dataclass
class Simulated:
    """`address` is where all frontends answer: they deal connections out among them."""

    management: Management
    frontends: list[psutil.Process]
    replicas: asyncio.subprocess.Process
    address: str
    ready_s: float

    def cpu_s(self) -> list[float]:
        """Of each frontend, so far."""
        return [sum(process.cpu_times()[:2]) for process in self.frontends]

    async def asked(self) -> int:
        """How often frontends have asked a replica for a credit, so far."""
        self.replicas.send_signal(signal.SIGUSR1)
        assert self.replicas.stdout is not None
        return int(await self.replicas.stdout.readline())

    def batches(self) -> tuple[int, int]:
        """How many the frontends have sent, with how many queries in them, by their last reports."""
        seen = [version for report in self.management.reports.values() for version in report.versions]
        return sum(version.batches for version in seen), sum(version.sent for version in seen)

    def memory(self) -> float:
        """Of a frontend, in bytes, on average."""
        sizes = [process.memory_full_info().uss for process in self.frontends]
        return float(sum(sizes)) / len(sizes)


def snapshot(replicas: int, versions: int = 1) -> Snapshot:
    """One application, and one model with so many replicas; other versions have one each."""
    application = ApplicationSpec("app", "doubles", -1.0, OBJECTIVE_MICROS, [MODEL])
    specs = [VersionSpec(MODEL, VERSION, "doubles", credential(TOKEN), replicas)]
    specs += [VersionSpec(f"m{i}", "1", "doubles", credential(TOKEN), 1) for i in range(versions - 1)]
    return Snapshot(1, [application], specs, {spec.model: spec.version for spec in specs})


@asynccontextmanager
async def simulated(folder: Path, frontends: int, replicas: int, work_ms: float) -> AsyncIterator[Simulated]:
    """Everything connected and ready. Raises TimeoutError."""
    management = Management(msgspec.json.encode(snapshot(replicas)))
    app = web.Application(client_max_size=64 * MIB)
    app.router.add_get("/api/v1/frontends/{id}/snapshot", management.give)
    app.router.add_post("/api/v1/frontends/{id}/report", management.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = int(runner.addresses[0][1])
    sockets = folder / "s"
    sockets.mkdir()
    (folder / SNAPSHOTS).mkdir()
    processes: list[asyncio.subprocess.Process] = []
    address = f"127.0.0.1:{free_port()}"
    try:
        for i in range(frontends):
            processes.append(await _frontend(i, address, folder, sockets, f"127.0.0.1:{port}"))
        async with asyncio.timeout(START_S):
            await management.wait_for(lambda: len(management.reports) == frontends)
            began = time.monotonic()
            command = ["-m", "tests.tools.simulation.replicas", str(sockets), str(replicas), str(work_ms)]
            crowd = await asyncio.create_subprocess_exec(
                *(sys.executable, *command), stdout=asyncio.subprocess.PIPE
            )
            processes.append(crowd)
            await management.wait_for(lambda: _ready(management, replicas))
        yield Simulated(
            management,
            [psutil.Process(process.pid) for process in processes[:-1]],
            crowd,
            address,
            time.monotonic() - began,
        )
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for process in processes:
            await process.wait()
        await runner.cleanup()


async def _frontend(
    number: int, address: str, folder: Path, sockets: Path, management: str
) -> asyncio.subprocess.Process:
    environment = {
        "CLIPPER_FRONTEND": str(number),
        "CLIPPER_ADDRESS": address,
        "CLIPPER_REPLICAS": str(sockets / f"{number}.sock"),
        "CLIPPER_MANAGEMENT": management,
        "CLIPPER_TOKEN": "none",
        "CLIPPER_SNAPSHOT": str(folder / SNAPSHOTS / str(number)),
        "CLIPPER_PRIVATE": "127.0.0.1",
        "CLIPPER_PRIVATE_NAME": "127.0.0.1",
    }
    with (folder / f"{number}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clipper_server.query.frontend"),
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )


def _ready(management: Management, replicas: int) -> bool:
    return all(
        report.serving and sum(replica.ready for replica in report.replicas) == replicas
        for report in management.reports.values()
    )
