"""Sends random messages to a protocol's methods over gRPC, in this process, and looks at every status."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import grpc
import grpc.aio

from clipper_server.query.configuration import Configuration
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.over_grpc import Client, served

from .requests import KINDS

PROTOCOL = "open-inference-grpc"
AT_ONCE = 16
HANG_S = 60.0
OBJECTIVE_MICROS = 200_000
MODELS = ("doubles", "json", "ndarray")  # have replicas; all others answer their default output
MAX_MESSAGE = 1 << 20
_GOOD = {
    *(grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND),
    *(grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED),
}
_TEXTS = (
    *(*KINDS, "1", "9", "input", "x", "output", "", "é\0", "a" * 2000, "42"),
    *("FP32", "FP64", "INT32", "INT64", "UINT64", "BYTES", "BOOL", "FP16", "FP65"),
    *("timeout", "priority", "sequence_id", "unit", "context", "binary_data_output", "version", "config"),
    *("shared_memory_region", "classification", '{"version_policy": {"specific": {"versions": [1]}}}'),
)
_BYTES = (
    b"",
    b"\0",
    b"\1\0\0\0a",
    b"[1]",
    bytes(8),
    bytes(16),
    b"\xff" * 8,
    bytes(4000),
    b"\xff\xff\xff\x7f",
)
_NUMBERS = (0, 1, 1, 2, 3, 7, 80, 2**31 - 1, 2**32, 2**62, 2**63 - 1)
_TYPES = {"doubles": ("FP64", 8), "floats": ("FP32", 4), "integers": ("INT32", 4), "ndarray": ("UINT8", 1)}


@dataclass
class Seen:
    """What came of it. `faults` holds what must not be."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.statuses.total():,} calls: {told}. {len(self.faults)} faults"


def run(count: int, seed: int) -> str:
    seen = fuzz(count, seed)
    if seen.faults:
        raise AssertionError("\n".join([f"seed {seed}: {seen}", *seen.faults[:20]]))
    return str(seen)


def fuzz(count: int, seed: int, protocol: str = PROTOCOL) -> Seen:
    return asyncio.run(_fuzz(count, Random(seed), protocol))


async def _fuzz(count: int, random: Random, protocol: str) -> Seen:
    seen = Seen()
    configuration = _configuration()
    async with served(configuration, protocol, max_message=MAX_MESSAGE) as client:
        left = iter(range(count))

        async def ask() -> None:
            for _ in left:
                path, data = call(random, client.protos)
                status = await _ask(client, path, data)
                seen.statuses[status.name] += 1
                if status not in _GOOD:
                    seen.faults.append(f"{status.name} to {path} with {data!r:.2000}")

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return seen


def _configuration() -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    applications = [
        ApplicationSpec(kind, kind, -1, OBJECTIVE_MICROS, [kind] if kind in MODELS else []) for kind in KINDS
    ]
    versions = [version_spec(model=kind, input_type=kind) for kind in MODELS]
    configuration.apply(Snapshot(1, applications, versions, dict.fromkeys(MODELS, "1")))
    configuration.pass_on = _nothing_done
    for kind in MODELS:
        queue = configuration.queue(kind, "1")
        assert queue is not None
        FakeReplica(queue, 0.0, answer=lambda inputs: [b"[%d]" % len(each) for each in inputs])
    return configuration


async def _nothing_done(method: str, path: str, token: str, body: object = None) -> None:
    """In the place of management."""


