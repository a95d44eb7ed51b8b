"""A gRPC server of a protocol: health, reflection, sizes, and several at one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from clipper_server.query.configuration import Configuration
from clipper_server.query.limits import Limits
from clipper_server.query.protocols import rpc as calls
from clipper_server.query.protocols.kinds import load
from clipper_server.query.request import Answer
from clipper_server.query.rpc import Server
from clipper_server.snapshot import Snapshot
from tests.support.over_grpc import Client, served, until
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio
SERVICE = "inference.GRPCInferenceService"
ON_BOTH = pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})])
"""As a query frontend runs, too."""


@pytest.fixture
async def configuration() -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    configuration.apply(Snapshot(1, [], [], {}))
    return configuration


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[Client]:
    async with served(configuration, "open-inference-grpc") as client:
        yield client


@ON_BOTH
async def test_a_call_is_answered(client: Client) -> None:
    assert (await client.call("ServerLive")).live


async def test_health_is_told_of_the_server_and_of_its_service(client: Client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", SERVICE):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="other.Service"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_reflection_has_the_services_and_their_messages(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    services, files = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    names = {each.name for each in services.list_services_response.service}
    assert names >= {SERVICE, "grpc.health.v1.Health"}
    found = files.file_descriptor_response.file_descriptor_proto
    described = [descriptor_pb2.FileDescriptorProto.FromString(each) for each in found]
    assert "ModelInferRequest" in {message.name for file in described for message in file.message_type}


async def test_what_is_no_method_is_unimplemented(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.channel.unary_unary(f"/{SERVICE}/Dance")(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_two_frontends_listen_at_one_port(configuration: Configuration) -> None:
    port = free_port()
    async with (
        served(configuration, "open-inference-grpc", port=port) as one,
        served(configuration, "open-inference-grpc", port=port) as other,
    ):
        assert (await one.call("ServerLive")).live
        assert (await other.call("ServerLive")).live


async def test_one_that_ends_leaves_the_port_to_the_other(configuration: Configuration) -> None:
    port = free_port()
    async with served(configuration, "open-inference-grpc", port=port):
        async with served(configuration, "open-inference-grpc", port=port):
            pass
        address = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            answer = await channel.unary_unary(f"/{SERVICE}/ServerLive")(b"", wait_for_ready=True, timeout=60)
        assert answer == b"\x08\x01"


async def test_a_port_of_somebody_else_is_told_of(configuration: Configuration) -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        server = Server(load("open-inference-grpc", configuration), f"127.0.0.1:{port}", Limits(body=1 << 20))
        with pytest.raises(OSError, match=f"gRPC cannot listen at 127.0.0.1:{port}: the port is taken"):
            await server.start()
        await server.stop(0)


@pytest.mark.parametrize(("size", "ahead"), [(1, 3), (60, 2), (500, 1)])
async def test_of_a_stream_a_few_are_under_way_and_so_many_bytes(
    size: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "AHEAD", 3)
    monkeypatch.setattr(calls, "AHEAD_BYTES", 100)
    taken, room = 0, asyncio.Semaphore(0)

    async def requests() -> AsyncIterator[bytes]:
        nonlocal taken
        for i in range(6):
            taken += 1
            yield bytes([i]) * size

    async def answer(data: bytes) -> bytes:
        await room.acquire()
        return data[:1]

    found: list[bytes] = []

    async def read() -> None:
        async for answered in calls.in_order(requests(), answer):
            found.append(answered)

    reading = asyncio.create_task(read())
    for released in range(6):
        await until(lambda released=released: len(found) == released)  # type: ignore[misc]
        for _ in range(20):  # turns of the loop, in which it could take more
            await asyncio.sleep(0)
        assert taken == min(6, released + ahead)
        room.release()
    await reading
    assert found == [bytes([i]) for i in range(6)]


def test_tokens_that_are_more_than_clients_take_are_left_out() -> None:
    told: dict[str, str] = {}
    context = SimpleNamespace(invocation_metadata=tuple, set_trailing_metadata=told.update)
    for length, tokens in ((20, 64), (1024, 0)):
        told.clear()
        answers = [Answer(i, b"1", None, "1", token="t" * length) for i in range(64)]
        calls.Call(context).mark_ids(answers)
        assert len(told[calls.QUERY_ID].split(", ")) == 64
        assert told.get(calls.TOKEN, "").count("t" * length) == tokens
