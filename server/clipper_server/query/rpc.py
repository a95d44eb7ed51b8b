"""A protocol's methods over gRPC: calls come as bytes, and end with the status that what went wrong has.

`grpc.aio` on the frontend's own event loop. All frontends listen at one port, and the kernel deals the
connections out. Imported where a protocol over gRPC is on.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from clipper_container.errors import (
    AlreadyExists,
    BadRequest,
    ClipperException,
    NotFound,
    TooLarge,
    Unauthorized,
)

from .limits import Limits
from .protocols import Spoken, structure
from .protocols.protos import Protos
from .protocols.rpc import Call, Method, Refused, Stream

MAX_STREAMS = 1024  # calls at once on one connection
MAX_METADATA = 16 << 10  # bytes
MAX_CALLS = 4096  # at once, of all connections
MAX_WORDS = 1000  # letters of an error, which travels as metadata does
_STATUS = {
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
}

log = logging.getLogger(__name__)


class _Calls(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    """Those of one protocol, by path."""

    def __init__(self, methods: Mapping[str, Any], protos: Protos, most: int) -> None:
        self._handlers = {
            path: (_streaming if protos.methods[path].gives_stream else _handler)(
                method, partial(structure.check, raw=protos.raw.get(path, {}), most=most)
            )
            for path, method in methods.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


Check = Callable[[bytes], None]


def _handler(method: Method, check: Check) -> Any:
    async def answer(data: bytes, context: Any) -> bytes:
        try:
            check(data)
            return await method(data, Call(context))
        except Exception as error:
            await _end(context, error)
            raise

    return grpc.unary_unary_rpc_method_handler(answer)


def _streaming(stream: Stream, check: Check) -> Any:
    async def checked(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for data in requests:
            check(data)
            yield data

    async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        try:
            async for data in stream(checked(requests), Call(context)):
                yield data
        except Exception as error:
            await _end(context, error)
            raise

    return grpc.stream_stream_rpc_method_handler(answer)


async def _end(context: Any, error: Exception) -> None:
    """With the status that says what went wrong: it raises, but where the call has ended already."""
    if isinstance(error, grpc.aio.AbortError):
        return
    if isinstance(error, Refused):
        await context.abort(error.code, str(error)[:MAX_WORDS], error.headers)
    if isinstance(error, ClipperException):
        await context.abort(_STATUS.get(type(error), grpc.StatusCode.UNAVAILABLE), str(error)[:MAX_WORDS])
    log.error("a call could not be answered", exc_info=error)
    advice = "The query frontend's log has its traceback."
    await context.abort(grpc.StatusCode.INTERNAL, f"It failed by a fault of Clipper Lab. {advice}")


class Server:
    """A protocol's methods at `address`, with gRPC's own services for health and reflection."""

    def __init__(self, protocol: Spoken, address: str, limits: Limits) -> None:
        assert protocol.protos is not None
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", limits.body),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.max_metadata_size", MAX_METADATA),
            ],
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        self._server.add_generic_rpc_handlers((_Calls(protocol.methods, protocol.protos, limits.json),))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services = protocol.protos.services
        names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, protocol.protos.pool)
        self._address = address

    async def start(self) -> None:
        """Raises OSError where the port is somebody else's."""
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen at {self._address}: the port is taken") from error
        await self._server.start()
        for name in ("", *self._services):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Take no more, and give what is under way so long to end."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
