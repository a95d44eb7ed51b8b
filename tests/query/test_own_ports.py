"""The REST port of a protocol, opened and closed as the snapshot says."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
import uvicorn
from uvicorn.server import ServerState

from clipper_server.changes import Changes
from clipper_server.protocols import ProtocolSpec
from clipper_server.query.configuration import Configuration
from clipper_server.query.hosts import Hosts
from clipper_server.query.http import HTTPProtocol
from clipper_server.query.own_ports import OwnPorts, Site
from clipper_server.snapshot import ApplicationSpec, Snapshot

pytestmark = pytest.mark.anyio
HOSTS = Hosts("127.0.0.1")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def snapshot(revision: int, *protocols: ProtocolSpec) -> Snapshot:
    applications = [ApplicationSpec("sum", "doubles", -1, 100_000, [])]
    return Snapshot(revision, applications, [], {}, protocols=list(protocols))


def connection(site: Site, config: uvicorn.Config, lost: Callable[[], None]) -> HTTPProtocol:
    state = ServerState()
    return HTTPProtocol(routes=site, hosts=HOSTS, lost=lost, config=config, server_state=state, app_state={})


@pytest.fixture
async def configuration() -> Configuration:
    found = Configuration("0", lambda: None, asyncio.get_running_loop())
    found.is_local = True
    return found


@pytest.fixture
async def own_ports(configuration: Configuration) -> AsyncIterator[OwnPorts]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        found = OwnPorts(configuration, Changes(), "127.0.0.1", HOSTS, Path(folder), connection)
        yield found
        await found.close()


async def test_a_port_opens_and_closes(configuration: Configuration, own_ports: OwnPorts) -> None:
    port = free_port()
    configuration.apply(snapshot(1, ProtocolSpec("sagemaker", port)))
    await own_ports.keep()
    assert configuration.opened == {"sagemaker": ""}
    path = "/endpoints/sum/invocations"
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False
    ) as client:
        assert (await client.post(path, content=b"[[1]]")).json() == [-1]
        for method, where in (("POST", path), ("GET", "/ping")):
            headers = {"host": "evil.example"}
            response = await client.request(
                method, where, headers=headers, content=b"[[1]]" if method == "POST" else None
            )
            assert response.status_code == 421
        configuration.apply(snapshot(2, ProtocolSpec("sagemaker", port, key="lab", secret="a-long-secret")))
        assert (await client.post(path, content=b"[[1]]")).status_code == 403
    configuration.apply(snapshot(3))
    await own_ports.keep()
    assert configuration.opened == {}
    assert configuration.spoken == []
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
