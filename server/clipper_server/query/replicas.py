"""The replicas that have dialled this query frontend: their wire, their credits, their batches in flight."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from typing import Literal, Protocol, cast

from clipper_container import wire
from clipper_container.errors import WireError
from clipper_container.inputs import INPUT_TYPES

from .queue import ModelQueue
from .task import Task

log = logging.getLogger(__name__)


class Registry(Protocol):
    """Where a replica that says hello finds its queue."""

    frontend: str

    def queue(self, model: str, version: str) -> ModelQueue | None: ...

    def replicas_changed(self) -> None:
        """A replica came, became ready or went: management should know at once."""


class Replica(asyncio.BufferedProtocol):
    """One connection to one replica, from its hello to its end."""

    def __init__(self, registry: Registry, everyone: set[Replica]) -> None:
        self.credits = 0
        self.state: Literal["new", "starting", "ready", "gone"] = "new"
        self.answered = 0
        self.hello: wire.Hello | None = None
        self._registry = registry
        self._everyone = everyone
        self._queue: ModelQueue | None = None
        self._in_flight: dict[int, list[Task]] = {}
        self._next_batch = 0
        self._dtype = ""
        self._transport: asyncio.Transport | None = None
        self._prefix = memoryview(bytearray(wire.PREFIX.size))
        self._buffer = self._prefix
        self._got = 0
        self._lengths: tuple[int, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._got :]

    def buffer_updated(self, nbytes: int) -> None:
        self._got += nbytes
        if self._got < len(self._buffer):
            return
        self._got = 0
        try:
            if self._lengths is None:
                self._lengths = wire.lengths(self._buffer)
                self._buffer = memoryview(bytearray(sum(self._lengths)))
                return
            header, _ = self._lengths
            content, self._buffer, self._lengths = self._buffer, self._prefix, None
            self._on_message(wire.to_frontend(content[:header]), content[header:])
        except WireError as error:
            log.warning("%s: %s The connection is closed.", self, error)
            self.close()

    def _on_message(self, message: wire.ToFrontend, body: memoryview) -> None:
        match message:
            case wire.Reply() if self._queue is not None:
                self._on_reply(message, body)
            case wire.Hello() if self.state == "new":
                self._on_hello(message)
            case wire.Ready() if self._queue is not None and self.state == "starting":
                self._queue.starting -= 1
                self._queue.ready.append(self)
                self.state = "ready"
                self.credits = message.credits
                self._queue.pump_soon()
                self._registry.replicas_changed()
            case wire.Draining():
                self._leave()
                self._write(wire.Released())
            case _:
                raise WireError(f"It sent {type(message).__name__} out of turn.")

    def _on_hello(self, hello: wire.Hello) -> None:
        queue = self._registry.queue(hello.model, hello.version)
        if hello.wire != wire.WIRE_VERSION:
            refusal = (
                f"it speaks wire version {hello.wire}, and this cluster version {wire.WIRE_VERSION}: "
                "use the same version of clipperlab for both"
            )
        elif queue is None:
            refusal = f"{hello.model}:{hello.version} is not deployed on this cluster"
        elif not hmac.compare_digest(credential(hello.token), queue.spec.credential):
            refusal = f"its token is not the one for {hello.model}:{hello.version}"
        else:
            self.hello = hello
            self.state = "starting"
            self._queue = queue
            self._dtype = INPUT_TYPES[queue.spec.input_type].dtype
            self._everyone.add(self)
            queue.starting += 1
            self._write(wire.Welcome(self._registry.frontend))
            self._registry.replicas_changed()
            return
        log.warning("refused replica %s of %s:%s: %s", hello.replica, hello.model, hello.version, refusal)
        self._write(wire.Refused(refusal))
        self.close()

    def send(self, tasks: list[Task]) -> None:
        """Spend a credit on one batch."""
        self.credits -= 1
        self._next_batch += 1
        self._in_flight[self._next_batch] = tasks
        shapes = [task.tensor.shape for task in tasks]
        if shapes.count(shapes[0]) == len(shapes):
            del shapes[1:]
        batch = wire.Batch(self._next_batch, self._dtype, len(tasks), shapes)
        self._write(batch, [task.tensor.data for task in tasks])

    def _on_reply(self, reply: wire.Reply, body: memoryview) -> None:
        tasks = self._in_flight.pop(reply.id, None)
        if tasks is None:
            raise WireError(f"It answered batch {reply.id}, which it was not sent.")
        assert self._queue is not None
        self.credits += reply.credits
        if reply.fault is not None:
            for task in tasks:
                task.finish(reply.fault)
        else:
            if len(reply.sizes) != len(tasks) or sum(reply.sizes) != len(body):
                self._in_flight[reply.id] = tasks
                raise WireError("It sent a reply whose sizes do not add up.")
            self._queue.policy.observe(len(tasks), reply.compute_s)
            start = 0
            for i, (task, size) in enumerate(zip(tasks, reply.sizes, strict=True)):
                task.finish(reply.faults.get(i) or bytes(body[start : start + size]))
                start += size
        self.answered += len(tasks)
        self._queue.pump_soon()

    def _write(self, message: object, body: list[bytes] | None = None) -> None:
        assert self._transport is not None
        self._transport.writelines(wire.frame(message, body or []))

    def _leave(self) -> None:
        """Get no more batches."""
        if self._queue is not None and self.state == "ready":
            self._queue.ready.remove(self)
        elif self._queue is not None and self.state == "starting":
            self._queue.starting -= 1
        self.state = "gone"
        self._everyone.discard(self)
        self._registry.replicas_changed()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        queue, in_flight = self._queue, list(self._in_flight.values())
        if self in self._everyone:
            log.warning(
                "%s is gone%s", self, f", with {len(in_flight)} batches in flight" if in_flight else ""
            )
            self._leave()
        self._queue = None
        self._in_flight.clear()
        if queue is not None:
            for tasks in in_flight:
                queue.lost(tasks)

    def __str__(self) -> str:
        if self.hello is None:
            return "a connection on the replicas' socket"
        return f"replica {self.hello.replica} of {self.hello.model}:{self.hello.version}"


def credential(token: str) -> str:
    """What a snapshot holds of a replica's token."""
    return hashlib.sha256(token.encode()).hexdigest()
