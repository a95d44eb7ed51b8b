"""The real management API over HTTP, in a thread of this process: nothing that it starts runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import uvicorn
import uvloop

from clipper_server.changes import Changes
from clipper_server.management.api import API
from clipper_server.management.artifacts import Artifacts
from clipper_server.management.control import Control
from clipper_server.management.events import Events
from clipper_server.management.feedback import Feedback
from clipper_server.management.frontends import Frontends
from clipper_server.management.observations import Observations
from clipper_server.management.querylog import QueryLog
from clipper_server.management.reconciler import Reconciler
from clipper_server.management.rollouts import Rollouts
from clipper_server.management.running import Running
from clipper_server.management.series import Series
from clipper_server.management.server import _Server
from clipper_server.management.shadows import Tallies
from clipper_server.management.specs import Specs
from clipper_server.management.state import State
from clipper_server.places import Addresses
from clipper_server.places.ports import HOST, FixedPorts
from clipper_server.supervisor import Supervisor
from tests.support.fakes import FakeManager

T = TypeVar("T")
TOKEN = "the-token-of-this-cluster"


class Served:
    """Management of a cluster without query frontends: its parts, and its API at `address`, host:port.

    What belongs to its thread (all but `address`, `folder` and `specs`) is used through `do`.
    """

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.folder = folder
        self.address = f"{HOST}:{listener.getsockname()[1]}"
        self.specs = Specs("served", TOKEN, Addresses(self.address, "127.0.0.1:2", folder))
        self.changes, self.manager = Changes(), FakeManager()
        self.state = State(folder / "state.db")
        self.events = Events(self.state, self.changes)
        self.frontends = Frontends(self.changes, self.events)
        self.running = Running(self.frontends)
        self.feedback = Feedback(folder / "feedback.db", self.state, self.changes, self.events)
        self.observations = Observations(self.frontends, self.running, TOKEN, self.feedback.metrics)
        artifacts = Artifacts(folder / "artifacts")
        self.control = Control(
            *(
                self.state,
                artifacts,
                self.manager,
                FixedPorts({}),
                self.frontends,
                self.running,
                self.changes,
            ),
            self.events,
            *(self.specs.replica_token, self.feedback.collect, self.feedback.forget),
        )
        reconciler = Reconciler(
            *(self.state, self.manager, self.frontends, self.running, self.specs, self.changes, self.events),
            *(
                self.control.versions.came_up,
                self.control.versions.did_not_come_up,
                self.control.scaling.scaled,
            ),
            num_frontends=0,
        )
        self.supervisor = Supervisor()
        self.series = Series(self.frontends, self.changes, self.feedback.regrets)
        api = API(
            *(self.specs, self.control, reconciler, self.frontends, self.running, self.manager, self.changes),
            *(self.events, self.observations, self.series),
            self.supervisor,
            Rollouts(self.state, self.frontends, self.changes, self.events, reconciler.crash_loop),
            *(QueryLog(folder / "querylog", self.events), Tallies(), self.feedback),
        )
        self.app = api.build()
        config = uvicorn.Config(
            self.app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self.server = _Server(self.changes, config)
        self.loop = asyncio.get_running_loop()

    def do(self, call: Callable[[], T]) -> T:
        """Call it in management's thread."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(call())
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return done.result(60)

    def end(self) -> None:
        """As SIGTERM does."""
        self.server.handle_exit(signal.SIGTERM, None)

    def client(self, token: str | None = TOKEN, **options: Any) -> httpx2.Client:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx2.Client(
            base_url=f"http://{self.address}",
            headers=headers,
            trust_env=False,
            verify=False,
            timeout=60,
            **options,
        )


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve, until the block ends."""
    started: concurrent.futures.Future[Served] = concurrent.futures.Future()

    async def serve() -> None:
        with socket.create_server((HOST, 0)) as listener:
            management = Served(folder, listener)
            started.set_result(management)
            try:
                await management.server.serve(sockets=[listener])
            finally:
                await management.observations.close()
                management.feedback.close()
                management.state.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    management = started.result(60)
    try:
        yield management
    finally:
        management.end()
        thread.join(60)
        assert not thread.is_alive(), "management did not end"
