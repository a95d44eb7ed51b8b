"""The replicas that have dialled this query frontend: their wire, their credits, their batches in flight."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, cast

from clipper_container import wire
from clipper_container.errors import WireError
from clipper_container.inputs import DTYPES, Tensor, sized_tensor
from clipper_container.metrics import MOST

from ..snapshot import BatchingSpec
from .batching import Way, way_of
from .latency import LatencyTable
from .metrics import ReplicaMetrics
from .queue import ModelQueue
from .task import Dispatch, Outcome

HANG_OBJECTIVES = 10  # a replica hangs when its batch runs longer than so many objectives, ...
HANG_P99S = 10  # ... so many times as long as predicted, and longer than the version's `hang_after_s`

log = logging.getLogger(__name__)


class Registry(Protocol):
    """Where a replica that says hello finds its queue."""

    frontend: str
    clock: Callable[[], float]

    def queue(self, model: str, version: str) -> ModelQueue | None: ...

    def replicas_changed(self) -> None:
        """A replica came, became ready or went: management should know at once."""


class Replica(asyncio.BufferedProtocol):
    """One connection to one replica, from its hello to its end."""

    def __init__(self, registry: Registry, everyone: set[Replica]) -> None:
        self.name = ""
        self.credits = 0
        self.in_flight: deque[Dispatch] = deque()
        self.free_at = 0.0
        self.replied_at = 0.0
        self.table = LatencyTable()
        self.way: Way = way_of(BatchingSpec())
        self.metrics = ReplicaMetrics()
        self.state: Literal["new", "starting", "ready", "gone"] = "new"
        self.hangs: str | None = None
        self.warnings: list[str] = []
        self.hello: wire.Hello | None = None
        self._registry = registry
        self._everyone = everyone
        self._queue: ModelQueue | None = None
        self._ids: deque[int] = deque()  # of the batches in flight
        self._next_id = 0
        self._began_at = 0.0  # when the first batch in flight may have begun
        self.asking = False
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
            case wire.Reply() | wire.Credit() if self.state == "gone":
                pass  # it crossed our word that we want no more of it
            case wire.Credit() if self._queue is not None and self.state == "ready":
                self.credits += message.credits
                self.asking = False
                self._queue.pump_soon()
            case wire.Recall():
                self._write(wire.Yield(self.credits))
                self.credits = 0
            case wire.Hello() if self.state == "new":
                self._on_hello(message)
            case wire.Ready() if self._queue is not None and self.state == "starting":
                self._queue.starting -= 1
                self.state = "ready"
                self.warnings = message.warnings[:MOST]
                self._queue.join(self, message.measured)
                self._registry.replicas_changed()
            case wire.Metrics():
                if len(message.metrics) > MOST:
                    raise WireError(f"It has {len(message.metrics)} metrics of its own; {MOST} is the most.")
                self.metrics.custom = message.metrics
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
            self.name = hello.replica
            self.metrics = queue.metrics.replicas.setdefault(hello.replica, self.metrics)
            self._queue = queue
            self._everyone.add(self)
            queue.starting += 1
            self._write(wire.Welcome(self._registry.frontend))
            self._registry.replicas_changed()
            return
        log.warning("refused replica %s of %s:%s: %s", hello.replica, hello.model, hello.version, refusal)
        self._write(wire.Refused(refusal))
        self.close()

    def send(self, dispatch: Dispatch) -> None:
        """Spend a credit on one batch."""
        tensors = [task.tensor for task in dispatch.tasks]
        dtypes = [tensor.dtype for tensor in tensors]
        shapes = [tensor.shape for tensor in tensors]
        if dtypes.count(dtypes[0]) == len(dtypes):
            del dtypes[1:]
        if shapes.count(shapes[0]) == len(shapes):
            del shapes[1:]
        raw = [i for i, task in enumerate(dispatch.tasks) if task.raw]
        self._next_id += 1
        batch = wire.Batch(self._next_id, len(tensors), dtypes, shapes, raw)
        self._write(batch, [tensor.data for tensor in tensors])
        self.credits -= 1
        if not self.in_flight:
            self._began_at = dispatch.sent_at
        self.in_flight.append(dispatch)
        self._ids.append(self._next_id)

    def ask_for_credit(self) -> None:
        if not self.asking and self.state == "ready":
            self.asking = True
            self._write(wire.Backlog())

    def _on_reply(self, reply: wire.Reply, body: memoryview) -> None:
        if not self._ids or self._ids[0] != reply.id:
            raise WireError(f"It answered batch {reply.id}, whose turn it is not.")
        dispatch = self.in_flight[0]
        outcomes = reply.fault or self._outcomes(reply, body, dispatch.size)
        self.in_flight.popleft()
        self._ids.popleft()
        now = self._registry.clock()
        dispatch.replied_at = self._began_at = now
        dispatch.compute_s = reply.compute_s
        self.credits += reply.credits
        self.metrics.answered += dispatch.size
        self.metrics.latency.observe(now - dispatch.sent_at)
        if self._queue is not None:
            self._queue.answered(self, dispatch, outcomes)

    @staticmethod
    def _outcomes(reply: wire.Reply, body: memoryview, count: int) -> Sequence[Outcome]:
        if len(reply.sizes) != count or sum(reply.sizes) != len(body):
            raise WireError("It sent a reply whose sizes do not add up.")
        found: list[Outcome] = []
        start = 0
        for size in reply.sizes:
            found.append(bytes(body[start : start + size]))
            start += size
        for i, (dtype, shape) in reply.tensors.items():
            if not 0 <= i < count:
                raise WireError("It sent a reply with a tensor that is no output.")
            data = cast(bytes, found[i])
            try:
                found[i] = sized_tensor(data, shape, dtype) if dtype in DTYPES else Tensor(data, shape, dtype)
            except ValueError as error:
                raise WireError(f"It sent a reply with a tensor that is none: {error}.") from None
        for i, fault in reply.faults.items():
            if not 0 <= i < count:
                raise WireError("It sent a reply with a fault of no output.")
            found[i] = fault
        return found

    def look_for_hang(self, now: float) -> None:
        """Give the replica up where its batch has run for far too long. Management ends it."""
        if not self.in_flight or self._queue is None:
            return
        dispatch = self.in_flight[0]
        objective_s = max((task.objective_s for task in dispatch.tasks), default=0.0)
        p99 = self.table.p99(dispatch.cost) or 0.0
        allowed_s = max(HANG_OBJECTIVES * objective_s, HANG_P99S * p99, self._queue.spec.hang_after_s)
        if now - self._began_at > allowed_s:
            self.hangs = (
                f"{self} hangs: a batch of {dispatch.size} has been running for {now - self._began_at:.1f} s."
            )
            log.warning("%s", self.hangs)
            self._give_up()

    def _give_up(self) -> None:
        """Take everything from it, but stay connected: while it is, it is known to hang."""
        queue, lost = self._queue, list(self.in_flight)
        if queue is not None and self.state == "ready":
            queue.ready.remove(self)
        self.state = "gone"
        self.credits = 0
        self._queue = None
        self.in_flight.clear()
        self._ids.clear()
        self._registry.replicas_changed()
        if queue is not None:
            queue.lost(lost)

    def _write(self, message: object, body: Sequence[wire.Buffer] = ()) -> None:
        assert self._transport is not None
        self._transport.writelines(wire.frame(message, body))

    def _leave(self) -> None:
        """Get no more batches."""
        if self._queue is not None and self.state == "ready":
            self._queue.ready.remove(self)
        elif self._queue is not None and self.state == "starting":
            self._queue.starting -= 1
        self.state = "gone"
        self.credits = 0
        self._everyone.discard(self)
        self._registry.replicas_changed()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        queue, lost = self._queue, list(self.in_flight)
        if self in self._everyone:
            log.warning("%s is gone%s", self, f", with {len(lost)} batches in flight" if lost else "")
            self._leave()
        if queue is not None:
            queue.metrics.replicas.pop(self.name, None)
        self._queue = None
        self.in_flight.clear()
        if queue is not None and lost:
            queue.lost(lost)

    def __str__(self) -> str:
        if self.hello is None:
            return "a connection on the replicas' socket"
        return f"replica {self.hello.replica} of {self.hello.model}:{self.hello.version}"


def credential(token: str) -> str:
    """What a snapshot holds of a replica's token."""
    return hashlib.sha256(token.encode()).hexdigest()
