"""A protocol over gRPC as a query frontend serves it, in the test's own loop, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from clipper_server.query.configuration import Configuration
from clipper_server.query.limits import Limits
from clipper_server.query.protocols.kinds import load
from clipper_server.query.rpc import Server

from .ports import free_port

DEADLINE_S = 60.0


class Client:
    """Asks by messages' names, as a client of the protocol does."""

    def __init__(self, protos: Any, channel: grpc.aio.Channel) -> None:
        self.protos = protos
        self.channel = channel

    def message(self, method: str, **fields: Any) -> Any:
        return self.protos.methods[self._path(method)].takes(**fields)

    def call(
        self, method: str, message: Any = None, *, timeout: float = DEADLINE_S, **options: Any
    ) -> grpc.aio.UnaryUnaryCall[Any, Any]:
        """The call, to be awaited. `message` may be bytes, or the message's fields."""
        path = self._path(method)
        takes, gives, *_ = self.protos.methods[path]
        if not isinstance(message, bytes):
            message = (
                takes(**(message or {})) if not isinstance(message, takes) else message
            ).SerializeToString()
        ask = self.channel.unary_unary(path, response_deserializer=gives.FromString)
        return ask(message, timeout=timeout, **options)

    async def refused(self, method: str, message: Any = None, **options: Any) -> grpc.aio.AioRpcError:
        """With which error it ends."""
        try:
            answer = await self.call(method, message, **options)
        except grpc.aio.AioRpcError as error:
            return error
        raise AssertionError(f"{method} was answered: {answer}")

    def _path(self, method: str) -> str:
        return f"/{self.protos.services[0]}/{method}"


@asynccontextmanager
async def served(
    configuration: Configuration, protocol: str, *, port: int = 0, max_message: int = 1 << 20
) -> AsyncIterator[Client]:
    """The client of one server at that port, or at a free one."""
    _may_be_told_late(asyncio.get_running_loop())
    address = f"127.0.0.1:{port or free_port()}"
    spoken = load(protocol, configuration)
    server = Server(spoken, address, Limits(body=max_message))
    await server.start()
    try:
        # Without a subchannel of all channels' own a test would ask the server of the one before it.
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            yield Client(spoken.protos, channel)
    finally:
        await server.stop(0)


def trailing(call: Any) -> dict[str, str]:
    """The trailing metadata of an error, or of what `await call.trailing_metadata()` gave."""
    found = call.trailing_metadata() if hasattr(call, "trailing_metadata") else call
    return dict(found or ())


async def until(look: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody when it changes
            await asyncio.sleep(0)


def _may_be_told_late(loop: Any) -> None:
    """gRPC tells a test's loop of a call's end by way of later tests' loops. Where it is closed by then,
    nobody waits for it there, and it is no fault of theirs.
    """
    tell = loop.call_soon_threadsafe

    def tell_while_it_runs(*args: Any, **options: Any) -> Any:
        return None if loop.is_closed() else tell(*args, **options)

    loop.call_soon_threadsafe = tell_while_it_runs
