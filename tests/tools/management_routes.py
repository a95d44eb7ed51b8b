"""What management's routes cost its event loop: `python -m tests.tools.management_routes`.

With 200 applications, 50 versions and 3 query frontends, whose answers are at hand. Prints for each route for
how much of the processor's time nobody else got a turn, at most, and how much it took in all.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from clipper_server.management.series import KEPT
from clipper_server.management.state import Version
from clipper_server.places import Status
from clipper_server.query.exposition import Metrics
from clipper_server.snapshot import (
    LATENCIES_S,
    ApplicationReport,
    ApplicationSpec,
    ReplicaReport,
    Report,
    VersionReport,
)
from tests.support.managements import TOKEN, Served

APPLICATIONS, VERSIONS, FRONTENDS = 200, 50, 3
AGAIN = 5
say = print
ROUTES = (
    *("health", "cluster", "overview", "overview?after_event=1000000&after_point=9000000000000"),
    *("applications", "applications/app-7", "models", "models/m-7/versions/1", "replicas", "events"),
    *(
        "frontends/0/snapshot?after=-1&wait_s=0",
        "queries/64",
        "metrics",
        "instance",
        "batching/m-7/1",
        "logs",
    ),
)


async def metrics_text() -> bytes:
    found = Metrics("0")
    for i in range(APPLICATIONS):
        application = found.application(f"app-{i}")
        application.answered = 1000
        application.defaults.update({"deadline": 3, "overload": 4})
        for latency in LATENCIES_S:
            application.latency.observe(latency)
    for i in range(VERSIONS):
        version = found.version(f"m-{i}", "1")
        version.answered, version.lookups, version.hits = 90, 200, 50
        for latency in LATENCIES_S:
            for histogram in (version.latency, version.queue_delay, version.compute):
                histogram.observe(latency)
        version.batch_size.observe(10, 9)
    return await found.text()


@asynccontextmanager
async def frontends(served: Served) -> AsyncIterator[list[Report]]:
    """Query frontends that have been asked much; their reports."""
    texts = {"/metrics": await metrics_text()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = texts.get(self.path, b"{}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        replicas = [ReplicaReport(f"m-{i}", "1", "0", True, 100) for i in range(VERSIONS)]
        latencies = [3] * (len(LATENCIES_S) + 1)
        applications = [
            ApplicationReport(f"app-{i}", 1000, {"deadline": 3}, 0, latencies) for i in range(APPLICATIONS)
        ]
        versions = [VersionReport(f"m-{i}", "1", 10, 0, 100.0) for i in range(VERSIONS)]
        reports = []
        for i in range(FRONTENDS):
            private = f"127.0.0.1:{server.server_port}"
            revision = served.state.revision
            args = (str(i), 1, True, revision, private, replicas, applications, versions)
            reports.append(Report(*args))
        yield reports
        server.shutdown()


def fill(served: Served) -> None:
    for i in range(VERSIONS):
        served.state.add_version(Version(f"m-{i}", "1", "doubles", f"sha256:{i:064}", [], 1))
        served.state.set_version_state(f"m-{i}", "1", "ready", None)
    for i in range(APPLICATIONS):
        served.state.add_application(ApplicationSpec(f"app-{i}", "doubles", -1, 100_000, []))
        served.state.link(f"app-{i}", f"m-{i % VERSIONS}")
        served.events.add("note", f"This is note {i}.")
    replicas = [
        Status(f"m-{i}.1.0", "replica", {"model": f"m-{i}", "version": "1", "replica": "0"}, 1, None, "")
        for i in range(VERSIONS)
    ]
    query = [Status(f"query-{i}", "query", {"frontend": str(i)}, 1, None, "") for i in range(FRONTENDS)]
    served.running.see([*replicas, *query])


async def ask(app: Any, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, int]:
    """Its status, and how long the answer is."""
    path, _, query = path.partition("?")
    told = [0, 0]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }

    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.get_running_loop().create_future()  # it stays, and says no more
        return requests.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told[0] = message["status"]
        else:
            told[1] += len(message.get("body", b""))

    await app(scope, receive, send)
    return told[0], told[1]


async def cost(
    served: Served, reports: list[Report], path: str, method: str = "GET", body: bytes = b""
) -> tuple[int, int, float, float]:
    """Status and length of the answer, and milliseconds: without a turn for others, and in all."""
    longest = 0.0
    done = False
    for report in reports:  # what was heard is old after two seconds
        served.frontends.on_report(report)

    async def others() -> None:
        nonlocal longest
        while not done:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    beside = asyncio.create_task(others())
    await asyncio.sleep(0)
    began = time.thread_time()
    status, length = await ask(served.app, path, method, body)
    took = time.thread_time() - began
    done = True
    await beside
    return status, length, 1000 * longest, 1000 * took


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            served = Served(Path(folder), listener)
        fill(served)
        async with frontends(served) as reports:
            for i in range(KEPT):
                for report in reports:
                    counted = [
                        msgspec.structs.replace(a, answered=a.answered + 10 * i) for a in report.applications
                    ]
                    served.frontends.on_report(msgspec.structs.replace(report, applications=counted))
                served.series.add()
        say(f"{'route':60} status    bytes  without a turn   in all (ms)")
        for route in (*(f"/api/v1/{route}" for route in ROUTES), "/admin/get_all_applications"):
            async with frontends(served) as reports:
                admin = route.startswith("/admin")
                arguments = ("POST", b'{"verbose": true}') if admin else ("GET", b"")
                found = [await cost(served, reports, route, *arguments) for _ in range(AGAIN)]
            status, length = found[0][:2]
            stuck, took = (sorted(each[i] for each in found)[AGAIN // 2] for i in (2, 3))
            say(f"{route:60} {status:6} {length:8} {stuck:15.2f} {took:12.2f}")
        async with frontends(served) as reports:
            body = msgspec.json.encode(reports[0])
            found = [
                await cost(served, reports, "/api/v1/frontends/0/report", "POST", body) for _ in range(AGAIN)
            ]
            stuck, took = (sorted(each[i] for each in found)[AGAIN // 2] for i in (2, 3))
            say(f"{'a report':60} {found[0][0]:6} {len(body):8} {stuck:15.2f} {took:12.2f}")
        await served.observations.close()
        served.state.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
