"""What reports of many frontends about many replicas cost management: the real API over HTTP, in a thread."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec

from clipper_server.snapshot import LATENCIES_S, ApplicationReport, ReplicaReport, Report, VersionReport
from tests.support.managements import TOKEN, Served, served

from .replicas import MODEL, VERSION

ROUNDS = 4  # of a report of each frontend


@dataclass(frozen=True)
class Cost:
    """For one report: its bytes, and the seconds that it keeps management's thread busy."""

    bytes: int
    cpu_s: float


def report(frontend: int, replicas: int, answered: int = 12_345) -> Report:
    """As a frontend with so many replicas sends it."""
    return Report(
        *(str(frontend), 4242, True, 1, f"127.0.0.1:{40_000 + frontend}"),
        [ReplicaReport(MODEL, VERSION, str(i), True, answered + i) for i in range(replicas)],
        [
            ApplicationReport(
                "app", answered * replicas, {"deadline": 3}, 0, [answered] * (len(LATENCIES_S) + 1)
            )
        ],
        [VersionReport(MODEL, VERSION, answered * replicas, 7, 1234.5, answered, answered, 12.5)],
    )


def measure(frontends: int, replicas: int) -> Cost:
    """With every frontend waiting for the next snapshot meanwhile, as they do."""
    with (
        tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder,
        served(Path(folder)) as management,
    ):
        return asyncio.run(_measure(management, frontends, replicas))


async def _measure(management: Served, frontends: int, replicas: int) -> Cost:
    async with httpx2.AsyncClient(
        base_url=f"http://{management.address}/api/v1",
        headers={"Authorization": f"Bearer {TOKEN}"},
        limits=httpx2.Limits(max_connections=None),
        timeout=60,
        trust_env=False,
        verify=False,
    ) as http:
        revision = management.do(lambda: management.state.revision)
        parameters = {"after": revision, "wait_s": 25}
        waiting = [
            asyncio.create_task(http.get(f"/frontends/{i}/snapshot", params=parameters))
            for i in range(frontends)
        ]
        bodies = [msgspec.json.encode(report(i, replicas)) for i in range(frontends)]
        for i, body in enumerate(bodies):  # and so every long poll has arrived
            (await http.post(f"/frontends/{i}/report", content=body)).raise_for_status()
        before = management.do(time.thread_time)
        for _ in range(ROUNDS):
            for i, body in enumerate(bodies):
                await http.post(f"/frontends/{i}/report", content=body)
        cpu_s = management.do(time.thread_time) - before
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return Cost(len(bodies[0]), cpu_s / ROUNDS / frontends)
