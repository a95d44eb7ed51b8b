"""SageMaker's, Azure's and TorchServe's ports get anything: each answers or refuses, and has no fault."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE

from clipper_server.query.configuration import Configuration
from clipper_server.query.protocols import Adapter
from clipper_server.query.protocols.answering import answered
from clipper_server.query.protocols.kinds import load
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec

TYPES = ("integers", "floats", "doubles", "bytes", "strings", "json", "ndarray", "dataframe")
PROTOCOLS = ("sagemaker", "azureml", "torchserve")
MEDIA = ["application/json", "application/jsonlines", "text/csv", "application/x-npy", "image/png", "*/*", ""]
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=X", "multipart/form-data"]
LINE = re.compile(
    rb"(x-clipper-query-id|x-default-(answer|rows)|x-(ms-)?request-id|x-amzn-requestid|x-ms-run-fn-exec-ms"
    rb"|x-ms-client-request-id|ms-azureml-model-time|traceid|x-amzn-sagemaker-(custom-attributes|inference-id"
    rb"|new-session-id)): .*"
)
"""A header that is one answer's alone."""
OUTPUTS = [b"1", b"0.5", b'"text"', b"[1,2]", b'{"a":[null]}', b"null"]


class Ports:
    """The adapters of these protocols, each for an application of each input type, in a loop of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.adapters: list[Adapter] = []
        self.apps: list[ASGIApp] = []
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self.configuration = found = Configuration("0", lambda: None, self.loop)
        found.is_local = True
        found.pass_on = _nothing_done
        columns = {"a": "float64", "b": "text", "c": "any"}
        versions = [
            version_spec(model=f"m-{kind}", input_type=kind, columns=columns if kind == "dataframe" else None)
            for kind in TYPES
        ]
        applications = [ApplicationSpec(kind, kind, None, 5_000_000, [f"m-{kind}"]) for kind in TYPES]
        current = {spec.model: "1" for spec in versions}
        found.apply(Snapshot(1, applications, versions, current))
        for spec in versions:
            FakeReplica(found.queues[spec.model, "1"], cost_s=0, answer=_outputs)
        for name in PROTOCOLS:
            protocol = load(name, found)
            self.adapters += protocol.routes.values()
            assert protocol.app is not None
            self.apps.append(protocol.app)

    def ask(self, which: int, headers: dict[bytes, bytes], body: bytes) -> tuple[int, bytes]:
        adapter = self.adapters[which % len(self.adapters)]
        response = self.loop.run_until_complete(answered(adapter, headers, body))
        for _, value in response.headers:
            assert not HEADER_VALUE_RE.search(value)
        assert not HEADER_VALUE_RE.search(response.own.replace(b"\r\n", b""))
        assert all(LINE.fullmatch(line) for line in response.own.split(b"\r\n")[1:])
        if (b"content-type", b"application/json") in response.headers:
            json.loads(response.body)
        return response.status, response.body

    def tell(self, which: int, method: str, path: str, query: str, headers: dict[bytes, bytes]) -> int:
        """The status of what an ASGI application answers."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"[[1]]"}

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query.encode("latin-1", "replace"),
            "headers": list(headers.items()),
            "server": ("127.0.0.1", 80),
        }
        self.loop.run_until_complete(self.apps[which](scope, receive, send))
        status: int = sent[0]["status"]
        return status


async def _nothing_done(method: str, path: str, token: str, body: object = None) -> None:
    """In the place of management."""


def _outputs(inputs: list[bytes]) -> list[Any]:
    return [OUTPUTS[len(data) % len(OUTPUTS)] for data in inputs]


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    found = Ports()
    yield found
    found.loop.close()


