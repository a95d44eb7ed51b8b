"""The client of lesson 09 against a service that is slow, closes, answers garbage, or is not there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from digits_app.client import Client, Prediction, Refused, Unavailable
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio
OWN = {
    "model_name": "digits",
    "model_version": "2",
    "parameters": {"query_ids": [8]},
    "outputs": [{"name": "output", "shape": [1], "datatype": "INT64", "data": [3]}],
}
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Service:
    """Gives one reply after the other, the last for ever. `asked` has each request, head and body."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.asked: list[tuple[str, Any]] = []
        self.connected = 0
        self.url = ""

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                self.asked.append((head, json.loads(await reader.readexactly(length))))
                reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
                await reply(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def service(*replies: Reply) -> AsyncIterator[Service]:
    there = Service(*replies)
    server = await asyncio.start_server(there.connect, "127.0.0.1", 0)
    there.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield there
    finally:
        server.close()


def answer(body: object, status: int = 200) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content))
        await writer.drain()

    return reply


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte at a time, so that no single wait is long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


async def ask(there: Service, within_s: float = 60) -> Prediction:
    async with Client(there.url, "digits") as client:
        return await client.predict([1.0, 2.0], within_s=within_s)


async def test_outputs_that_have_names_are_an_object() -> None:
    numbers = {"name": "number", "shape": [1], "datatype": "BYTES", "data": ["31"]}
    rules = {"name": "adds_up", "shape": [1], "datatype": "BOOL", "data": [True]}
    async with service(answer({**OWN, "outputs": [numbers, rules]})) as there:
        assert (await ask(there)).output == {"number": "31", "adds_up": True}


async def test_an_answer_names_the_version_that_gave_it() -> None:
    async with service(answer(OWN)) as there:
        said = await ask(there)
    assert (said.output, said.version, said.query_id, said.is_default) == (3, "2", 8, False)
    assert said.took_ms > 0
    head, body = there.asked[0]
    assert head.startswith("post /v2/models/digits/infer ")
    assert body["inputs"] == [{"name": "input", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}]


async def test_a_default_output_says_why() -> None:
    default = {**OWN, "parameters": {"query_ids": [9], "defaults": {"0": ["deadline", "It was late."]}}}
    async with service(answer(default)) as there:
        said = await ask(there)
    assert said.is_default
    assert (said.reason, said.explanation) == ("deadline", "It was late.")


async def test_the_service_is_told_how_long_the_client_waits() -> None:
    async with service(answer(OWN)) as there:
        await ask(there, within_s=60)
    told = float(there.asked[0][0].partition("x-request-timeout-seconds: ")[2].partition("\r\n")[0])
    assert 0 < told < 60  # less than the client waits


@pytest.mark.parametrize("reply", [silence, drip])
async def test_waits_no_longer_than_was_said(reply: Reply) -> None:
    async with service(reply) as there:
        with pytest.raises(Unavailable, match=r"digits gave no answer within 0\.3 s"):
            await ask(there, within_s=0.3)
        assert len(there.asked) <= 1  # too late for another try


async def test_a_connection_that_closes_is_tried_again() -> None:
    async with service(close, answer(OWN)) as there:
        assert (await ask(there)).output == 3
    assert len(there.asked) == 2


async def test_tries_are_counted() -> None:
    async with service(close) as there:
        with pytest.raises(Unavailable, match="cannot be reached at the moment"):
            await ask(there)
    assert len(there.asked) == 3


async def test_nobody_there_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        async with Client(f"http://127.0.0.1:{taken.getsockname()[1]}", "digits") as client:
            with pytest.raises(Unavailable, match="The prediction service cannot be reached"):
                await client.predict([1.0], within_s=60)


async def test_finds_a_service_that_comes_back() -> None:
    port = free_port()
    there = Service(answer(OWN))
    async with Client(f"http://127.0.0.1:{port}", "digits") as client:
        with pytest.raises(Unavailable):
            await client.predict([1.0], within_s=60)
        server = await asyncio.start_server(there.connect, "127.0.0.1", port)
        assert (await client.predict([1.0], within_s=60)).output == 3
        server.close()


@pytest.mark.parametrize(
    "body",
    [b"<html>Good morning</html>", b"\xff\xfe", [], {}, {**OWN, "outputs": []}, {**OWN, "parameters": 3}],
)
async def test_garbage_is_no_prediction(body: object) -> None:
    async with service(answer(body)) as there:
        with pytest.raises(Unavailable, match="what is no prediction"):
            await ask(there)


async def test_an_endless_answer_is_cut_off() -> None:
    async with service(flood) as there:
        with pytest.raises(Unavailable, match="longer than 1,000,000 bytes"):
            await ask(there)


async def test_an_input_that_does_not_fit_is_not_sent_again() -> None:
    async with service(answer({"error": "64 numbers, please"}, 400)) as there:
        with pytest.raises(Refused, match="64 numbers, please"):
            await ask(there)
    assert len(there.asked) == 1


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_no_answer_is_told_with_what_the_service_said(status: int) -> None:
    async with service(answer({"error": "not today"}, status)) as there:
        with pytest.raises(Unavailable, match=rf"HTTP status {status}.*not today"):
            await ask(there)
    assert len(there.asked) == 1


async def test_one_client_asks_many_times_over_few_connections() -> None:
    async with service(answer(OWN)) as there, Client(there.url, "digits") as client:
        said = await asyncio.gather(*[client.predict([float(i)], within_s=60) for i in range(200)])
        assert [one.output for one in said] == [3] * 200
        assert there.connected <= 32


async def test_a_label_is_told_with_the_answers_token() -> None:
    own = {**OWN, "parameters": {"query_ids": [8], "feedback_token": ["abc"]}}
    async with service(answer(own), answer({}, 202)) as there, Client(there.url, "digits") as client:
        said = await client.predict([1.0])
        assert said.token == "abc"
        assert await client.tell(said.token, 7)
    head, body = there.asked[-1]
    assert head.startswith("post /digits/feedback ")
    assert body == {"feedback_token": "abc", "label": 7}


@pytest.mark.parametrize("reply", [answer({"cause": "forged"}, 400), close, silence])
async def test_a_label_that_is_not_taken_is_no_error(reply: Reply) -> None:
    async with service(reply) as there, Client(there.url, "digits") as client:
        assert not await client.tell("abc", 7, within_s=0.2)
