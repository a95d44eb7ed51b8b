"""The REST port of a protocol that has one of its own, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn
from uvicorn.server import ServerState

from clipper_server.query.configuration import Configuration
from clipper_server.query.hosts import Hosts
from clipper_server.query.http import HTTPProtocol
from clipper_server.query.own_ports import Site
from clipper_server.query.protocols.kinds import load


@asynccontextmanager
async def opened(name: str, configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of that protocol's port."""
    protocol = load(name, configuration)
    configuration.spoken.append(protocol)
    assert protocol.app is not None
    config = uvicorn.Config(protocol.app, lifespan="off", log_config=None, access_log=False)
    config.load()
    site = Site(protocol, configuration)
    state = ServerState()

    def connection() -> HTTPProtocol:
        hosts = Hosts("127.0.0.1")
        return HTTPProtocol(routes=site, hosts=hosts, config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        base = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False, verify=False, timeout=60) as client:
            yield client
    finally:
        server.close()
        configuration.spoken.remove(protocol)
