"""The query frontend's process: puts the parts of the data plane together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import resource
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop

from clipper_container import addresses

from ..changes import Changes
from ..snapshot import Complaint
from ..supervisor import Supervisor
from .configuration import Configuration
from .hosts import Hosts
from .http import HTTPProtocol
from .listener import Listener, bind, listens
from .management import Management, PassOn
from .number import number
from .own_ports import OwnPorts, Site
from .querylog import QueryLog
from .replicas import Replica
from .rest import rest

WAIT_FOR_REPLICAS_S = 5.0
WAIT_OVER_NAMES_S = 40.0  # the names by which replicas find this one may be half a minute old
DRAIN_S = 5

log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True, rename=lambda field: f"CLIPPER_{field.upper()}"):
    """The environment, read once. `frontend` is its number, or a name for which management has one.

    `address` is where HTTP is served, and `listening` a descriptor that listens there, if any; `replicas` is
    where replicas dial in, a socket's path or host:port. At a port of `private` it answers management alone,
    which knows that host as `private_name`.
    """

    frontend: str
    address: str
    replicas: str
    management: str
    token: str
    snapshot: str
    private: str
    private_name: str
    listening: int | None = None

    @property
    def folder(self) -> Path:
        """Where the frontends that share this one's port meet: replicas in containers do not have it."""
        return Path(self.snapshot).parent

    def __repr__(self) -> str:
        return f"<the settings of query frontend {self.frontend}>"  # without the token

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        return msgspec.convert(dict(environ), cls, strict=False)


def main() -> None:
    os.umask(0o077)  # what it writes, and its sockets, are its owner's alone
    raise_limit_of_descriptors()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    uvloop.run(serve(Settings.read(os.environ)))


def raise_limit_of_descriptors() -> None:
    """Each connection takes one, and many systems give a process 1,024 unless it asks for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has another limit, of which it does not tell here
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    changes = Changes()
    frontend = await number(
        settings.frontend, settings.management, settings.token, settings.folder / "number"
    )
    configuration = Configuration(frontend, changes.notify, loop)
    management = Management(settings.management, settings.token, Path(settings.snapshot), configuration)
    configuration.pass_on = PassOn(settings.management)
    management.restore()
    replicas = await _listen_for_replicas(
        settings.replicas, lambda: Replica(configuration, configuration.replicas)
    )
    supervisor = Supervisor(lambda text: configuration.complain(Complaint("", "", "", text)))
    outbox = configuration.feedback.outbox
    query_log = QueryLog(settings.folder / "querylog", frontend, configuration.records)
    talk = [
        asyncio.create_task(supervisor.keep("follow", management.follow), name="follow"),
        asyncio.create_task(supervisor.keep("shares", management.follow_shares), name="shares"),
        asyncio.create_task(supervisor.keep("tables", management.follow_tables), name="tables"),
        asyncio.create_task(
            supervisor.keep("feedback", partial(outbox.turn, management.deliver)), name="feedback"
        ),
        asyncio.create_task(supervisor.keep("report", partial(management.report, changes)), name="report"),
        asyncio.create_task(
            supervisor.keep("query log", partial(query_log.turn, management.take)), name="query log"
        ),
    ]
    try:
        cap_s = WAIT_FOR_REPLICAS_S if "/" in settings.replicas else WAIT_OVER_NAMES_S
        await _until_complete(configuration, changes, cap_s)
        _quiet_garbage_collector()
        given = None if settings.listening is None else listens(settings.listening)
        listener = Listener(frontend, settings.address, settings.folder, given)
        private = settings.private, settings.private_name
        configuration.is_local = ipaddress.ip_address(listener.host).is_loopback
        server = Server(configuration, listener, changes, supervisor, settings.token, private)
        server.own_ports = OwnPorts(
            configuration, changes, listener.host, settings.folder, server.own_connection
        )
        talk.append(
            asyncio.create_task(supervisor.keep("own ports", server.own_ports.keep), name="own ports")
        )
        await server.serve()
    finally:
        for task in talk:
            task.cancel()
        await asyncio.gather(*talk, return_exceptions=True)
        await query_log.write()
        await outbox.close(management.deliver)
        replicas.close()
        for replica in list(configuration.replicas):
            replica.close()


async def _listen_for_replicas(address: str, replica: Callable[[], Replica]) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if "/" in address:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)  # noqa: PTH108 - one quick call, before anything is served
        return await loop.create_unix_server(replica, address)
    listening = bind(address)
    addresses.tune(listening)
    return await loop.create_server(replica, sock=listening)


async def _until_complete(configuration: Configuration, changes: Changes, cap_s: float) -> None:
    """Wait for a snapshot, however long it takes, and a while for the replicas that it names."""
    await changes.wait_for(lambda: configuration.snapshot is not None)
    if not await changes.wait_for(configuration.complete, cap_s):
        log.warning("not all replicas have connected within %.0f s: opening anyway", cap_s)


def _quiet_garbage_collector() -> None:
    """Leave alone what was there at the start, and look at the rest less often.

    A query makes some hundred objects and no cycles; a full collection among thousands of queries in flight
    makes all of them wait. A request of thousands of inputs does make many at once: they are looked at a few
    milliseconds' worth at a time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 2, 4_000)


class Server(uvicorn.Server):
    """uvicorn at the port that all frontends share, and at this frontend's private address."""

    def __init__(
        self,
        configuration: Configuration,
        listener: Listener,
        changes: Changes,
        supervisor: Supervisor,
        token: str,
        private: tuple[str, str] = ("127.0.0.1", "127.0.0.1"),
    ) -> None:
        hosts = Hosts(listener.host)
        self._make_protocol: Any = partial(HTTPProtocol, routes=configuration, hosts=hosts)
        super().__init__(
            uvicorn.Config(
                rest(configuration, supervisor, token, hosts),
                http=self._make_protocol,  # type: ignore[arg-type] # uvicorn only calls it
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=DRAIN_S,
            )
        )
        self._configuration = configuration
        self._hosts = hosts
        self.own_ports: OwnPorts | None = None
        self.listener = listener
        self._changes = changes
        self._private = private

    def own_connection(self, site: Site, config: uvicorn.Config, lost: Callable[[], None]) -> HTTPProtocol:
        """To a port of a protocol's own."""
        return HTTPProtocol(
            routes=site,
            hosts=self._hosts,
            lost=lost,
            config=config,
            server_state=self.server_state,
            app_state={},
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        host, name = self._private
        private = bind(f"{host}:0")
        await super().startup([private])
        port = private.getsockname()[1]
        self._configuration.private = f"{name}:{port}"
        make_protocol: Callable[[], asyncio.Protocol] = partial(
            self._make_protocol,
            lost=self.listener.lost,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        await self.listener.start(make_protocol)
        self.servers.append(self.listener)  # type: ignore[arg-type]
        self._configuration.serving = True
        self._changes.notify()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Connections that were accepted and are not made yet are asked to go like all others."""
        self.listener.close()
        await self.listener.wait_closed()
        if self.own_ports is None:
            await super().shutdown(sockets)
        else:
            await asyncio.gather(self.own_ports.close(), super().shutdown(sockets))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
