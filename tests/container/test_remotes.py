"""Remote models, against stand-ins for the servers of other systems."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trustme

from clipper_container.calls import Calls, Models, current
from clipper_container.errors import BadRequest
from clipper_container.remotes import address
from clipper_container.remotes.breaker import FAILURES, LASTING_S, OPEN_S, Breaker, Open
from clipper_container.remotes.connections import Request
from clipper_container.remotes.credentials import Signer, are_in
from clipper_container.remotes.kinds import form_of
from clipper_container.remotes.remote import Remote, RemoteError
from clipper_container.wire import Fault
from tests.support.other_servers import Asked, OtherServer, Said, other_server
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio
ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
SUMS = [3.0, 7.0, 11.0]
FRAME = pd.DataFrame({"age": [1, 2], "city": ["Rome", "Oslo"]})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def remote(url: str, protocol: str, **options: Any) -> Remote:
    found = address.read(url)
    given: dict[str, Any] = {"headers": {}, "timeout_s": 5.0, "tell": lambda words, is_open: None, **options}
    model = Remote(protocol, found, form_of(protocol, found), **given)
    _made.append(model)
    return model


_made: list[Remote] = []


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    for model in _made:
        model.close()
    _made.clear()
    await asyncio.sleep(0)


async def asked_of(protocol: str, path: str, inputs: Any, answer: Callable[[Asked], Said]) -> tuple[Any, Any]:
    with other_server(answer) as server:
        model = remote(server.url + path, protocol)
        await model.learn()
        return listed(await model(inputs)), server


def listed(outputs: Any) -> Any:
    return outputs.tolist() if isinstance(outputs, np.ndarray) else outputs


def sums(rows: Any) -> list[float]:
    return [sum(row) for row in rows]


# A batch is one request, in each protocol's own form


async def test_tensorflow_serving_has_instances() -> None:
    found, server = await asked_of(
        *("tensorflow-serving", "/v1/models/m/versions/3", ROWS),
        lambda asked: Said({"predictions": sums(asked.json["instances"])}),
    )
    assert found == SUMS
    (asked,) = server.asked
    assert asked.path == "/v1/models/m/versions/3:predict"
    assert asked.json == {"instances": ROWS.tolist()}


async def test_tensorflow_serving_has_bytes_columns_and_what_is_no_number() -> None:
    def answer(asked: Asked) -> Said:
        rows = json.loads(asked.body)["instances"]
        return Said(json.dumps({"predictions": [float("nan")] * len(rows)}).encode())

    found, server = await asked_of("tensorflow-serving", "/v1/models/m", [b"\xff", b"a"], answer)
    assert np.isnan(found).all()
    assert server.asked[0].json == {"instances": [{"b64": "/w=="}, {"b64": "YQ=="}]}
    _, server = await asked_of("tensorflow-serving", "/v1/models/m", FRAME, answer)
    assert server.asked[0].json["instances"][1] == {"age": 2, "city": "Oslo"}
    _, server = await asked_of("tensorflow-serving", "/v1/models/m", np.array([[np.nan]]), answer)
    assert server.asked[0].body == b'{"instances": [[NaN]]}'


async def test_mlflow_has_inputs_or_a_split_frame() -> None:
    found, server = await asked_of(
        "mlflow", "", ROWS, lambda asked: Said({"predictions": sums(asked.json["inputs"])})
    )
    assert found == SUMS
    assert [asked.path for asked in server.asked] == ["/invocations"]
    found, server = await asked_of("mlflow", "", FRAME, lambda asked: Said({"predictions": [0, 1]}))
    assert found == [0, 1]
    assert server.asked[0].json == {
        "dataframe_split": {"columns": ["age", "city"], "data": [[1, "Rome"], [2, "Oslo"]]}
    }


async def test_azure_ml_has_data_and_may_answer_with_a_text_that_is_json() -> None:
    found, server = await asked_of(
        "azureml", "", ROWS, lambda asked: Said(json.dumps(sums(asked.json["data"])))
    )
    assert found == SUMS
    assert server.asked[0].path == "/score"
    found, _ = await asked_of("azureml", "", ROWS, lambda asked: Said({"result": SUMS}))
    assert found == SUMS


async def test_sagemaker_has_a_list_or_lines() -> None:
    found, server = await asked_of("sagemaker", "", ROWS, lambda asked: Said(sums(asked.json)))
    assert found == SUMS
    assert server.asked[0].path == "/invocations"

    def lines(asked: Asked) -> Said:
        rows = [[float(cell) for cell in line.split(",")] for line in asked.body.decode().splitlines()]
        return Said("\n".join(map(str, sums(rows))).encode(), headers={"Content-Type": "text/csv"})

    found, server = await asked_of("sagemaker-csv", "", ROWS, lines)
    assert found == SUMS
    assert server.asked[0].headers["Content-Type"] == "text/csv"
    on_one_line = Said(b"3.0,7.0,11.0", headers={"Content-Type": "text/csv; charset=utf-8"})
    found, _ = await asked_of("sagemaker-csv", "", ROWS, lambda asked: on_one_line)
    assert found == SUMS


async def test_torchserve_has_one_request_an_input_all_at_once_over_kept_connections() -> None:
    everyone = threading.Barrier(3)

    def answer(asked: Asked) -> Said:
        everyone.wait(10)
        return Said(sum(asked.json))

    with other_server(answer) as server:
        model = remote(server.url + "/predictions/m", "torchserve")
        assert await model(ROWS) == SUMS
        assert await model(ROWS) == SUMS
        assert server.connections == 3
    found, server = await asked_of(
        *("torchserve", "/predictions/m", ["a cat"]),
        lambda asked: Said(b"tabby", headers={"Content-Type": "text/plain"}),
    )
    assert found == ["tabby"]
    assert server.asked[0].body == b"a cat"


# Open Inference


def open_inference(binary: bool, inputs: list[dict[str, Any]]) -> Callable[[Asked], Said]:
    """Says of a model that sums rows what its document says."""

    def answer(asked: Asked) -> Said:
        if asked.path == "/v2":
            return Said({"name": "s", "version": "1", "extensions": ["binary_tensor_data"] if binary else []})
        if asked.path == "/v2/models/m":
            return Said({"name": "m", "platform": "test", "inputs": inputs, "outputs": []})
        assert asked.path == "/v2/models/m/infer"
        length = int(asked.headers.get("Inference-Header-Content-Length", len(asked.body)))
        (given,) = json.loads(asked.body[:length])["inputs"]
        if binary:
            rows = np.frombuffer(asked.body[length:], "<f4").reshape(given["shape"])
        else:
            rows = np.array(given["data"], "f4").reshape(given["shape"])
        found = rows.sum(axis=1, dtype="<f4")
        output: dict[str, Any] = {"name": "y", "datatype": "FP32", "shape": list(found.shape)}
        if not binary:
            return Said({"model_name": "m", "outputs": [{**output, "data": found.tolist()}]})
        output["parameters"] = {"binary_data_size": found.nbytes}
        head = json.dumps({"model_name": "m", "outputs": [output]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        return Said(head + found.tobytes(), headers=headers)

    return answer


@pytest.mark.parametrize("binary", [True, False])
async def test_open_inference_has_one_tensor_as_the_models_metadata_names_it(binary: bool) -> None:
    wanted = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    found, server = await asked_of("open-inference", "/v2/models/m", ROWS, open_inference(binary, wanted))
    assert found == SUMS
    (asked,) = server.posted
    length = int(asked.headers.get("Inference-Header-Content-Length", len(asked.body)))
    (given,) = json.loads(asked.body[:length])["inputs"]
    assert (given["name"], given["datatype"], given["shape"]) == ("x", "FP32", [3, 2])


async def test_open_inference_asks_each_input_where_their_shapes_are_several() -> None:
    inputs = [np.array([1.0, 2.0]), np.array([3.0])]
    found, server = await asked_of("open-inference", "/v2/models/m", inputs, open_inference(False, []))
    assert found == [3.0, 3.0]
    assert sorted(asked.json["inputs"][0]["shape"] for asked in server.posted) == [[1, 1], [1, 2]]


@pytest.mark.parametrize("binary", [True, False])
async def test_open_inference_has_texts_bytes_and_a_tensor_for_each_column(binary: bool) -> None:
    def answer(asked: Asked) -> Said:
        if asked.method == "GET":
            return open_inference(binary, [])(asked)
        rows = [{"datatype": "BYTES", "shape": [2], "data": ["é", "b"]}]
        words = struct.pack("<I", 2) + "é".encode() + struct.pack("<I", 1) + b"b"
        if not binary:
            return Said({"outputs": [{"name": "y", **rows[0]}]})
        output = {
            "name": "y",
            "datatype": "BYTES",
            "shape": [2],
            "parameters": {"binary_data_size": len(words)},
        }
        head = json.dumps({"outputs": [output]}).encode()
        return Said(head + words, headers={"Inference-Header-Content-Length": str(len(head))})

    found, server = await asked_of("open-inference", "/v2/models/m", [b"\xff", b"b"], answer)
    assert found == ["é", "b"]
    (asked,) = server.posted
    if binary:
        assert asked.body.endswith(b"\x01\0\0\0\xff\x01\0\0\0b")
    else:
        (given,) = asked.json["inputs"]
        assert [base64.b64decode(each) for each in given["data"]] == [b"\xff", b"b"]
        assert given["parameters"] == {"content_type": "base64"}
        _, server = await asked_of("open-inference", "/v2/models/m", FRAME, answer)
        described = server.posted[0].json["inputs"]
        assert [(each["name"], each["datatype"], each["shape"]) for each in described] == [
            ("age", "INT64", [2, 1]),
            ("city", "BYTES", [2, 1]),
        ]


async def test_an_answer_that_is_none_is_told() -> None:
    shape = {"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1.0]}]}
    for value, words in [(shape, "for 3 inputs"), ({"outputs": []}, "no outputs"), ({}, "'outputs'")]:

        def answer(asked: Asked, value: Any = value) -> Said:
            return Said(value if asked.method == "POST" else {})

        found, _ = await asked_of("open-inference", "/v2/models/m", ROWS, answer)
        assert [fault.reason for fault in found] == ["bad_output"] * 3
        assert words in found[0].message
    found, _ = await asked_of("mlflow", "", ROWS, lambda asked: Said(b"<html>hello"))
    assert "The mlflow server answered what is no JSON" in found[0].message
    assert "<html>hello" in found[0].message


async def test_an_input_that_cannot_be_written_fails_alone() -> None:
    found, server = await asked_of(
        "open-inference", "/v2/models/m", [[1.0, 2.0], [{"a": 1}], [3.0]], open_inference(False, [])
    )
    assert [found[0], found[2]] == [3.0, 3.0]
    assert found[1].message.startswith("It cannot be written for the open-inference server")
    _, server = await asked_of("mlflow", "", [b"\xff"], lambda asked: Said({"predictions": [1]}))
    assert server.asked[0].json == {"inputs": ["/w=="]}


# What fails


@pytest.fixture
def server() -> Iterator[OtherServer]:
    with other_server(lambda asked: Said({"predictions": sums(asked.json["inputs"])})) as found:
        yield found


async def test_its_words_are_in_the_fault_of_one_input_and_raised_for_several(server: OtherServer) -> None:
    server.answer = lambda asked: Said(
        {"error_code": "BAD_REQUEST", "message": "two columns" + "!" * 999}, 400
    )
    model = remote(server.url, "mlflow")
    (fault,) = await model(ROWS[:1])
    assert fault.reason == "model_error"
    assert fault.message.startswith("The mlflow server said 400: two columns!!!")
    assert len(fault.message) < 350
    with pytest.raises(RemoteError, match="two columns"):
        await model(ROWS)
    assert len(server.asked) == 2, "an input's own fault is no reason to ask again"


async def test_a_503_is_asked_again_once_where_it_says_when_and_there_is_time(server: OtherServer) -> None:
    def busy(asked: Asked) -> Said:
        return Said({"message": "busy"}, 503, {"Retry-After": "0"}) if len(server.asked) % 2 else fine(asked)

    fine, server.answer = server.answer, busy
    model = remote(server.url, "mlflow")
    assert await model(ROWS) == SUMS
    assert len(server.asked) == 2
    headers: dict[str, str]
    for headers in ({}, {"Retry-After": "60"}):
        server.asked.clear()
        said = Said({"message": "busy"}, 503, headers)
        server.answer = lambda asked, said=said: said  # type: ignore[misc]
        found = await model(ROWS)
        assert found == [Fault("call_failed", "The mlflow server said 503: busy.")] * 3
        assert len(server.asked) == 1


async def test_what_may_have_arrived_is_not_sent_again(server: OtherServer) -> None:
    def hangs_up(asked: Asked) -> Said:
        raise ConnectionError

    server.answer = hangs_up
    (fault,) = await remote(server.url, "mlflow")(ROWS[:1])
    assert fault.reason == "call_failed"
    assert "ended the connection before it had answered" in fault.message
    assert len(server.asked) == 1


async def test_a_server_that_is_not_there_is_told_without_its_address_when_queried_and_with_it_at_load() -> (
    None
):
    port = free_port()
    model = remote(f"http://127.0.0.1:{port}", "mlflow")
    (fault,) = await model(ROWS[:1])
    assert "cannot be reached" in fault.message
    assert "127.0.0.1" not in fault.message
    words = rf"http://127.0.0.1:{port} cannot be reached: .*\. On Docker and Kubernetes .* alone\.$"
    with pytest.raises(RuntimeError, match=words):
        await model.learn()


async def test_a_connection_that_the_server_has_left_is_not_used_again(server: OtherServer) -> None:
    close = Said({"predictions": SUMS}, headers={"Connection": "close"})
    server.answer = lambda asked: close
    model = remote(server.url, "mlflow")
    assert [await model(ROWS), await model(ROWS)] == [SUMS, SUMS]
    assert server.connections == 2


async def test_a_request_takes_its_time_at_most_and_the_batch_has_no_more_than_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (fault,) = await remote(url, "mlflow", timeout_s=0.05)(ROWS[:1])
        assert fault == Fault("call_failed", "The mlflow server gave no answer within 0.05 s.")


class _Link:
    closed = False

    def send(self, *_: Any) -> None: ...


async def test_nothing_is_sent_when_the_time_is_over(server: OtherServer) -> None:
    clock = Clock()
    model = remote(server.url, "mlflow", clock=clock)
    current.set(Models(Calls(asyncio.get_running_loop().time), _Link(), 1, 60.0))
    found = model(ROWS)
    assert await found == SUMS
    model._left_s = lambda: -1.0  # type: ignore[method-assign]
    (fault, *_) = await model(ROWS)
    assert fault.message == "The mlflow server was not asked, for the time was over."
    assert len(server.asked) == 1


async def test_who_waits_in_vain_for_others_to_be_answered_asks_nothing(server: OtherServer) -> None:
    came, goes_on = threading.Event(), threading.Event()

    def slow(asked: Asked) -> Said:
        came.set()
        goes_on.wait(10)
        return Said({"predictions": SUMS})

    server.answer = slow
    model = remote(server.url, "mlflow")
    model._room = asyncio.Semaphore(1)
    first = asyncio.ensure_future(model(ROWS))
    await asyncio.to_thread(came.wait, 10)
    model._left_s = lambda: 0.0  # type: ignore[method-assign]
    (fault, *_) = await model(ROWS)
    assert fault.message == "The mlflow server was not asked, for too many requests are under way there."
    goes_on.set()
    assert await first == SUMS
    assert len(server.asked) == 1


async def test_chunks_are_an_answer_and_what_is_no_http_is_none() -> None:
    answers = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'10;a=b\r\n{"predictions": \r\n3\r\n[1]\r\n1\r\n}\r\n0\r\nTrailer: 1\r\n\r\n',
        b'HTTP/1.0 200 OK\r\n\r\n{"predictions": [1]}',
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"[[1.0]]}")
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        model = remote(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", "mlflow")
        one = np.array([[1.0]])
        assert [await model(one), await model(one)] == [[1], [1]]
        for _ in range(2):
            assert "answered what is no HTTP" in (await model(one))[0].message


async def test_a_certificate_is_checked() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("localhost").configure_cert(context)
    async with await asyncio.start_server(serve, "localhost", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        (fault,) = await remote(f"https://localhost:{port}", "mlflow")(ROWS[:1])
        assert "certificate verify failed" in fault.message
        assert "was not asked" not in fault.message


# Secrets


async def test_a_secret_is_sent_and_said_by_nobody(server: OtherServer) -> None:
    def refuses(asked: Asked) -> Said:
        return Said(
            {"message": f"no such token: {asked.headers['Authorization']} {asked.headers['X-Key']}"}, 401
        )

    server.answer = refuses
    headers = {"Authorization": "Bearer very-secret", "X-Key": 'a"b\\c'}
    (fault,) = await remote(server.url, "mlflow", headers=headers)(ROWS[:1])
    assert fault.message == "The mlflow server said 401: no such token: *** ***"
    server.answer = lambda asked: Said(
        json.dumps({"what": asked.headers["X-Key"] + "very-secret"}).encode(), 401
    )
    (fault,) = await remote(server.url, "mlflow", headers=headers)(ROWS[:1])
    assert fault.message == 'The mlflow server said 401: {"what": "******"}'


AMAZONS = {"aws_access_key_id": "a-name", "aws_secret_access_key": "very-secret"}
RUNTIME = "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/m/invocations"


async def test_amazons_credentials_are_said_by_nobody(server: OtherServer) -> None:
    server.answer = lambda asked: Said(
        {"message": f"no such key: a-name {asked.headers['Authorization']}"}, 403
    )
    sign = Signer({**AMAZONS, "region_name": "eu-west-1"}, address.read(server.url))
    (fault,) = await remote(server.url, "sagemaker", sign=sign)(ROWS[:1])
    assert "said 403: no such key: *** AWS4-HMAC-SHA256 Credential=***/" in fault.message
    assert "very-secret" not in str(server.asked[0].headers)


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (RUNTIME, {"aws_access_key_id": "a"}),
        (RUNTIME, {"aws_secret_access_key": "b"}),
        (RUNTIME, {**AMAZONS, "X-Key": "c"}),
        ("http://localhost:8080/endpoints/m/invocations", AMAZONS),
        ("https://runtime.sagemaker.eu-west-1.amazonaws.com.evil.example/x", AMAZONS),
    ],
)
async def test_credentials_are_whole(url: str, secret: dict[str, str]) -> None:
    assert are_in(secret)
    with pytest.raises(BadRequest, match="aws_access_key_id and aws_secret_access_key") as refused:
        Signer(secret, address.read(url))
    assert not any(value in str(refused.value) for value in ("very-secret", "a-name"))


async def test_amazons_hosts_name_their_region() -> None:
    signed = Signer(AMAZONS, address.read(RUNTIME))(Request("POST", "/", {"Content-Type": "text/csv"}))
    assert "/eu-west-1/sagemaker/aws4_request" in signed.headers["Authorization"]
    assert not are_in({"Authorization": "Bearer x"})


@pytest.mark.parametrize(
    ("headers", "names"), [({"Content-Type": "text/csv"}, "content-type;host;"), ({"X-Key": "k"}, "host;")]
)
async def test_a_content_type_is_signed_where_there_is_one(headers: dict[str, str], names: str) -> None:
    signed = Signer(AMAZONS, address.read(RUNTIME))(Request("POST", "/", headers, b"1"))
    assert f"SignedHeaders={names}x-amz-date, " in signed.headers["Authorization"]
    assert signed.headers.items() > headers.items()


async def test_the_words_of_another_server_may_have_their_end(server: OtherServer) -> None:
    for words in ("Model m does not exist.", "Model m does not exist"):
        server.answer = lambda asked, words=words: Said({"error": words}, 404)  # type: ignore[misc]
        with pytest.raises(RuntimeError, match=r"said 404: Model m does not exist\.$"):
            await remote(f"{server.url}/v2/models/m", "open-inference").learn()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://me:word@host/v2/models/m", "secret="),
        ("http://host/score?code=word", "secret="),
        ("ftp://host/word", "must begin with http"),
        ("http://host:port", "url is none"),
        ("http://host/a\r\nb: c", "must be the text of a URL"),
        (5, "must be the text of a URL"),
    ],
)
async def test_what_is_no_url_is_refused_and_a_secret_in_it_not_quoted(url: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        address.read(url)
    if words == "secret=":
        assert "word@" not in str(refused.value)
        assert "code=word" not in str(refused.value)


async def test_a_protocol_that_is_not_there_and_a_url_without_a_model_are_refused() -> None:
    with pytest.raises(BadRequest, match="open-inference, tensorflow-serving, sagemaker"):
        form_of("triton", address.read("http://host"))
    with pytest.raises(BadRequest, match="such as http://host:8501/v1/models/m"):
        form_of("tensorflow-serving", address.read("http://host:8501"))


# The circuit


def fail(breaker: Breaker, clock: Clock, times: int, last_s: float) -> None:
    for i in range(times):
        clock.now += last_s if i == times - 1 else 0
        with breaker.closed():
            breaker.failed("no room")


async def test_it_opens_after_failures_in_a_row_that_lasted_and_a_trial_closes_it() -> None:
    clock, told = Clock(), []
    breaker = Breaker(clock, lambda words, is_open: told.append((is_open, words)))
    fail(breaker, clock, 3 * FAILURES, 0.0)
    assert not told, "what failed all at once may be over"
    with breaker.closed():
        breaker.answered()
    fail(breaker, clock, FAILURES - 1, LASTING_S)
    assert not told
    fail(breaker, clock, 1, 0.0)
    assert [is_open for is_open, _ in told] == [True]
    assert "last: no room" in told[0][1]
    clock.now += 2
    with pytest.raises(Open, match="is open since 2 s, last: no room"), breaker.closed():
        raise AssertionError
    clock.now += OPEN_S
    with breaker.closed():  # the trial
        with pytest.raises(Open), breaker.closed():
            raise AssertionError
        breaker.failed("no room")
    clock.now += OPEN_S
    with pytest.raises(Open), breaker.closed():  # for twice as long now
        raise AssertionError
    clock.now += OPEN_S
    with breaker.closed():
        breaker.answered()
    assert [is_open for is_open, _ in told] == [True, False]
    with breaker.closed():
        breaker.failed("once")


async def test_inputs_fail_at_once_while_the_circuit_is_open_and_a_bad_input_opens_none(
    server: OtherServer,
) -> None:
    clock, told = Clock(), []
    model = remote(server.url, "mlflow", clock=clock, tell=lambda *said: told.append(said))
    fine = server.answer
    server.answer = lambda asked: Said({"message": "bad input"}, 500)
    for _ in range(2 * FAILURES):
        clock.now += 1
        await model(ROWS[:1])
    assert not told
    server.answer = lambda asked: Said({"message": "no workers"}, 503)
    for _ in range(FAILURES):
        clock.now += 1
        await model(ROWS[:1])
    ((words, is_open),) = told
    assert is_open
    assert words.startswith(f"{server.url} failed 5 times in a row, last: said 503: no workers.")
    server.asked.clear()
    assert (
        await model(ROWS)
        == [
            Fault(
                "call_failed",
                "The mlflow server is not asked: its circuit is open since 0 s, last: said 503: no workers.",
            )
        ]
        * 3
    )
    assert not server.asked
    server.answer = fine
    clock.now += OPEN_S
    assert await model(ROWS) == SUMS
    assert told[1] == (f"{server.url} answers again, after 5 s: its circuit is closed.", False)


async def test_what_torchserves_handler_raised_is_no_sign_that_it_is_down(server: OtherServer) -> None:
    body = {"code": 503, "type": "InternalServerException", "message": "Prediction failed"}
    server.answer = lambda asked: Said(body, 503)
    clock, told = Clock(), []
    model = remote(
        f"{server.url}/predictions/m", "torchserve", clock=clock, tell=lambda *said: told.append(said)
    )
    for _ in range(2 * FAILURES):
        clock.now += 1
        (fault,) = await model(ROWS[:1])
        assert fault == Fault("model_error", "The torchserve server said 503: Prediction failed")
    assert not told


async def test_a_batch_that_is_over_leaves_its_request_under_way_and_its_end_counts(
    server: OtherServer,
) -> None:
    came, goes_on = threading.Event(), threading.Event()

    def slow(asked: Asked) -> Said:
        came.set()
        goes_on.wait(10)
        return Said({"predictions": SUMS})

    server.answer = slow
    model = remote(server.url, "mlflow")
    batch = asyncio.ensure_future(model(ROWS))
    await asyncio.to_thread(came.wait, 10)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    (under_way,) = model._under_way
    goes_on.set()
    assert (await under_way).status == 200
    server.answer = lambda asked: Said({"predictions": SUMS})
    assert await model(ROWS) == SUMS
    assert server.connections == 1
