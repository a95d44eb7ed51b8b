"""Ports of protocols' own: a real frontend, which opens and closes them as its snapshot says."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from clipper_server.changes import Changes
from clipper_server.protocols import KINDS, Kind, ProtocolSpec
from clipper_server.query import listener, own_ports
from clipper_server.query.configuration import Configuration
from clipper_server.query.frontend import Server
from clipper_server.query.listener import Listener
from clipper_server.query.own_ports import OwnPorts
from clipper_server.snapshot import Snapshot
from clipper_server.supervisor import Supervisor
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio
DEADLINE_S = 60


class Greeting:
    """A protocol that has REST alone: GET /greeting waits until it `may_answer`."""

    protos = None

    def __init__(self) -> None:
        self.configured = 0
        self.routes: dict[bytes, Any] = {}
        self.methods: dict[str, Any] = {}
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()
        self.app = Starlette(routes=[Route("/greeting", self._greet)])

    async def _greet(self, _request: Request) -> PlainTextResponse:
        self.asked.set()
        await self.may_answer.wait()
        return PlainTextResponse("hello")

    def configure(self) -> None:
        """It says the same of whatever is served."""
        self.configured += 1


@pytest.fixture
async def greeting(monkeypatch: pytest.MonkeyPatch) -> Greeting:
    module = ModuleType("clipper_server.query.protocols.greeting")
    spoken = Greeting()
    module.speak = lambda served: spoken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(KINDS, "greeting", Kind("greeting", 1, None))
    return spoken


class Frontend:
    """What is on is what the last `serve` said."""

    def __init__(self, folder: Path) -> None:
        self.changes = Changes()
        self.configuration = Configuration("0", self.changes.notify, asyncio.get_running_loop())
        self._revision = 0
        listener = Listener("0", "127.0.0.1:0", folder)
        self.server = Server(self.configuration, listener, self.changes, Supervisor(), "token")
        self.server.own_ports = self.own_ports = OwnPorts(
            self.configuration, self.changes, "127.0.0.1", folder, self.server.own_connection
        )

    def serve(self, *protocols: ProtocolSpec) -> None:
        self._revision += 1
        self.configuration.apply(Snapshot(self._revision, [], [], {}, protocols=list(protocols)))
        self.changes.notify()

    async def says(self, expected: dict[str, str]) -> None:
        """Wait until it reports this."""
        opened = self.configuration.opened
        assert await self.changes.wait_for(lambda: opened == expected, DEADLINE_S), opened

    async def keep(self) -> None:
        while True:
            await self.own_ports.keep()


@pytest.fixture
async def frontend() -> AsyncIterator[Frontend]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        frontend = Frontend(Path(folder))
        frontend.serve()
        serving = asyncio.create_task(frontend.server._serve())
        keeping = asyncio.create_task(frontend.keep())
        assert await frontend.changes.wait_for(lambda: frontend.configuration.serving, DEADLINE_S)
        yield frontend
        frontend.server.should_exit = True
        await serving
        keeping.cancel()


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=DEADLINE_S) as client:
        yield client


async def test_a_port_is_opened_and_closed_as_the_snapshot_says(
    frontend: Frontend, greeting: Greeting, client: httpx2.AsyncClient
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/greeting"
    with pytest.raises(httpx2.ConnectError):
        await client.get(url)
    frontend.serve(ProtocolSpec("greeting", port))
    await frontend.says({"greeting": ""})
    assert (await client.get(url)).text == "hello"
    spoken: list[Any] = frontend.configuration.spoken
    assert spoken == [greeting]
    frontend.serve()
    await frontend.says({})
    assert spoken == []
    # Who has a connection is asked to go, and loses no answer that way.
    assert (await client.get(url)).headers["connection"] == "close"
    with pytest.raises(httpx2.ConnectError):
        await client.get(url)


async def test_a_snapshot_that_comes_before_it_listens_is_its_own_too(
    frontend: Frontend, greeting: Greeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    start, begins, may_go_on = Listener.start, asyncio.Event(), asyncio.Event()

    async def started(listener: Listener, make: Callable[[], asyncio.Protocol]) -> None:
        begins.set()
        await may_go_on.wait()
        await start(listener, make)

    monkeypatch.setattr(Listener, "start", started)
    frontend.serve(ProtocolSpec("greeting", port))
    async with asyncio.timeout(DEADLINE_S):
        await begins.wait()
    before = greeting.configured
    frontend.serve(ProtocolSpec("greeting", port))
    assert greeting.configured == before + 1
    may_go_on.set()
    await frontend.says({"greeting": ""})


async def test_a_page_elsewhere_does_not_read_what_this_machine_alone_is_told(
    frontend: Frontend, greeting: Greeting, client: httpx2.AsyncClient
) -> None:
    port = free_port()
    frontend.serve(ProtocolSpec("greeting", port))
    await frontend.says({"greeting": ""})
    url = f"http://127.0.0.1:{port}/greeting"
    assert (await client.get(url, headers={"Host": "elsewhere.example"})).status_code == 421


async def test_a_port_that_is_taken_is_said_and_tried_again(
    frontend: Frontend,
    greeting: Greeting,
    client: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "BIND_FOR_S", 0.0)
    monkeypatch.setattr(own_ports, "TRY_AGAIN_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as somebody_elses:
        port = somebody_elses.getsockname()[1]
        frontend.serve(ProtocolSpec("greeting", port))
        said = "Query frontend 0 cannot serve it: It cannot listen: Address already in use."
        await frontend.says({"greeting": said})
        assert frontend.configuration.spoken == []
    await frontend.says({"greeting": ""})
    assert (await client.get(f"http://127.0.0.1:{port}/greeting")).text == "hello"


async def test_one_that_cannot_be_loaded_is_said_and_the_others_serve(
    frontend: Frontend, greeting: Greeting, client: httpx2.AsyncClient, monkeypatch: Any
) -> None:
    port = free_port()
    monkeypatch.setitem(KINDS, "broken", Kind("there_is_no_such_module", 1, None))
    frontend.serve(ProtocolSpec("broken", 1), ProtocolSpec("greeting", port))
    opened = frontend.configuration.opened
    assert await frontend.changes.wait_for(lambda: opened.keys() == {"broken", "greeting"}, DEADLINE_S)
    assert opened["greeting"] == ""
    assert "there_is_no_such_module" in opened["broken"]
    assert (await client.get(f"http://127.0.0.1:{port}/greeting")).text == "hello"


async def test_at_another_port_it_is_opened_anew(
    frontend: Frontend, greeting: Greeting, client: httpx2.AsyncClient
) -> None:
    port = free_port()
    frontend.serve(ProtocolSpec("greeting", port))
    await frontend.says({"greeting": ""})
    other = free_port()
    frontend.serve(ProtocolSpec("greeting", other))
    before = frontend.changes.count
    assert await frontend.changes.wait_for(lambda: frontend.changes.count > before, DEADLINE_S)
    assert (await client.get(f"http://127.0.0.1:{other}/greeting")).text == "hello"
    with pytest.raises(httpx2.ConnectError):
        await client.get(f"http://127.0.0.1:{port}/greeting")


async def test_what_is_under_way_is_answered_when_the_frontend_ends(
    frontend: Frontend, greeting: Greeting, client: httpx2.AsyncClient
) -> None:
    port = free_port()
    frontend.serve(ProtocolSpec("greeting", port))
    await frontend.says({"greeting": ""})
    url = f"http://127.0.0.1:{port}/greeting"
    greeting.may_answer.clear()
    asking = asyncio.create_task(client.get(url))
    await greeting.asked.wait()
    await frontend.own_ports.close()
    with pytest.raises(httpx2.ConnectError):
        async with httpx2.AsyncClient(trust_env=False, verify=False) as other:
            await other.get(url)
    greeting.may_answer.set()
    answer = await asking
    assert (answer.text, answer.headers["connection"]) == ("hello", "close")


def test_with_no_protocol_on_none_of_grpc_is_imported() -> None:
    code = (
        "import sys, clipper_server.query.frontend\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('grpc', 'google')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
