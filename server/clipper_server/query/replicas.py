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
from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from ..snapshot import BatchingSpec, Complaint
from . import door
from .batching import MAX_BATCH_BYTES, Way, way_of
from .calls import MOST, Call, Calls
from .latencies import Latencies
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
    calls: Calls

    def queue(self, model: str, version: str) -> ModelQueue | None: ...

    def replicas_changed(self) -> None:
        """A replica came, became ready or went: management should know at once."""

    def complain(self, complaint: Complaint) -> None:
        """A replica was closed for what it said: management should tell its owner."""

    def notice(self, notice: Complaint) -> None:
        """A replica has something to say to its owner."""


class Replica(asyncio.BufferedProtocol):
    """One connection to one replica, from its hello to its end."""

    def __init__(self, registry: Registry, everyone: set[Replica]) -> None:
        self.name = ""
        self.credits = 0
        self.in_flight: deque[Dispatch] = deque()
        self.free_at = 0.0
        self.replied_at = 0.0
        self.concurrency = 1
        self.latencies = Latencies()
        self.table = self.latencies.at(1)
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
        self._silence: asyncio.TimerHandle | None = None  # ends it, if it says no hello
        self._retires = False
        self._calls: dict[int, Call] = {}  # that its batches have made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._silence = asyncio.get_running_loop().call_later(door.HELLO_S, self.close)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._got :]

    def buffer_updated(self, nbytes: int) -> None:
        self._got += nbytes
        if self._got < len(self._buffer):
            return
        self._got = 0
        try:
            if self._lengths is None:
                asked = bool(self._ids) or self.state == "gone"  # it may not know yet that it is
                self._lengths = door.lengths(self._buffer, self.hello is not None, asked)
                self._buffer = door.room(sum(self._lengths))
                return
            header, _ = self._lengths
            content, self._buffer, self._lengths = self._buffer, self._prefix, None
            self._on_message(wire.to_frontend(content[:header]), content[header:])
        except WireError as error:
            self._turn_out(str(error))
        except Exception:
            log.exception("%s said what was not foreseen", self)
            self._turn_out("It said what was not foreseen: the query frontend's log has the traceback.")

    def _turn_out(self, why: str) -> None:
        """It cannot be believed: it is closed, and its owner is told."""
        text = f"{self} is closed: {why}"
        log.warning("%s", text)
        if self.hello is not None:
            who = self.hello.model, self.hello.version, self.hello.replica
            self._registry.complain(Complaint(*who, text))
        if self._transport is not None:
            self._transport.abort()  # it may not even read
        self._end()  # not a turn later: it would get one more batch

    def _on_message(self, message: wire.ToFrontend, body: memoryview) -> None:
        if not isinstance(message, wire.Reply):
            message = door.checked(message)
        match message:
            case wire.Reply() if self._queue is not None:
                self._on_reply(message, body)
            case wire.Call() if self._queue is not None and self.state != "starting":
                self._on_call(self._queue, message, body)
            case wire.Cancel() if self._queue is not None:
                if (call := self._calls.pop(message.id, None)) is not None:
                    call.leave()
            case wire.Reply() | wire.Credit() | wire.Call() | wire.Cancel() if self.state == "gone":
                pass  # it crossed our word that we want no more of it
            case wire.Credit() if self._queue is not None and self.state == "ready":
                self._earn(message.credits)
                self.asking = False
                self._queue.pump_soon()
            case wire.Recall() if self.hello is not None:
                assert self._transport is not None
                if self._transport.get_write_buffer_size() > 2 * MAX_BATCH_BYTES:
                    raise WireError("It asks, and does not read what it is told.")
                self._write(wire.Yield(self.credits))
                self.credits = 0
            case wire.Hello() if self.state == "new":
                self._on_hello(message)
            case wire.Ready() if self._queue is not None and self.state == "starting":
                self._queue.example = message.example
                self._queue.join(self, message.measured)
                self._queue.starting -= 1
                self.state = "ready"
                self.warnings = message.warnings
                self._registry.replicas_changed()
            case wire.Metrics() if self.hello is not None:
                self.metrics.custom = message.metrics
            case wire.Notice() if self.hello is not None and self._queue is not None:
                who = self.hello.model, self.hello.version, self.hello.replica
                self._registry.notice(Complaint(*who, f"{self}: {message.text}", "notice"))
            case wire.Notice() if self.state == "gone":
                pass  # it crossed our word that we want no more of it
            case wire.Draining() if self.hello is not None:
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
            if self._silence is not None:
                self._silence.cancel()
            self.hello = hello
            self.state = "starting"
            self.name = hello.replica
            if (concurrency := queue.spec.concurrency) > 1:
                self.concurrency = concurrency
                self.latencies = Latencies(concurrency, calls=bool(queue.spec.uses))
                self.table = self.latencies.at(1)
            self.metrics = queue.metrics.replicas.setdefault(hello.replica, self.metrics)
            self._queue = queue
            self._everyone.add(self)
            queue.starting += 1
            self._write(wire.Welcome(self._registry.frontend))
            self._registry.replicas_changed()
            return
        who = [door.shown(text) for text in (hello.replica, hello.model, hello.version)]
        log.warning("refused replica %s of %s:%s: %s", *who, door.shown(refusal))
        self._write(wire.Refused(refusal))
        self.close()

    def send(self, dispatch: Dispatch) -> None:
        """Spend a credit on one batch."""
        tasks = dispatch.tasks
        body, shapes, dtypes = zip(*[task.tensor for task in tasks], strict=True)
        kinds = []
        if dtypes.count(dtypes[0]) == len(dtypes):
            dtypes = dtypes[:1]
        else:  # one that names the parts of a set is long
            places = {dtype: i for i, dtype in enumerate(dict.fromkeys(dtypes))}
            kinds, dtypes = [places[dtype] for dtype in dtypes], tuple(places)
        if shapes.count(shapes[0]) == len(shapes):
            shapes = shapes[:1]
        raw = [i for i, task in enumerate(tasks) if task.raw]
        self._next_id += 1
        left_s = 0.0
        if self._queue is not None and (self._queue.spec.uses or self.concurrency > 1):
            left_s = max(1e-6, max(task.latest for task in tasks) - dispatch.sent_at)
        batch = wire.Batch(self._next_id, len(tasks), list(dtypes), list(shapes), raw, kinds, left_s)
        self._write(batch, body)
        self.credits -= 1
        if not self.in_flight:
            self._began_at = dispatch.sent_at
        self.in_flight.append(dispatch)
        self._ids.append(self._next_id)
        if self.concurrency > 1:
            dispatch.at_once = min(len(self._ids), self.concurrency)

    def _earn(self, credits: int, answered: int = 0) -> None:
        most = max(door.MAX_CREDITS, self.concurrency)
        if self.credits + len(self.in_flight) - answered + credits > most:
            raise WireError(f"It gives more than {most} credits.")
        self.credits += credits

    def ask_for_credit(self) -> None:
        if not self.asking and self.state == "ready":
            self.asking = True
            self._write(wire.Backlog())

    def _on_reply(self, reply: wire.Reply, body: memoryview) -> None:
        several = self.concurrency > 1
        turn = self._place(reply.id) if several else 0
        if not self._ids or self._ids[turn] != reply.id:
            raise WireError(f"It answered batch {reply.id}, whose turn it is not.")
        dispatch = self.in_flight[turn]
        outcomes = door.outcomes(reply, body, dispatch.tasks)
        self._earn(reply.credits, answered=1)
        if several:
            self.asking = self.asking and not reply.credits  # it may ask for one more
            dispatch.at_once = max(dispatch.at_once, min(len(self._ids), self.concurrency))
        if reply.partial:
            dispatch.partial = True
        del self.in_flight[turn], self._ids[turn]
        now = self._registry.clock()
        dispatch.replied_at = self._began_at = now
        dispatch.compute_s = reply.compute_s
        if self._calls:
            self._let_go([id for id, call in self._calls.items() if call.batch == reply.id])
        self.metrics.answered += dispatch.size
        self.metrics.latency.observe(now - dispatch.sent_at)
        if self._queue is not None:
            self._queue.answered(self, dispatch, outcomes)
        self._end_if_retired()

    def _on_call(self, queue: ModelQueue, message: wire.Call, body: memoryview) -> None:
        """Ask another model in its name."""

        def tell(outcome: Outcome) -> None:
            self._calls.pop(message.id, None)
            if isinstance(outcome, Tensor):
                self._write(wire.Called(message.id, outcome.dtype, outcome.shape, None), [outcome.data])
            elif isinstance(outcome, Fault):
                self._write(wire.Called(message.id, "", (), outcome))
            else:
                self._write(wire.Called(message.id, "", (), None), [outcome])

        if message.id in self._calls:
            raise WireError(f"It made the call {message.id} twice.")
        if message.batch not in self._ids:
            tell(Fault("not_needed", "The query that called it is answered."))
        elif len(self._calls) >= MOST * self.concurrency:
            tell(Fault("overload", f"{len(self._calls)} calls are under way; {MOST} a query is the most."))
        else:
            dispatch = self.in_flight[self._ids.index(message.batch)]
            call = self._registry.calls.ask(queue, dispatch, message, body, tell)
            if call is not None:
                self._calls[message.id] = call

    def _let_go(self, calls: Sequence[int], *, lost: bool = False) -> None:
        """Nobody waits for these any more: the batch was answered without them, or is `lost`."""
        for id in calls:
            self._calls.pop(id).leave(counts=not lost)

    def _place(self, id: int) -> int:
        """Of a batch among those in flight."""
        return self._ids.index(id) if id in self._ids else 0

    def look_for_hang(self, now: float) -> None:
        """Give the replica up where a batch has run for far too long. Management ends it."""
        if self._queue is None:
            return
        running = [self.in_flight[0]] if self.in_flight and self.concurrency == 1 else list(self.in_flight)
        for dispatch in running:
            began_at = self._began_at if self.concurrency == 1 else dispatch.sent_at
            objective_s = max((task.objective_s for task in dispatch.tasks), default=0.0)
            p99 = self.table.p99(dispatch.cost) or 0.0
            allowed_s = max(HANG_OBJECTIVES * objective_s, HANG_P99S * p99, self._queue.spec.hang_after_s)
            if now - began_at > allowed_s:
                self.hangs = (
                    f"{self} hangs: a batch of {dispatch.size} has been running for {now - began_at:.1f} s."
                )
                log.warning("%s", self.hangs)
                self._give_up()
                return

    def _give_up(self) -> None:
        """Take everything from it, but stay connected: while it is, it is known to hang."""
        queue, lost = self._queue, list(self.in_flight)
        if queue is not None and self.state == "ready":
            queue.leave(self)
        self.state = "gone"
        self.credits = 0
        self._queue = None
        self._let_go(list(self._calls), lost=True)
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
            self._queue.leave(self)
        elif self._queue is not None and self.state == "starting":
            self._queue.fell()
        self.state = "gone"
        self.credits = 0
        self._everyone.discard(self)
        self._registry.replicas_changed()

    def retire(self) -> None:
        """Its version is no more, whatever has that name now: it answers what it has, and is left."""
        self._retires = True
        self._end_if_retired()

    def _end_if_retired(self) -> None:
        if self._retires and not self.in_flight:
            self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        """Nothing comes of it any more; what it had is for others. May be called twice."""
        if self._silence is not None:
            self._silence.cancel()
        queue, lost = self._queue, list(self.in_flight)
        if self in self._everyone:
            log.warning("%s is gone%s", self, f", with {len(lost)} batches in flight" if lost else "")
            self._leave()
        if queue is not None:
            queue.metrics.replicas.pop(self.name, None)
        self._queue = None
        self._let_go(list(self._calls), lost=True)
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