def npy(values: Any, order: Any = "C") -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values, order=order))
    return file.getvalue()


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
rows = st.lists(st.lists(leaves, max_size=3), max_size=4)
cells = st.dictionaries(st.sampled_from("abcx"), leaves, max_size=4)
values = st.recursive(
    leaves | rows | st.lists(cells, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)
keys = st.sampled_from(
    ["instances", "inputs", "dataframe_split", "dataframe_records", "params", "data", "input_data", "x"]
)
tables = st.fixed_dictionaries({"columns": st.lists(st.text(max_size=2)) | leaves, "data": rows | leaves})
objects = st.dictionaries(keys, values | tables, max_size=3)
numbers = st.lists(st.lists(st.integers(-9, 9) | st.just(0.5), max_size=3), max_size=3)
good = st.one_of(numbers, st.lists(st.text(max_size=3)), st.lists(cells)).flatmap(
    lambda rows: st.sampled_from([rows, {"instances": rows}, {"data": rows}])
)
as_json = (values | objects | good).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
as_csv = st.lists(st.lists(st.text(max_size=4) | st.integers().map(str), max_size=3), max_size=4).map(
    lambda lines: "\n".join(",".join(line) for line in lines).encode("utf-8", "replace")
)
dtypes = st.sampled_from(["?", "u1", "<i2", ">i4", "<i8", "<u8", "<f2", "<f4", ">f8", "<c16", "S3", "O"])
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
arrays = st.builds(
    lambda shape, dtype, order: npy(np.zeros(shape, dtype), order), shapes, dtypes, st.sampled_from("CF")
)
heads = st.text(max_size=60).map(
    lambda text: b"\x93NUMPY\x01\x00" + len(text.encode()).to_bytes(2, "little") + text.encode()
)
literal = st.builds(
    lambda descr, shape: b"{'descr': %b, 'fortran_order': False, 'shape': %b, }" % (descr, shape),
    st.sampled_from([b"'<f8'", b"'<f4'", b"'O'", b"[]", b"[('a', '<f8')]", b"1", b"('<f8', (2,))"]),
    st.sampled_from(
        [b"(-1,)", b"(9999999999, 9999999999)", b"()", b"(True,)", b"2", b"(0, 9223372036854775807)"]
    ),
).map(lambda head: b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
pieces = st.sampled_from(
    [
        b"--X",
        b"\r\n",
        b"--",
        b'Content-Disposition: form-data; name="data"',
        b"Content-Type: text/csv",
        b"data=%ff",
    ]
)
forms = st.lists(pieces | as_json | st.binary(max_size=9), max_size=9).map(b"".join)
bodies = as_json | as_csv | arrays | heads | literal | st.binary(max_size=40) | forms
texts = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=9
).map(lambda text: text.encode("latin-1"))
media = st.sampled_from([each.encode() for each in MEDIA + FORMS]) | texts
headers = st.fixed_dictionaries(
    {b"content-type": media | st.just(b"application/json")},
    optional={
        b"accept": media,
        b"x-amzn-sagemaker-custom-attributes": texts,
        b"x-amzn-sagemaker-target-variant": texts | st.just(b"1"),
        b"x-amzn-sagemaker-inference-id": texts,
        b"x-amzn-sagemaker-session-id": texts | st.just(b"NEW_SESSION"),
        b"azureml-model-deployment": texts | st.just(b"1"),
        b"x-ms-request-id": texts,
        b"traceid": texts,
        b"x-request-timeout-seconds": texts | st.just(b"1"),
        b"authorization": texts | st.just(b"Bearer x"),
    },
)


EXAMPLES = 2000 if settings().max_examples >= 100 else 100  # ... every day


@settings(deadline=None, database=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 99), headers | st.just({}), bodies)
@example(0, {b"content-type": b"text/csv"}, b"1" * 400 + b"," + b"9" * 5000)
@example(5, {b"content-type": b"text/csv"}, b"9" * 5000)
@example(5, {b"content-type": b"text/csv"}, b"18446744073709551616")
@example(7, {b"content-type": b"text/csv"}, b"a,a\n1,2")
def test_anything_is_answered(ports: Ports, which: int, headers: dict[bytes, bytes], body: bytes) -> None:
    status, told = ports.ask(which, headers, body)
    event(f"{status}")
    assert status < 500, told


words = st.sampled_from(
    ["", "sum", "json", "score", "invocations", "endpoints", "ping", "swagger.json", "..", "%2f", "x?y"]
    + ["predictions", "models", "1", "all", "set-default", "invoke", "metrics"]
)
paths = st.lists(words | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=4).map(
    lambda found: "/" + "/".join(found)
)
queries = st.sampled_from(
    ["", "data=[1]", "data=[", "version=3", "data=[[1,2]]&data=2", "=", "%ff=%00"]
    + ["url=m-json:1&model_name=json&batch_size=1", "min_worker=1&timeout=0&synchronous=true", "limit=9"]
)
methods = st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "HEAD", "TRACE", "WHATEVER", "DELETE"])


@settings(deadline=None, database=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, len(PROTOCOLS) - 1),
    methods,
    paths,
    queries | texts.map(lambda text: text.decode("latin-1")),
    headers,
)
@example(1, "GET", "/json/score", "data=[1]", {})
@example(1, "POST", "/json/score", "", {})
def test_any_path_is_answered(
    ports: Ports, which: int, method: str, path: str, query: str, headers: dict[bytes, bytes]
) -> None:
    status = ports.tell(which, method, path, query, headers)
    assert status < 500 or (method, status) == ("POST", 503)  # which came before its application did
