"""Opens and closes the ports of protocols that have some of their own, as the snapshot says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

import uvicorn

from clipper_container.errors import ClusterError

from ..changes import Changes
from ..protocols import ProtocolSpec
from ..supervisor import sentence
from .configuration import Configuration
from .cors import CORS
from .hosts import Hosts, OnlyWelcome
from .http import HTTPProtocol
from .intake.desk import Desk
from .listener import Listener
from .protocols import Adapter, Spoken
from .protocols.kinds import load

if TYPE_CHECKING:
    from .rpc import Server

TRY_AGAIN_S = 5.0
DRAIN_S = 5.0

log = logging.getLogger(__name__)


class Site:
    """The routes of a protocol's REST port, as a connection looks for them."""

    def __init__(self, protocol: Spoken, configuration: Configuration) -> None:
        self.desks: dict[bytes, Desk] = {}  # feedback is taken at the port for queries
        self._protocol = protocol
        self._configuration = configuration

    @property
    def routes(self) -> Mapping[bytes, Adapter]:
        return self._protocol.routes

    @property
    def cors(self) -> CORS | None:
        return self._configuration.cors


class _Open(NamedTuple):
    protocol: Spoken
    listener: Listener | None
    connections: WeakSet[HTTPProtocol]
    server: Server | None


MakeConnection = Callable[[Site, uvicorn.Config, Callable[[], None]], HTTPProtocol]


class OwnPorts:
    """Of one frontend, at `host`. `connection` makes what a connection to a REST port is."""

    def __init__(
        self,
        configuration: Configuration,
        changes: Changes,
        host: str,
        folder: Path,
        connection: MakeConnection,
    ) -> None:
        self._configuration = configuration
        self._changes = changes
        self._host = host
        self._folder = folder
        self._connection = connection
        self._open: dict[ProtocolSpec, _Open] = {}
        self._failed: set[ProtocolSpec] = set()
        self._closed = False

    def _wanted(self) -> set[ProtocolSpec]:
        """Without their keys: for another key no port is opened anew."""
        snapshot = self._configuration.snapshot
        specs = [] if snapshot is None else snapshot.protocols
        return {ProtocolSpec(spec.name, spec.rest, spec.grpc) for spec in specs}

    def _is_news(self) -> bool:
        return not self._closed and self._wanted() != {*self._open, *self._failed}

    async def keep(self) -> None:
        """Wait until there is something to open or to close, and do it. What failed is tried again."""
        await self._changes.wait_for(self._is_news, TRY_AGAIN_S if self._failed else None)
        if self._closed:
            return
        wanted = self._wanted()
        for spec in [spec for spec in self._open if spec not in wanted]:
            await self._close(spec)
        self._failed &= wanted
        for spec in wanted - self._open.keys():
            try:
                self._open[spec] = await self._begin(spec)
            except Exception as error:
                log.exception("%s cannot be served", spec.name)
                self._failed.add(spec)
                self._configuration.opened[spec.name] = (
                    f"Query frontend {self._configuration.frontend} cannot serve it: {sentence(error)}"
                )
            else:
                self._failed.discard(spec)
                self._configuration.opened[spec.name] = ""
        names = {spec.name for spec in wanted}
        for name in self._configuration.opened.keys() - names:
            del self._configuration.opened[name]
        self._changes.notify()

    async def _begin(self, spec: ProtocolSpec) -> _Open:
        protocol = load(spec.name, self._configuration)
        self._configuration.spoken.append(protocol)  # at once: there may be a new snapshot before it listens
        listener, server = None, None
        connections: WeakSet[HTTPProtocol] = WeakSet()
        try:
            if spec.rest:
                folder = self._folder / str(spec.rest)  # short, for paths of sockets have little room
                folder.mkdir(exist_ok=True)
                listener = Listener(self._configuration.frontend, f"{self._host}:{spec.rest}", folder)
                await listener.start(self._connect(protocol, listener, connections))
            if spec.grpc:
                from .rpc import Server  # late: it brings gRPC with it

                server = Server(protocol, f"{self._host}:{spec.grpc}", self._configuration.limits)
                await server.start()
        except BaseException as error:
            self._configuration.spoken.remove(protocol)
            if listener is not None:
                listener.close()
            if isinstance(error, OSError):
                raise ClusterError(f"It cannot listen: {error.strerror or error}.") from error
            raise
        return _Open(protocol, listener, connections, server)

    def _connect(
        self, protocol: Spoken, listener: Listener, connections: WeakSet[HTTPProtocol]
    ) -> Callable[[], HTTPProtocol]:
        """What makes a connection to its REST port, and notes it in `connections`."""
        assert protocol.app is not None
        app = OnlyWelcome(protocol.app, Hosts(self._host))
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False)
        config.load()
        connection = partial(self._connection, Site(protocol, self._configuration), config, listener.lost)

        def connect() -> HTTPProtocol:
            made = connection()
            connections.add(made)
            return made

        return connect

    async def _close(self, spec: ProtocolSpec) -> None:
        protocol, listener, connections, server = self._open.pop(spec)
        self._configuration.spoken.remove(protocol)
        if listener is not None:
            listener.close()
            await listener.wait_closed()
        for connection in list(connections):
            connection.shutdown()
        if server is not None:
            await server.stop(DRAIN_S)

    async def close(self) -> None:
        """All of them; what is under way is answered."""
        self._closed = True
        await asyncio.gather(*map(self._close, list(self._open)))
