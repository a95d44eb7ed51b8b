"""A query frontend without sockets, in virtual time: an honest replica, and beside it whatever liars say.

What they say is drawn from a `random.Random`: hypothesis has one that it can shrink, and a seed is enough for
a million messages by hand.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, cast

import msgspec

from clipper_container import wire
from clipper_container.tensors import Tensor
from clipper_server.query.configuration import Configuration
from clipper_server.query.replicas import Replica, credential
from clipper_server.query.request import Answer, Request
from clipper_server.snapshot import ApplicationSpec, Report, Snapshot

from .fakes import version_spec
from .virtual_time import VirtualLoop

HONEST, LIAR = "honest", "liar"
OBJECTIVE_S = 1.0
ANSWERS_IN_S = 0.002  # the honest replica, and all that it has to wait for is its own batch before
MOST_LIARS = 6
MAX_REPORT = 4 << 20
NUMBERS = [0, 1, 2, 3, -1, 16, 17, 255, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, -(1 << 63)]
FLOATS = [0.0, 0.001, 1.0, -1.0, 1e308, 5e-324, math.nan, math.inf, -math.inf, 1e18]
TEXTS = ["", "m", "1", LIAR, HONEST, "a\r\nb: c", "\u2028", "\0", "é" * 50, "x" * 5000, "Histogram", "Gauge"]
TEXTS += ["model_error", "bad_output", "overload", "<f8", "<i8", "str", "bytes", "object", "|V8", "O"]
BODIES = [
    b"",
    b"1.0",
    b"null",
    b'{"a":1}',
    b'1,"x":2',
    b'"\xff"',
    b"[" * 2000,
    b"\0" * 8,
    b"NaN",
    b"\xe2\x80",
]


class Transport:
    """The frontend's end of a stream. What it writes is handed over at once."""

    def __init__(self, replica: Replica, heard: Callable[[wire.ToContainer], None]) -> None:
        self.unread = 0
        self.closing = False
        self._given_up = False
        self._replica = replica
        self._heard = heard

    def writelines(self, parts: Sequence[wire.Buffer]) -> None:
        assert not self._given_up, "it was written to after it was given up"
        if self.closing:
            return
        header, _ = wire.lengths(parts[0][: wire.PREFIX.size])
        self._heard(wire.to_container(parts[0][wire.PREFIX.size : wire.PREFIX.size + header]))

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._replica.connection_lost, None)

    def abort(self) -> None:
        self._given_up = True
        self.close()


