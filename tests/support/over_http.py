"""A query frontend's HTTP server in the test's own loop, and a client of it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from clipper_server.changes import Changes
from clipper_server.query.configuration import Configuration
from clipper_server.query.frontend import Server
from clipper_server.query.listener import Listener
from clipper_server.supervisor import Supervisor

DEADLINE_S = 60.0


@asynccontextmanager
async def served_over_http(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        changes = Changes()
        server = Server(
            configuration, Listener("0", "127.0.0.1:0", Path(folder)), changes, Supervisor(), "a-token"
        )
        serving = asyncio.create_task(server._serve())
        assert await changes.wait_for(lambda: configuration.serving, DEADLINE_S)
        host, port = server.listener.address
        async with httpx2.AsyncClient(
            base_url=f"http://{host}:{port}", trust_env=False, verify=False
        ) as client:
            yield client
        server.should_exit = server.force_exit = True
        await serving
