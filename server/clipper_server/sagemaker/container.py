"""The query frontend of a container: `/ping` and `/invocations` at its port."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as HTTPResponse

from ..changes import Changes
from ..query.configuration import Configuration
from ..query.frontend import raise_limit_of_descriptors
from ..query.hosts import Hosts
from ..query.http import HTTPProtocol
from ..query.own_ports import Site
from ..query.protocols import Response
from ..query.protocols.sagemaker.invocations import Invocations
from ..query.protocols.sagemaker.rest import SageMaker
from ..query.replicas import Replica
from ..query.request import Answer
from ..query.request import Request as Query
from ..query.slices import Steps
from ..supervisor import Supervisor
from .model import NAME, Packaged
from .replica import OneReplica

HOST = "0.0.0.0"
LOOK_EVERY_S = 0.5
DRAIN_S = 20  # SageMaker kills 30 s after it has asked
SPARE_S = 1.0  # of the time that a request may take: its answer has a way to go
_BY_ITSELF = ("model_error", "bad_output", "wrong_output_length")

log = logging.getLogger(__name__)


class Whole(Invocations):
    """Answers with the model's outputs, or not at all: of a default output SageMaker's clients would not know
    that it is one, for that is in a header which they do not get."""

    def encode_in_steps(self, request: Query, answers: Sequence[Answer]) -> Steps[Response]:
        fault = next((answer.fault for answer in answers if answer.fault is not None), None)
        if fault is not None:
            status = 500 if fault.reason in _BY_ITSELF else 503
            return self.refuse(status, "", fault.message or fault.reason)
        return (yield from super().encode_in_steps(request, answers))


class Container(SageMaker):
    """What SageMaker asks a container. Who has signed a request it has checked itself."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        super().__init__(configuration)

    def configure(self) -> None:
        super().configure()
        (bodies,) = self._bodies.values()
        self.routes = {b"/invocations": Whole(bodies, "/invocations", None)}

    async def _ping(self, _: Request) -> HTTPResponse:
        queue = self._configuration.queue(NAME, None)
        return PlainTextResponse("\n", 200 if queue is not None and queue.ready else 503)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: the replica has to outlive what is under way."""
        yield


async def serve(packaged: Packaged, folder: Path, port: int, timeout_s: float) -> int:
    """Until SIGTERM or SIGINT; the process's status. A model that cannot be loaded ends it at once."""
    raise_limit_of_descriptors()
    loop = asyncio.get_running_loop()
    changes = Changes()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, changes.close)
    configuration = Configuration("0", changes.notify, loop)
    configuration.is_local = True
    socket = folder / "frontend.sock"
    replica = OneReplica(packaged, folder, socket)
    configuration.apply(packaged.snapshot(replica.credential, max(timeout_s - SPARE_S, SPARE_S)))
    replicas = await loop.create_unix_server(partial(Replica, configuration, configuration.replicas), socket)
    first = asyncio.create_task(replica.turn(), name="first replica")
    first.add_done_callback(lambda _: changes.notify())
    queue = configuration.queue(NAME, None)
    assert queue is not None
    tasks: list[asyncio.Task[Any]] = [first]
    try:
        await changes.wait_for(lambda: bool(queue.ready) or first.done())
        if changes.closed:
            return 0
        if not queue.ready:
            log.error("%s", first.exception())
            return 1
        tasks.append(asyncio.create_task(_keep(replica, first, changes), name="replica"))
        look = Supervisor().keep("look", partial(_look, configuration, replica))
        tasks.append(asyncio.create_task(look, name="look"))
        server = _server(configuration, port)
        tasks.append(asyncio.create_task(_stop(server, changes), name="stop"))
        await server.serve()
        return 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await replica.end()
        replicas.close()


async def _keep(replica: OneReplica, first: asyncio.Task[None], changes: Changes) -> None:
    await asyncio.wait([first])
    log.error("%s It is started again.", first.exception())
    await Supervisor().keep("replica", replica.turn, lambda: changes.closed)


async def _look(configuration: Configuration, replica: OneReplica) -> None:
    """What other query frontends report to management is told in the log, and a hang ended."""
    report = configuration.report()
    for complaint in report.complaints:
        log.warning("%s", complaint.text)
    configuration.heard(report.complaints)
    if hangs := next((found.hangs for found in report.replicas if found.hangs), None):
        log.error("The model hangs: %s Its process is ended.", hangs)
        replica.kill()
    await asyncio.sleep(LOOK_EVERY_S)


def _server(configuration: Configuration, port: int) -> uvicorn.Server:
    protocol = Container(configuration)
    assert protocol.app is not None
    make = partial(HTTPProtocol, routes=Site(protocol, configuration), hosts=Hosts(HOST))
    return _Server(
        uvicorn.Config(
            protocol.app,
            host=HOST,
            port=port,
            http=make,  # type: ignore[arg-type] # uvicorn only calls it
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )


async def _stop(server: uvicorn.Server, changes: Changes) -> None:
    await changes.wait_for(lambda: changes.closed)
    server.should_exit = True