class Stranger:
    """The other end of a replica's connection."""

    def __init__(self, configuration: Configuration) -> None:
        self.replica = Replica(configuration, configuration.replicas)
        self.batches: deque[wire.Batch] = deque()
        self.transport = Transport(self.replica, self.heard)
        self.replica.connection_made(cast(asyncio.BaseTransport, self.transport))

    def heard(self, message: wire.ToContainer) -> None:
        if isinstance(message, wire.Batch):
            self.batches.append(message)

    def say(self, message: object, body: bytes = b"") -> None:
        self.raw(b"".join(wire.frame(message, [body])))

    def raw(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self.transport.closing:
            buffer = self.replica.get_buffer(-1)
            size = min(len(buffer), len(rest))
            assert size, "the frontend has no room for what comes"
            buffer[:size] = rest[:size]
            rest = rest[size:]
            self.replica.buffer_updated(size)


class Honest(Stranger):
    """Answers each input with its number."""

    def join(self) -> None:
        self.say(wire.Hello(wire.WIRE_VERSION, HONEST, HONEST, "1", "0", 1))
        self.say(wire.Ready([(1.0, ANSWERS_IN_S)]))
        self.say(wire.Credit(2))

    def heard(self, message: wire.ToContainer) -> None:
        if isinstance(message, wire.Batch):
            asyncio.get_running_loop().call_later(ANSWERS_IN_S, self._answer, message)

    def _answer(self, batch: wire.Batch) -> None:
        assert not self.transport.closing, "the honest replica was closed"
        inputs = self.replica.in_flight[0].tasks
        outputs = [msgspec.json.encode(int.from_bytes(task.tensor.data, "little")) for task in inputs]
        sizes = [len(output) for output in outputs]
        self.say(wire.Reply(batch.id, ANSWERS_IN_S, 1, sizes, [], {}, None), b"".join(outputs))


class World:
    """All of it. Every method is one step; `check` is what must be so after each."""

    def __init__(self, concurrency: int = 1) -> None:
        """The liars say that they work on so many batches at once, and may call the honest model."""
        self._concurrency = concurrency
        self.loop = VirtualLoop()
        self.wrong: list[str] = []
        self.said = 0
        self.answered = 0
        self.liars: list[Stranger] = []
        self._asked = 0
        self._open: set[int] = set()  # queries to liars without an answer
        self.loop.set_exception_handler(lambda _, context: self.wrong.append(str(context)))
        self._do(self._begin())

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(step)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.configuration = Configuration("0", lambda: None, loop, loop.time)
        names = (HONEST, LIAR)
        micros = int(1e6 * OBJECTIVE_S)
        applications = [ApplicationSpec(name, "doubles", -1, micros, [name]) for name in names]
        versions = [version_spec(model=name, credential=credential(name)) for name in names]
        versions[1] = msgspec.structs.replace(versions[1], concurrency=self._concurrency, uses=[HONEST])
        self.configuration.apply(Snapshot(1, applications, versions, dict.fromkeys(names, "1")))
        self.honest = Honest(self.configuration)
        self.honest.join()

    def come(self) -> Stranger:
        async def step() -> None:
            self.liars.append(Stranger(self.configuration))

        if len(self.liars) >= MOST_LIARS:
            self.leave(self.liars[0])
        self._do(step())
        return self.liars[-1]

    def leave(self, liar: Stranger) -> None:
        async def step() -> None:
            liar.transport.close()
            await asyncio.sleep(0)

        self.liars.remove(liar)
        self._do(step())

    def tell(self, liar: Stranger, frames: bytes) -> None:
        async def step() -> None:
            liar.raw(frames)
            await asyncio.sleep(0)

        self.said += 1
        self._do(step())
        if liar.transport.closing:
            self.liars.remove(liar)

    def ask_liar(self, inputs: int, timeout_s: float, raw: bool) -> None:
        async def step() -> None:
            self._asked += 1
            number = self._asked
            self._open.add(number)
            tensors = [_input(number)] * inputs

            def reply(answers: Sequence[Answer]) -> None:
                assert len(answers) == inputs
                self._open.remove(number)  # raises where it comes twice

            self.configuration.applications[LIAR].ask(
                Request("t", tensors, None, timeout_s, False, raw), reply
            )

        self._do(step())

    def ask_honest(self) -> None:
        """It is answered in time, with its own answer."""

        async def step() -> None:
            loop = asyncio.get_running_loop()
            self._asked += 1
            number, answer = self._asked, loop.create_future()
            request = Request("t", [_input(number)], cached=False)
            began = loop.time()
            self.configuration.applications[HONEST].ask(request, lambda found: answer.set_result(found[0]))
            found = await answer
            assert found.output == b"%d" % number, f"the neighbour was answered {found}"
            assert loop.time() - began < 3 * ANSWERS_IN_S, "the neighbour had to wait"
            self.answered += 1

        self._do(step())

    def wait(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    def look(self) -> None:
        """Management and Prometheus can read what this frontend tells."""

        async def step() -> None:
            report = msgspec.json.encode(self.configuration.report())
            assert len(report) < MAX_REPORT
            msgspec.json.decode(report, type=Report)
            text = (await self.configuration.metrics.text(fresh=True)).decode()
            assert text.splitlines() == text.split("\n")[:-1]

        self._do(step())

    def check(self) -> None:
        assert not self.wrong, self.wrong
        assert not self.honest.transport.closing
        assert len(self.configuration.replicas) <= 1 + len(self.liars)

    def end(self) -> None:
        """Whoever waits for a liar has an answer at its deadline."""
        self.wait(OBJECTIVE_S + 0.1)
        assert not self._open, f"{len(self._open)} queries were never answered"
        for liar in list(self.liars):
            self.leave(liar)
        queue = self.configuration.queue(LIAR, "1")
        assert queue is not None
        assert (queue.starting, len(queue.ready), queue.waiting.count) == (0, 0, 0)
        self.ask_honest()
        self.look()
        self.check()
        self.loop.close()


def _input(number: int) -> Tensor:
    return Tensor(number.to_bytes(8, "little"), (1,), "<i8")


# What a liar says


def frames(random: Random, liar: Stranger) -> bytes:
    """A few frames, or what looks like some."""
    if random.random() < 0.1:
        return random.randbytes(random.randint(1, 40))
    data = b"".join(_frame(random, liar) for _ in range(random.choice((1, 1, 1, 2, 5))))
    spoilt = random.random()
    if spoilt < 0.05:
        return data[: random.randint(1, len(data))]
    if spoilt < 0.1:
        at = random.randrange(len(data))
        return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
    return data


def _frame(random: Random, liar: Stranger) -> bytes:
    body = b""
    kind = random.random()
    if liar.replica.hello is None and kind < 0.8:
        message: object = _hello(random)
    elif liar.replica.state == "starting" and kind < 0.6:
        message = _ready(random)
    elif liar.batches and kind < 0.7:
        liar.batches.rotate(random.choice((0, 0, 0, 1)))
        message, body = _reply(random, liar.batches.popleft())
    elif liar.batches and kind < 0.85:
        message, body = _call(random, liar.batches[0])
    else:
        other: Sequence[Callable[[Random], object]] = (
            _hello,
            _ready,
            _credit,
            _metrics,
            _stray,
            _cancel,
            _anything,
        )
        message = random.choice(other)(random)
    try:
        return b"".join(wire.frame(message, [body]))
    except (OverflowError, ValueError):  # MessagePack has no such number
        return b"\xff" * 8


def _mostly(random: Random, right: Any, wrong: Sequence[Any]) -> Any:
    return right if random.random() < 0.85 else random.choice(wrong)


SETS = (
    *('[["a","<f8",1]]', '[["a","<f8",0]]', '[["a","str",1]]', '[["a","json",1]]', '[["a","|O",1]]'),
    *('[["a","<f8",1],["a","<f8",0]]', '[["a"', "[]", '[["a","<f8",-1]]'),
)


def _hello(random: Random) -> object:
    version = _mostly(random, wire.WIRE_VERSION, NUMBERS)
    words = [_mostly(random, word, TEXTS) for word in (LIAR, LIAR, "1", "0")]
    return ["hello", version, *words, _mostly(random, 1, NUMBERS)]


def _ready(random: Random) -> object:
    measured = [
        (_mostly(random, 1.0, FLOATS), _mostly(random, 0.001, FLOATS))
        for _ in range(random.choice((0, 1, 3)))
    ]
    warnings = [random.choice(TEXTS) for _ in range(random.choice((0, 0, 2, 200)))]
    example = _mostly(
        random,
        None,
        [("<f8", (1,)), (random.choice((*TEXTS, *SETS)), tuple(NUMBERS[:3])), random.choice(BODIES)],
    )
    return ["ready", measured, warnings, example]


def _credit(random: Random) -> object:
    return ["credit", _mostly(random, 1, NUMBERS)]


def _call(random: Random, batch: wire.Batch) -> tuple[object, bytes]:
    body = _mostly(random, b"[1.0]", BODIES)
    left_s = _mostly(random, 0.5, FLOATS)
    dtype, shape = _mostly(random, ("", ()), [("<f8", (1,)), (random.choice(TEXTS), tuple(NUMBERS[:3]))])
    id, of = random.randrange(50), _mostly(random, batch.id, NUMBERS)
    return ["call", id, of, _mostly(random, HONEST, TEXTS), left_s, dtype, shape], body


def _cancel(random: Random) -> object:
    return ["cancel", _mostly(random, random.randrange(50), NUMBERS)]


def _metrics(random: Random) -> object:
    def metric() -> list[object]:
        bounds = [random.choice(FLOATS) for _ in range(random.choice((0, 1, 2)))]
        counts = [_mostly(random, 1, NUMBERS) for _ in range(random.choice((len(bounds), len(bounds) + 1)))]
        kind = random.choice(["Counter", "Gauge", "Histogram", "Summary", *TEXTS])
        values = _mostly(random, 1.0, FLOATS), _mostly(random, 1, NUMBERS)
        return [_mostly(random, "m", TEXTS), kind, random.choice(TEXTS), bounds, counts, *values]

    return ["metrics", [metric() for _ in range(random.choice((0, 1, 2, 150)))]]


def _stray(random: Random) -> object:
    if random.random() < 0.3:
        return ["notice", random.choice(TEXTS)]
    return [random.choice(("recall", "recall", "draining", "welcome", "batch", "yield"))]


def _anything(random: Random) -> object:
    def value(depth: int) -> object:
        kind = random.randrange(6 if depth < 4 else 4)
        if kind == 4:
            return [value(depth + 1) for _ in range(random.randrange(4))]
        if kind == 5:
            return {random.choice(TEXTS): value(depth + 1) for _ in range(random.randrange(3))}
        return random.choice((NUMBERS, FLOATS, TEXTS, BODIES)[kind])

    names = ("hello", "ready", "credit", "reply", "call", "cancel", "recall", "metrics", "notice", "draining")
    return [random.choice(names), *(value(0) for _ in range(random.randrange(8)))]


def _reply(random: Random, batch: wire.Batch) -> tuple[object, bytes]:
    """Mostly nearly right, and now and then so."""
    outputs, tensors, faults = [], [], {}
    for i in range(batch.count):
        kind = random.random()
        if kind < 0.1:
            faults[_mostly(random, i, NUMBERS)] = [
                _mostly(random, "model_error", TEXTS),
                random.choice(TEXTS),
            ]
            outputs.append(_mostly(random, b"", BODIES))
        elif i in batch.raw and kind < 0.5:
            shape = _mostly(random, [1], [[], [2], [-1], [1 << 62, 4], [0], [1] * 40])
            form = _mostly(random, "<f8", (*TEXTS, *SETS)), shape
            places = _mostly(random, [_mostly(random, i, NUMBERS)], [[], [i, i], [*batch.raw]])
            tensors.append([*form, places])
            outputs.append(_mostly(random, b"\0" * 8, BODIES))
        else:
            outputs.append(_mostly(random, b"1.0", BODIES))
    body = b"".join(outputs)
    sizes = _mostly(
        random, [len(output) for output in outputs], [[], [len(body)], NUMBERS, [-1, len(body) + 1]]
    )
    fault = _mostly(random, None, [["model_error", "m"], [random.choice(TEXTS), random.choice(TEXTS)]])
    if fault is not None and random.random() < 0.8:
        sizes, tensors, faults, body = [], [], {}, b""
    head = [_mostly(random, batch.id, NUMBERS), _mostly(random, 0.001, FLOATS), _mostly(random, 1, NUMBERS)]
    return ["reply", *head, sizes, tensors, faults, fault, random.random() < 0.1], body


# A walk


def step(world: World, random: Random) -> None:
    """Something happens."""
    kind = random.random()
    if not world.liars or kind < 0.05:
        world.come()
    elif kind < 0.75:
        liar = random.choice(world.liars)
        world.tell(liar, frames(random, liar))
    elif kind < 0.85:
        world.ask_liar(
            random.choice((1, 1, 3, 20)), random.choice((0.01, 0.1, OBJECTIVE_S)), random.random() < 0.5
        )
    elif kind < 0.93:
        world.ask_honest()
    elif kind < 0.96:
        world.wait(random.choice((0.0, 0.001, 0.05, 6.0)))
    elif kind < 0.98:
        world.leave(random.choice(world.liars))
    elif kind < 0.985:
        world.look()
    world.check()