async def _ask(client: Client, path: str, data: bytes) -> grpc.StatusCode:
    described = client.protos.methods[path]
    gives = described.gives.FromString
    metadata = [("x-clipper-token", "a-token")]
    try:
        if described.gives_stream:
            stream = client.channel.stream_stream(path, response_deserializer=gives)
            async for _ in stream(iter([data, data]), timeout=HANG_S, metadata=metadata):
                pass
        else:
            unary = client.channel.unary_unary(path, response_deserializer=gives)
            await unary(data, timeout=HANG_S, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def call(random: Random, protos: Any) -> tuple[str, bytes]:
    """A method's path, and what is sent to it."""
    infer = [path for path in protos.methods if path.endswith("Infer")]
    path = random.choice(infer if random.random() < 0.7 else sorted(protos.methods))
    chance = random.random()
    if chance < 0.05:
        return path, random.randbytes(random.choice((0, 1, 5, 60)))
    takes = protos.methods[path].takes
    message = _infer(random, takes) if path in infer and chance < 0.7 else _message(random, takes())
    data: bytes = message.SerializeToString()
    if random.random() < 0.15:
        data = _broken(random, data)
    return path, data


def _infer(random: Random, takes: Any) -> Any:
    """A request as it should be, but perhaps for one part."""
    kind = random.choice(KINDS)
    datatype, size = _TYPES.get(kind, ("BYTES", 0))
    count, width = random.choice((0, 1, 2, 80)), random.choice((1, 5))
    if size:
        shape, raw = [count, width], random.randbytes(count * width * size)
    else:
        shape, raw = [count], b"\1\0\0\01" * count
    asked = takes(model_name=kind, id="42")
    asked.inputs.add(name="input", datatype=datatype, shape=shape)
    asked.raw_input_contents.append(raw)
    if random.random() < 0.5:
        odd = random.choice([each for each in asked.DESCRIPTOR.fields if each.name != "inputs"])
        if random.random() < 0.5:
            asked.ClearField(odd.name)
        _fill(random, asked, odd, 2)
    if random.random() < 0.2:
        _fill(random, asked.inputs[0], random.choice(asked.inputs[0].DESCRIPTOR.fields), 2)
    return asked


def _message(random: Random, message: Any, deep: int = 3) -> Any:
    """With some of its fields set to what they may have."""
    for each in message.DESCRIPTOR.fields:
        if random.random() < 0.6:
            _fill(random, message, each, deep)
    return message


def _fill(random: Random, message: Any, described: Any, deep: int) -> None:
    if described.message_type is not None and described.message_type.GetOptions().map_entry:
        (key, value) = described.message_type.fields
        for _ in range(random.choice((1, 2))):
            if value.message_type is not None:
                entry = getattr(message, described.name)[_value(random, key)]
                if deep:
                    _message(random, entry, deep - 1)
            else:
                getattr(message, described.name)[_value(random, key)] = _value(random, value)
    elif described.message_type is not None:
        if not deep:
            return
        if described.is_repeated:
            for _ in range(random.choice((0, 1, 1, 2))):
                _message(random, getattr(message, described.name).add(), deep - 1)
        else:
            _message(random, getattr(message, described.name), deep - 1)
    elif described.is_repeated:
        values = [_value(random, described) for _ in range(random.choice((0, 1, 1, 2, 9)))]
        getattr(message, described.name).extend(values)
    else:
        setattr(message, described.name, _value(random, described))


def _value(random: Random, described: Any) -> Any:
    if described.enum_type is not None:
        return random.choice([each.number for each in described.enum_type.values])
    kinds = type(described)
    if described.cpp_type == kinds.CPPTYPE_STRING:
        return random.choice(_BYTES if described.type == kinds.TYPE_BYTES else _TEXTS)
    if described.cpp_type == kinds.CPPTYPE_BOOL:
        return random.random() < 0.5
    if described.cpp_type in (kinds.CPPTYPE_DOUBLE, kinds.CPPTYPE_FLOAT):
        return random.choice((0.0, 1.5, -1.0, float("nan"), float("inf"), 3e38))
    signed = described.cpp_type in (kinds.CPPTYPE_INT32, kinds.CPPTYPE_INT64)
    bits = 32 if described.cpp_type in (kinds.CPPTYPE_INT32, kinds.CPPTYPE_UINT32) else 64
    most = 2 ** (bits - signed) - 1
    number = min(random.choice(_NUMBERS), most)
    return -number if signed and random.random() < 0.1 else number


def _broken(random: Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 4))):
        at = random.randrange(len(found) + 1)
        if random.random() < 0.5:
            found[at : at + 1] = random.randbytes(1)
        else:
            del found[at : at + random.choice((1, 4, 50))]
    return bytes(found)
