"""SageMaker's port, where MLflow's clients ask too: their documented requests, and what comes of them.

What boto3 sends, and how it reads our answers, is in tests/golden/sagemaker/, as `make peers` records it.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import numpy as np
import pytest

from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES
from clipper_container.remotes import address
from clipper_container.remotes.connections import Request as RemoteRequest
from clipper_container.remotes.credentials import Signer
from clipper_container.remotes.kinds import form_of
from clipper_container.remotes.remote import Remote
from clipper_container.remotes.signing import Scope, signature
from clipper_container.tensors import Tensor
from clipper_server.policies import SplitSpec
from clipper_server.protocols import ProtocolSpec
from clipper_server.query.configuration import Configuration
from clipper_server.query.limits import DEFAULT
from clipper_server.query.protocols import Refused
from clipper_server.query.protocols.rows import Rows
from clipper_server.query.protocols.sagemaker import signatures
from clipper_server.query.protocols.sagemaker.bodies import Bodies
from clipper_server.query.protocols.sagemaker.invocations import Endpoint
from clipper_server.query.protocols.sagemaker.signatures import Unsigned
from clipper_server.query.request import Request
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.own_port import opened

pytestmark = pytest.mark.anyio
RECORDED = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((RECORDED / "sagemaker" / "boto3.json").read_text())
MLFLOW = json.loads((RECORDED / "mlflow" / "bodies.json").read_text())
ERROR = "x-amzn-errortype"


def application(name: str, input_type: str, models: list[str], **changes: Any) -> ApplicationSpec:
    return ApplicationSpec(name, input_type, -1, 5_000_000, models, **changes)


APPLICATIONS = [
    application("sum", "doubles", ["m"]),
    application("whole", "integers", ["w"]),
    application("text", "strings", ["t"]),
    application("blob", "bytes", ["b"]),
    application("any", "json", ["j"]),
    application("array", "ndarray", ["a"]),
    application("frame", "dataframe", ["f"]),
    application("none", "doubles", []),
    application("full", "doubles", ["idle"], on_overload="reject"),
]
VERSIONS = [
    version_spec(),
    version_spec(version="2"),
    version_spec(model="idle"),
    version_spec(model="w", input_type="integers"),
    version_spec(model="t", input_type="strings"),
    version_spec(model="b", input_type="bytes"),
    version_spec(model="j", input_type="json"),
    version_spec(model="a", input_type="ndarray"),
    version_spec(model="f", input_type="dataframe", columns={"a": "float64", "b": "text"}),
]
CURRENT = {"m": "1", "idle": "1", "w": "1", "t": "1", "b": "1", "j": "1", "a": "1", "f": "1"}


def sizes(answer: bytes = b"%d") -> Any:
    return lambda inputs: [answer % len(data) for data in inputs]


@pytest.fixture
async def configuration() -> Configuration:
    """Models answer with the length of their inputs in bytes; version 2 of m with a list of it."""
    found = Configuration("0", lambda: None, asyncio.get_running_loop())
    found.is_local = True
    found.apply(Snapshot(1, APPLICATIONS, VERSIONS, CURRENT))
    for spec in VERSIONS:
        queue = found.queue(spec.model, spec.version)
        assert queue is not None
        if spec.model != "idle":
            FakeReplica(queue, cost_s=0, answer=sizes(b"[%d,0.5]" if spec.version == "2" else b"%d"))
    return found


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    async with opened("sagemaker", configuration) as client:
        yield client


def endpoint(name: str) -> str:
    return f"/endpoints/{name}/invocations"


def npy(values: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values, **more))
    return file.getvalue()


JSON, LINES, CSV, NPY = "application/json", "application/jsonlines", "text/csv", "application/x-npy"
SPLIT = {"columns": ["a", "b"], "data": [[1, "x"], [2.5, "yy"]]}


@pytest.mark.parametrize(
    ("name", "content_type", "body", "told"),
    [
        ("sum", JSON, b"[[1, 2], [3]]", [16, 8]),
        ("sum", "application/json; charset=utf-8", b"[[1, null]]", [16]),
        ("sum", JSON, b"[1, 2]", [16]),
        ("sum", JSON, b"  \xef\xbb\xbf[[1]]"[2:], [8]),
        ("sum", JSON, b"[]", []),
        ("sum", JSON, b'{"instances": [[1, 2], [3]]}', {"predictions": [16, 8]}),
        ("sum", JSON, b'{"inputs": [[1, 2], [3]], "params": {}}', {"predictions": [16, 8]}),
        ("sum", JSON, b'{"inputs": [1, 2]}', {"predictions": [16]}),
        ("sum", JSON, b'{"dataframe_split": {"columns": [0, 1], "data": [[1, 2]]}}', {"predictions": [16]}),
        (
            "sum",
            JSON,
            b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}',
            {"predictions": [16]},
        ),
        ("sum", JSON, b'{"dataframe_records": [{"a": 1, "b": 2}]}', {"predictions": [16]}),
        ("sum", LINES, b"[1, 2]\n\n[3]\n", [16, 8]),
        ("sum", CSV, b"1,2\r\n3,4\r\n", [16, 16]),
        ("sum", CSV, b"a,b\n1,\n", [16]),
        ("sum", CSV, b"\n1,2\n\n3\n", [16, 8]),
        ("sum", CSV, b"\r\n", []),
        ("sum", CSV, b"1,2\r3,4", [16, 16]),
        ("sum", CSV, b"1,\r2", [16, 8]),
        ("sum", CSV, b"1.,+2,007,.5,\n1e999,-0\n", [40, 16]),
        ("sum", NPY, npy([[1.0, 2.0], [3.0, 4.0]]), [16, 16]),
        ("sum", NPY, npy([[1, 2], [3, 4], [5, 6]], order="F", dtype=">i2"), [16, 16, 16]),
        ("sum", NPY, npy([1.0, 2.0]), [16]),
        ("whole", JSON, b"[[1, 2]]", [8]),
        ("whole", CSV, b"1,2\n", [8]),
        ("text", JSON, b'["a", "bcd"]', [1, 3]),
        ("text", CSV, b'"a, b"\nc\n', [4, 1]),
        ("text", LINES, b'"a"\n"bcd"', [1, 3]),
        ("text", "text/plain", "gr\u00fcn".encode(), [5]),
        ("blob", JSON, b'["AAE="]', [2]),
        ("blob", "image/png", b"\x89PNG", [4]),
        ("blob", "application/octet-stream", b"\x00\x01\x02", [3]),
        ("any", JSON, b'[1, {"a": 2}]', [1, 7]),
        ("any", JSON, b'{"question": 1}', [14]),
        ("any", JSON, b'{"instances": [1]}', {"predictions": [1]}),
        ("any", CSV, b"1,x,true,\n", [17]),
        ("any", NPY, npy([[1, 2]]), [5]),
        ("array", JSON, b"[[[1, 2], [3, 4]]]", [32]),
        ("array", NPY, npy([[[1, 2]]], dtype="u1"), [2]),
        ("frame", JSON, b'[{"a": 1, "b": "x"}]', [11]),
        ("frame", JSON, b'{"a": 1, "b": "x"}', [11]),
        ("frame", JSON, b'[[1, "x"], [2, "yy"]]', [11, 12]),
        ("frame", JSON, json.dumps({"dataframe_split": SPLIT}).encode(), {"predictions": [11, 12]}),
        ("frame", JSON, b'{"dataframe_records": [{"a": 1, "b": "x"}]}', {"predictions": [11]}),
        ("frame", JSON, b'{"inputs": {"a": [1, 2], "b": ["x", "y"]}}', {"predictions": [11, 11]}),
        ("sum", JSON, b'{"inputs": {"a": [1, 2], "b": [3, 4]}}', {"predictions": [16, 16]}),
        ("sum", JSON, b'{"inputs": {"x": [[1, 2], [3, 4]]}}', {"predictions": [16, 16]}),
        ("sum", JSON, b'{"inputs": {"x": [1, 2]}}', {"predictions": [8, 8]}),
        (
            "text",
            JSON,
            b'{"dataframe_split": {"columns": [0], "data": [["a"], ["bcd"]]}}',
            {"predictions": [1, 3]},
        ),
        ("text", JSON, b'{"dataframe_records": [{"t": "a"}, {"t": "bcd"}]}', {"predictions": [1, 3]}),
        ("text", JSON, b'{"inputs": {"t": ["a", "bcd"]}}', {"predictions": [1, 3]}),
        ("blob", JSON, b'{"inputs": {"t": ["AAE="]}}', {"predictions": [2]}),
        ("array", JSON, b'{"inputs": {"x": [[[1, 2], [3, 4]]]}}', {"predictions": [32]}),
        ("array", JSON, b'{"dataframe_split": {"columns": [0, 1], "data": [[1, 2]]}}', {"predictions": [16]}),
        ("any", JSON, json.dumps({"dataframe_split": SPLIT}).encode(), {"predictions": [15, 18]}),
        ("any", JSON, b'{"dataframe_records": [{"a": 1, "b": "x"}]}', {"predictions": [15]}),
        ("any", JSON, b'{"inputs": {"a": [1, 2], "b": ["x", "y"]}}', {"predictions": [15, 15]}),
        ("frame", CSV, b"b,a\nx,1\n7,2\n", [11, 11]),
        ("frame", CSV, b"1,x\n", [11]),
        ("none", JSON, b"[[1], [2]]", [-1, -1]),
    ],
)
async def test_rows_of_each_type_are_inputs(
    client: httpx2.AsyncClient, name: str, content_type: str, body: bytes, told: Any
) -> None:
    for path in (endpoint(name), f"/{name}/invocations"):
        response = await client.post(path, content=body, headers={"content-type": content_type})
        assert (response.status_code, response.json()) == (200, told)
        assert response.headers["content-type"] == JSON


@pytest.mark.parametrize(
    ("given", "name", "told"),
    [("frame", "frame", [11, 12]), ("array", "sum", [16, 16]), ("list", "array", [16, 16])],
)
async def test_mlflows_client_is_answered(
    client: httpx2.AsyncClient, given: str, name: str, told: list[int]
) -> None:
    response = await client.post(
        f"/{name}/invocations", content=MLFLOW[given], headers={"content-type": JSON}
    )
    assert (response.status_code, response.json()) == (200, {"predictions": told})


@pytest.mark.parametrize(
    ("accept", "content_type", "written"),
    [
        ("", JSON, b"[[16,0.5],[8,0.5]]"),
        ("*/*", JSON, b"[[16,0.5],[8,0.5]]"),
        ("image/png, application/json;q=0.5", JSON, b"[[16,0.5],[8,0.5]]"),
        (LINES, LINES, b"[16,0.5]\n[8,0.5]\n"),
        (CSV, CSV, b"16,0.5\n8,0.5\n"),
        ("text/*", CSV, b"16,0.5\n8,0.5\n"),
        (NPY, NPY, npy([[16, 0.5], [8, 0.5]])),
    ],
)
async def test_outputs_are_written_as_they_are_accepted(
    client: httpx2.AsyncClient, accept: str, content_type: str, written: bytes
) -> None:
    headers = {"accept": accept, "x-amzn-sagemaker-target-variant": "2"}
    response = await client.post(endpoint("sum"), content=b"[[1,2],[3]]", headers=headers)
    assert response.headers["content-type"] == content_type
    if accept == NPY:
        assert np.load(io.BytesIO(response.content)).tolist() == [[16, 0.5], [8, 0.5]]
    else:
        assert response.content == written


@pytest.mark.parametrize("accept", [JSON, LINES, CSV, NPY])
async def test_many_rows_are_written_like_few(client: httpx2.AsyncClient, accept: str) -> None:
    few, many = [
        await client.post(endpoint("sum"), content=json.dumps([[1.0]] * n), headers={"accept": accept})
        for n in (2, 1000)
    ]
    if accept == NPY:
        assert np.load(io.BytesIO(many.content)).tolist() == [8] * 1000
    elif accept == JSON:
        assert (few.json(), many.json()) == ([8] * 2, [8] * 1000)
    else:
        assert few.content * 500 == many.content


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        ({"columns": [0], "data": [[1], [2]]}, (1,)),
        ({"columns": [0, 1], "data": [[1, 2], [3, 4]]}, (2,)),
        ([{"a": 1}, {"a": 2}], (1,)),
        ({"a": [1, 2]}, (1,)),
        ({"a": [[1, 2, 3], [4, 5, 6]]}, (3,)),
        ([[1], [2]], (1,)),
        ([1, 2], ()),
    ],
    ids=str,
)
def test_a_row_of_a_table_is_an_array_and_one_cell_that_is_a_list_is_it_by_itself(
    table: Any, shape: tuple[int, ...]
) -> None:
    arrays: Any = SimpleNamespace(input_type=INPUT_TYPES["ndarray"])
    found = Rows(arrays, DEFAULT).of_json(table, None)
    assert [tensor.shape for tensor in found] == [shape, shape]


@pytest.fixture
async def named(configuration: Configuration) -> None:
    """The application `named`, whose inputs have an array and a text."""
    version = version_spec(model="n", input_type="named", columns={"a": "int64[-1]", "b": "text"})
    own = application("named", "named", ["n"])
    current = {**CURRENT, "n": "1"}
    configuration.apply(Snapshot(2, [*APPLICATIONS, own], [*VERSIONS, version], current))
    queue = configuration.queue("n", "1")
    assert queue is not None
    FakeReplica(queue, cost_s=0, answer=sizes())


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"inputs": {"a": [[1, 2]], "b": ["x"]}}, [17]),
        ({"inputs": {"a": [[1, 2], [3, 4]], "b": ["x", "yy"]}}, [17, 18]),
        ({"inputs": [{"a": [1, 2], "b": "x"}]}, [17]),
        ({"instances": [{"a": [1, 2], "b": "x"}]}, [17]),
        ({"instances": {"a": [[1, 2]], "b": ["x"]}}, [17]),
        ({"dataframe_records": [{"a": [1, 2], "b": "x"}]}, [17]),
        ({"dataframe_split": {"columns": ["b", "a"], "data": [["x", [1, 2]]]}}, [17]),
        ({"inputs": {"a": [[1, 2]], "b": ["x", "y"]}}, "not lists of one length"),
        ({"inputs": {"a": [1, 2], "b": ["x", "y"]}}, "the array 'a'"),
        ({"inputs": {"a": [[1, 2]]}}, "it lacks the array 'b'"),
        ({"inputs": {}}, "not lists of one length"),
    ],
    ids=str,
)
async def test_named_arrays_come_in_all_of_mlflow_s_forms(
    client: httpx2.AsyncClient, body: Any, told: Any
) -> None:
    response = await client.post("/named/invocations", json=body)
    if isinstance(told, str):
        assert (response.status_code, told in response.json()["message"]) == (400, True), response.text
    else:
        assert response.json() == {"predictions": told}


BAD = [
    ("sum", JSON, b"{]", "Error parsing JSON"),
    ("sum", JSON, b"", "Error parsing JSON"),
    ("sum", JSON, b"3", "it is no list of inputs"),
    ("sum", JSON, b'[["x"]]', "Expected `float | null`, got `str`"),
    ("sum", JSON, b"[[1], 2]", "Expected `array`, got `int`"),
    ("sum", JSON, b"{}", "exactly one of"),
    ("sum", JSON, b'{"instances": [], "inputs": []}', "exactly one of"),
    ("sum", JSON, b'{"instances": [[1]], "params": {"a": 1}}', "models take none"),
    ("sum", JSON, b'{"instances": [[1]], "signature_name": "x"}', "besides instances it has signature_name"),
    ("sum", JSON, b'{"dataframe_split": 1}', "it is no list of inputs"),
    ("sum", JSON, b'{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', "not as long as there are"),
    *(
        (name, JSON, b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', "have one name")
        for name in ("any", "frame")
    ),
    ("sum", LINES, b"[1]\n[", "Error parsing JSON"),
    ("sum", CSV, b"1,2\nx,y\n", "could not convert"),
    ("sum", CSV, b"1,2\n1-2,3\n", "could not convert"),
    ("sum", CSV, b"a,b\n", "its one line is no row of numbers"),
    ("array", CSV, b"a,b\n", "its one line is no row of numbers"),
    ("sum", CSV, b"\xff\xfe1\x00", "not UTF-8"),
    ("sum", NPY, b"no array", "no array as numpy.save writes it"),
    ("sum", NPY, npy(["a"]), "no type of numbers"),
    ("sum", NPY, npy([[1.0]])[:-1], "needs 8 bytes, not 7"),
    ("sum", NPY, npy(1.0), "first dimension counts"),
    ("sum", NPY, npy([[1j]]), "no type of numbers"),
    ("whole", JSON, b"[[1.5]]", "Expected `int`, got `float`"),
    ("whole", CSV, b"1,\n", "invalid literal for int"),
    ("whole", JSON, b"[[9999999999]]", "outside the 32-bit integers"),
    ("whole", CSV, b"1\n9999999999\n", "outside the 32-bit integers"),
    ("text", NPY, npy([1]), "the inputs are texts"),
    ("text", CSV, b"a,b\n", "a line has 2 cells"),
    ("text", "text/plain", b"\xff", "not UTF-8"),
    ("blob", JSON, b'["?"]', "not base64"),
    ("sum", JSON, b'{"inputs": {"a": [1, 2], "b": [3]}}', "not lists of one length"),
    ("sum", JSON, b'{"inputs": {}}', "not lists of one length"),
    ("text", JSON, b'{"dataframe_records": [{"a": "x", "b": "y"}]}', "Expected `str`, got `array`"),
    ("frame", JSON, b'[["x"]]', "a row has 1 values, and there are 2 columns: a, b"),
    ("frame", JSON, b'[{"a": 1}]', "missing"),
    ("frame", CSV, b"1\n", "a line has 1 cells, and not 2: a, b"),
    pytest.param("any", JSON, b"[" * 100_000 + b"]" * 100_000, "nested too deeply", id="deep"),
]


@pytest.mark.parametrize(("name", "content_type", "body", "why"), BAD)
async def test_what_does_not_fit_is_told_in_each_ones_form(
    client: httpx2.AsyncClient, name: str, content_type: str, body: bytes, why: str
) -> None:
    headers = {"content-type": content_type}
    response = await client.post(f"/{name}/invocations", content=body, headers=headers)
    assert response.status_code == 400
    told = response.json()
    assert told.keys() == {"error_code", "message"}
    assert told["error_code"] == "BAD_REQUEST"
    assert why in told["message"]
    response = await client.post(endpoint(name), content=body, headers=headers)
    assert (response.status_code, response.headers[ERROR]) == (424, "ModelError")
    said = response.json()
    assert (said["OriginalStatusCode"], said["OriginalMessage"]) == (400, told["message"])
    assert said["OriginalMessage"] in said["Message"]


REFUSED = [
    ({"x-amzn-sagemaker-target-variant": "9"}, "Variant 9 is not found. sum has m:1, m:2."),
    ({"x-amzn-sagemaker-target-model": "m"}, "nothing that X-Amzn-SageMaker-Target-Model could name"),
    ({"x-amzn-sagemaker-enable-explanations": "`true`"}, "Enable-Explanations"),
    ({"x-amzn-sagemaker-inference-component": "c"}, "Inference-Component"),
    ({"x-amzn-sagemaker-target-container-hostname": "c"}, "Target-Container-Hostname"),
    ({"x-amzn-sagemaker-custom-attributes": "a" * 1025}, "1024 visible ASCII"),
    ({"x-amzn-sagemaker-inference-id": "a" * 65}, "64 visible ASCII"),
    ({"x-amzn-sagemaker-target-variant": "a" * 64}, "63 visible ASCII"),
    ({"x-amzn-sagemaker-session-id": "a" * 257}, "256 visible ASCII"),
    ({"x-request-timeout-seconds": "soon"}, "a number above 0"),
]


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([{"a": 1, "b": 2}, {"b": 4, "a": 3}], [[1.0, 2.0], [3.0, 4.0]]),
        ([{"a": 1, "b": 2}, {"a": 1, "c": 2}], None),
        ([{"a": 1, "b": 2}, {"a": 1}], None),
    ],
)
async def test_records_are_read_by_their_names(configuration: Configuration, records: Any, told: Any) -> None:
    bodies = Bodies(configuration.applications["sum"], DEFAULT)
    body = json.dumps({"dataframe_records": records}).encode()
    if told is None:
        with pytest.raises(BadRequest, match="a record has other names than the first, which has a, b"):
            bodies.read(JSON, body, None)
    else:
        tensors, _ = bodies.read(JSON, body, None)
        assert [np.frombuffer(each.data, "<f8").tolist() for each in tensors] == told


@pytest.mark.parametrize("media", [JSON, LINES])
async def test_a_byte_order_mark_is_left_out_once(client: httpx2.AsyncClient, media: str) -> None:
    body = b"\xef\xbb\xbf" * 5000 + b"[[1]]"
    response = await client.post("/sum/invocations", content=body, headers={"content-type": media})
    assert (response.status_code, "Error parsing JSON" in response.text) == (400, True)


@pytest.mark.parametrize(("headers", "why"), REFUSED)
async def test_headers_that_do_not_fit_are_validation_errors(
    client: httpx2.AsyncClient, headers: dict[str, str], why: str
) -> None:
    response = await client.post(endpoint("sum"), content=b"[[1]]", headers=headers)
    assert (response.status_code, response.headers[ERROR]) == (400, "ValidationError")
    assert response.json().keys() == {"Message"}
    assert why in response.json()["Message"]
    response = await client.post("/sum/invocations", content=b"[[1]]", headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content-type": "image/png"}, 415), ({"content-type": "text/csv; charset=latin-1"}, 415)],
)
async def test_types_that_nobody_reads_are_told_in_text(
    client: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await client.post("/sum/invocations", content=b"[[1]]", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    response = await client.post(endpoint("sum"), content=b"[[1]]", headers=headers)
    assert (response.status_code, response.json()["OriginalStatusCode"]) == (424, status)


async def test_types_that_nobody_writes_are_told(client: httpx2.AsyncClient) -> None:
    headers = {"accept": "image/png"}
    response = await client.post("/sum/invocations", content=b"[[1]]", headers=headers)
    assert response.status_code == 406
    assert "The header Accept has none of" in response.text
    response = await client.post(endpoint("sum"), content=b"[[1]]", headers=headers)
    assert (response.status_code, response.json()["OriginalStatusCode"]) == (424, 406)
    spec = [application("words", "doubles", [])]
    async with opened("sagemaker", await _with([*spec], default="no number")) as alone:
        response = await alone.post("/invocations", content=b"[[1]]", headers={"accept": NPY})
    assert (response.status_code, "no numbers of one shape" in response.text) == (406, True)


async def _with(applications: list[ApplicationSpec], default: Any = -1, **more: Any) -> Configuration:
    found = Configuration("0", lambda: None, asyncio.get_running_loop())
    found.is_local = True
    specs = [ApplicationSpec(a.name, a.input_type, default, 5_000_000, a.linked_models) for a in applications]
    found.apply(Snapshot(1, specs, VERSIONS, CURRENT, **more))
    return found


async def test_headers_tell_what_was_asked_and_who_answered(client: httpx2.AsyncClient) -> None:
    headers = {
        "x-amzn-sagemaker-custom-attributes": "trace=7",
        "x-amzn-sagemaker-inference-id": "mine",
        "x-amzn-sagemaker-session-id": "NEW_SESSION",
        "x-amzn-sagemaker-prefix-aware-id": "p",
    }
    response = await client.post(endpoint("sum"), content=b"[[1],[2]]", headers=headers)
    found = response.headers
    assert found["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    assert found["x-amzn-sagemaker-inference-id"] == "mine"
    assert found["x-amzn-invoked-production-variant"] == "1"
    session, _, until = found["x-amzn-sagemaker-new-session-id"].partition("; Expires=")
    assert session.isalnum()
    assert datetime.strptime(until, "%Y-%m-%dT%H:%M:%S%z") > datetime.now(UTC)
    assert len(found["x-clipper-query-id"].split(", ")) == 2
    assert found["x-amzn-requestid"]
    assert "x-default-answer" not in found


@pytest.mark.parametrize("variant", ["2", "m:2"])
async def test_a_variant_is_a_version(client: httpx2.AsyncClient, variant: str) -> None:
    headers = {"x-amzn-sagemaker-target-variant": variant}
    response = await client.post(endpoint("sum"), content=b"[[1]]", headers=headers)
    assert response.json() == [[8, 0.5]]
    assert response.headers["x-amzn-invoked-production-variant"] == "2"


async def test_arms_are_variants_and_a_session_keeps_to_one(configuration: Configuration) -> None:
    policy = SplitSpec({"m:1": 1, "m:2": 1}, "unit")
    apps = [application("both", "doubles", ["m"], policy=policy)]
    configuration.apply(Snapshot(2, apps, VERSIONS, CURRENT))
    by = "x-amzn-invoked-production-variant"
    async with opened("sagemaker", configuration) as client:
        for arm in ("m:1", "m:2"):
            headers = {"x-amzn-sagemaker-target-variant": arm}
            response = await client.post("/invocations", content=b"[[1]]", headers=headers)
            assert response.headers[by] == arm[2:]
        found = set()
        for session in ("a", "b", "c", "d", "e", "f"):
            headers = {"x-amzn-sagemaker-session-id": session}
            said = {
                (await client.post("/invocations", content=b"[[1]]", headers=headers)).headers[by]
                for _ in range(5)
            }
            assert len(said) == 1
            found |= said
        assert found == {"m:1", "m:2"}


async def test_default_outputs_are_marked(client: httpx2.AsyncClient) -> None:
    for path in (endpoint("none"), "/none/invocations"):
        response = await client.post(path, content=b"[[1]]")
        assert (response.status_code, response.json()) == (200, [-1])
        assert response.headers["x-default-answer"] == "no_model_linked"
        assert "x-amzn-invoked-production-variant" not in response.headers


async def test_too_much_is_told(client: httpx2.AsyncClient) -> None:
    for body in (json.dumps([[1]] * 20_001).encode(), b"[" + b"1," * (1 << 20) + b"1]"):
        response = await client.post(endpoint("sum"), content=body)
        assert (response.status_code, response.headers[ERROR]) == (413, "RequestEntityTooLargeException")
        response = await client.post("/sum/invocations", content=body)
        assert (response.status_code, response.json()["error_code"]) == (413, "BAD_REQUEST")


async def test_overload_is_throttling(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    configuration.queues["idle", "1"].admission.most = 1
    waiting = Request("clipper", [Tensor(bytes(8), (1,), "<f8")])
    configuration.applications["full"].ask(waiting, lambda _answers: None)
    response = await client.post(endpoint("full"), content=b"[[1]]")
    assert (response.status_code, response.headers[ERROR]) == (429, "ThrottlingException")
    assert int(response.headers["retry-after"]) >= 1
    response = await client.post("/full/invocations", content=b"[[1]]")
    assert (response.status_code, response.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("POST", "/endpoints/nope/invocations", 400, "ValidationError"),
        ("POST", "/endpoints/sum/async-invocations", 400, "ValidationError"),
        ("POST", "/endpoints/sum/invocations-response-stream", 400, "ValidationError"),
        ("POST", "/endpoints/sum", 404, "UnknownOperationException"),
        ("GET", "/endpoints/sum/invocations", 405, "UnknownOperationException"),
        ("POST", "/nope/invocations", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "/models", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "/sum/invocations", 405, "BAD_REQUEST"),
        ("POST", "/ping", 405, "BAD_REQUEST"),
        ("POST", "/invocations", 400, "BAD_REQUEST"),
    ],
)
async def test_what_there_is_not_is_told_in_each_ones_form(
    client: httpx2.AsyncClient, method: str, path: str, status: int, error: str
) -> None:
    response = await client.request(method, path, content=b"[[1]]" if method == "POST" else None)
    assert response.status_code == status
    if path.startswith("/endpoints/"):
        assert response.headers[ERROR] == error
        assert response.json().keys() == {"Message"}
    else:
        assert response.json()["error_code"] == error
    if path == "/invocations":
        assert "any, array, blob" in response.json()["message"]


async def test_a_container_tells_that_it_lives(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    for path in ("/ping", "/health"):
        response = await client.get(path)
        assert (response.status_code, response.text) == (200, "\n")
        assert (await client.head(path)).status_code == 200
    assert (await client.get("/version")).text[0].isdigit()
    configuration.apply(Snapshot(2, [], [], {}))
    assert (await client.get("/ping")).status_code == 404
    response = await client.post("/invocations", content=b"[[1]]")
    assert (response.status_code, response.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_the_only_application_needs_no_name(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(Snapshot(2, APPLICATIONS[:1], VERSIONS, CURRENT))
    assert (await client.post("/invocations", content=b"[[1]]")).json() == [8]


# Signatures

KEYS = {GOLDEN["key"]: GOLDEN["secret"]}
ALONE: Any = SimpleNamespace(
    asks_for_units=False, asks_for_contexts=False, features=0, queues=lambda version: [version]
)
SIGNED = GOLDEN["requests"]["all headers"]


def check(request: dict[str, Any], keys: dict[str, str] = KEYS, late_s: float = 0, **changes: str) -> None:
    headers = request["headers"] | {name.replace("_", "-"): value for name, value in changes.items()}
    given = {name.encode(): value.encode() for name, value in headers.items()}
    path, body = changes.get("path", request["path"]), changes.get("body", request["body"]).encode()
    signed_at = datetime.strptime(request["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    when = signed_at + timedelta(seconds=late_s)
    signatures.check(keys, path, given, body, when)


@pytest.mark.parametrize("name", GOLDEN["requests"])
def test_what_boto3_signs_is_signed(name: str) -> None:
    check(GOLDEN["requests"][name])
    check(GOLDEN["requests"][name], late_s=-600)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"keys": {}}, "AccessDenied"),
        ({"keys": {"other": GOLDEN["secret"]}}, "UnrecognizedClient"),
        ({"keys": {GOLDEN["key"]: "other"}}, "InvalidSignature"),
        ({"late_s": 1000}, "InvalidSignature"),
        ({"body": "[[9]]"}, "InvalidSignature"),
        ({"path": "/endpoints/other/invocations"}, "InvalidSignature"),
        ({"x_amzn_sagemaker_target_variant": "2"}, "InvalidSignature"),
        ({"host": "elsewhere"}, "InvalidSignature"),
        ({"x_amz_date": "20200101T000000Z"}, "InvalidSignature"),
        ({"x_amz_date": "now"}, "IncompleteSignature"),
        ({"authorization": "Bearer token"}, "IncompleteSignature"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host"}, "IncompleteSignature"),
        ({"authorization": SIGNED["headers"]["authorization"].replace(";host", "")}, "IncompleteSignature"),
        ({"authorization": SIGNED["headers"]["authorization"].replace(";host", ";host;host")}, "Incomplete"),
        (
            {"authorization": SIGNED["headers"]["authorization"].replace(";host", ";host" + ";a" * 64)},
            "Incomplete",
        ),
        ({"authorization": SIGNED["headers"]["authorization"].replace("/sagemaker/", "/s3/")}, "Invalid"),
        ({"authorization": SIGNED["headers"]["authorization"][:-1] + "\u00fc"}, "InvalidSignature"),
    ],
)
def test_what_is_not_signed_so_is_refused(how: dict[str, Any], code: str) -> None:
    with pytest.raises(Unsigned) as caught:
        check(SIGNED, **how)
    assert caught.value.code.startswith(code)
    assert str(caught.value)


def test_an_adapter_answers_what_is_signed_with_its_key() -> None:
    bodies = SimpleNamespace(application=ALONE, limits=DEFAULT, read=lambda *_: ([], False))
    signed_at = datetime.strptime(SIGNED["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    adapter = Endpoint(cast(Bodies, bodies), SIGNED["path"], KEYS, lambda: signed_at)
    headers = {name.encode(): value.encode() for name, value in SIGNED["headers"].items()}
    request = adapter.parse(headers, SIGNED["body"].encode())
    assert (request.version, request.form.media) == ("1", LINES)
    with pytest.raises(Refused) as caught:
        adapter.parse(headers, b"[[9]]")
    assert caught.value.response.status == 403
    assert (ERROR.encode(), b"InvalidSignatureException") in caught.value.response.headers


def test_what_we_send_is_signed_as_boto3_signs_it() -> None:
    """By the same key at the same time it is the same signature."""
    golden = GOLDEN["requests"]["plain"]
    headers = golden["headers"]
    signed_at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    secret = {
        "aws_access_key_id": GOLDEN["key"],
        "aws_secret_access_key": GOLDEN["secret"],
        "region_name": "eu-west-1",
    }
    sign = Signer(secret, address.read(f"http://{headers['host']}{golden['path']}"), lambda: signed_at)
    asked = RemoteRequest(
        "POST", golden["path"], {"Content-Type": JSON, "Accept": JSON}, golden["body"].encode()
    )
    assert sign(asked)._replace(headers={}) == asked._replace(headers={})
    assert sign(asked).headers == {
        **asked.headers,
        "X-Amz-Date": headers["x-amz-date"],
        "Authorization": headers["authorization"],
    }
    temporary = Signer(secret | {"aws_session_token": "t"}, address.read("http://a/x"), lambda: signed_at)
    assert temporary(asked).headers["X-Amz-Security-Token"] == "t"
    assert "host;x-amz-date;x-amz-security-token," in temporary(asked).headers["Authorization"]
    assert GOLDEN["secret"] not in repr(sign(asked))


def test_a_signature_is_that_of_amazons_own_example() -> None:
    """`post-vanilla`, of the tests that Amazon publishes."""
    moment = "20150830T123600Z"
    scope = Scope("20150830", "us-east-1", "service")
    headers = {"host": "example.amazonaws.com", "x-amz-date": moment}
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    found = signature(secret, scope, moment, "/", headers, b"")
    assert found == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"


async def test_a_remote_model_is_asked_with_signatures(configuration: Configuration) -> None:
    protocols = [ProtocolSpec("sagemaker", 8080, 0, *next(iter(KEYS.items())))]
    configuration.apply(Snapshot(2, APPLICATIONS, VERSIONS, CURRENT, protocols=protocols))
    secret = {
        "aws_access_key_id": GOLDEN["key"],
        "aws_secret_access_key": GOLDEN["secret"],
        "region_name": "eu-west-1",
    }
    async with opened("sagemaker", configuration) as client:
        at = address.read(f"{str(client.base_url).rstrip('/')}{endpoint('sum')}")

        async def asked(**changes: str) -> Any:
            sign = Signer(secret | changes, at)
            form = form_of("sagemaker", at)
            model = Remote("sagemaker", at, form, {}, 5.0, lambda words, is_open: None, sign=sign)
            try:
                return await model(np.array([[1.0, 2.0]]))
            finally:
                model.close()

        assert await asked() == [16]
        assert await asked(region_name="us-east-1") == [16]
        (fault,) = await asked(aws_secret_access_key="another-one")
        assert "said 403: The signature is not what this port's key makes" in fault.message
        (fault,) = await asked(aws_access_key_id="nobody")
        assert "said 403" in fault.message


async def test_a_key_of_the_cluster_is_asked_for_on_this_machine_too(configuration: Configuration) -> None:
    protocols = [ProtocolSpec("sagemaker", 8080, 0, *next(iter(KEYS.items())))]
    configuration.apply(Snapshot(2, APPLICATIONS, VERSIONS, CURRENT, protocols=protocols))
    async with opened("sagemaker", configuration) as client:
        response = await client.post(endpoint("sum"), content=b"[[1]]")
        assert (response.status_code, response.headers[ERROR]) == (403, "MissingAuthenticationTokenException")
        configuration.apply(Snapshot(3, APPLICATIONS, VERSIONS, CURRENT))  # and the port is about to close
        response = await client.post(endpoint("sum"), content=b"[[1]]")
        assert (response.status_code, response.headers[ERROR]) == (403, "AccessDeniedException")


async def test_who_signs_nothing_is_not_told_which_applications_there_are(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_at = datetime.strptime(SIGNED["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr("clipper_server.query.protocols.sagemaker.rest.now", lambda: signed_at)
    protocols = [ProtocolSpec("sagemaker", 8080, 0, *next(iter(KEYS.items())))]
    applications = [each for each in APPLICATIONS if f"/endpoints/{each.name}/" not in SIGNED["path"]]
    configuration.apply(Snapshot(2, applications, VERSIONS, CURRENT, protocols=protocols))
    async with opened("sagemaker", configuration) as client:
        for path in (endpoint("nope"), "/nope/invocations", "/invocations"):
            response = await client.post(path, content=b"[[1]]")
            assert response.status_code == 403
            assert "blob" not in response.text
        response = await client.post(SIGNED["path"], content=SIGNED["body"], headers=SIGNED["headers"])
        assert (response.status_code, "blob" in response.text) == (400, True)
        other = SIGNED["body"][:-1] + " "
        response = await client.post(SIGNED["path"], content=other, headers=SIGNED["headers"])
        assert (response.status_code, response.headers[ERROR]) == (403, "InvalidSignatureException")


async def test_where_others_reach_the_port_nothing_is_answered_without_a_key(
    configuration: Configuration,
) -> None:
    configuration.is_local = False
    async with opened("sagemaker", configuration) as client:
        response = await client.post(endpoint("sum"), content=b"[[1]]")
        assert (response.status_code, response.headers[ERROR]) == (403, "AccessDeniedException")
        assert "start_protocol('sagemaker', key=...)" in response.json()["Message"]
        response = await client.post("/sum/invocations", content=b"[[1]]")
        assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert (await client.get("/ping")).status_code == 200


# What boto3 makes of our answers

NOT_THE_SAME = {"x-amzn-requestid", "x-clipper-query-id", "content-length", "date"}
ASKED: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "an answer": (
        "sum",
        b"[[1, 2], [3]]",
        {"x-amzn-sagemaker-custom-attributes": "trace=7", "x-amzn-sagemaker-inference-id": "mine"},
    ),
    "a default output": ("none", b"[[1]]", {}),
    "a bad body": ("sum", b'[["x"]]', {}),
    "a type that nobody reads": ("sum", b"x", {"content-type": "image/png"}),
    "no such variant": ("sum", b"[[1]]", {"x-amzn-sagemaker-target-variant": "9"}),
    "no such endpoint": ("nope", b"[[1]]", {}),
    "no room": ("full", b"[[1]]", {}),
    "too many rows": ("sum", b"[" + b"[1]," * 20_000 + b"[1]]", {}),
}


async def test_boto3_reads_our_answers(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    """They are those that it has read."""
    configuration.queues["idle", "1"].admission.most = 1
    waiting = Request("clipper", [Tensor(bytes(8), (1,), "<f8")])
    configuration.applications["full"].ask(waiting, lambda _answers: None)
    found = {}
    for case, (name, body, headers) in ASKED.items():
        response = await client.post(endpoint(name), content=body, headers=headers)
        kept = {key: value for key, value in response.headers.items() if key not in NOT_THE_SAME}
        found[case] = {"status": response.status_code, "headers": kept, "body": response.text}
    read = {case: golden["read"] for case, golden in GOLDEN["responses"].items()}
    assert found == {
        case: {key: value for key, value in golden.items() if key != "read"}
        for case, golden in GOLDEN["responses"].items()
    }
    assert read["an answer"] == {
        "Body": "[16,8]",
        "ContentType": JSON,
        "CustomAttributes": "trace=7",
        "InvokedProductionVariant": "1",
    }
    assert read["a default output"]["Body"] == "[-1]"
    errors = {case: each["error"] for case, each in read.items() if "error" in each}
    assert errors == {
        "a bad body": "ModelError",
        "a type that nobody reads": "ModelError",
        "no such variant": "ValidationError",
        "no such endpoint": "ValidationError",
        "no room": "ClientError",
        "too many rows": "ClientError",
    }
    assert read["a bad body"]["OriginalStatusCode"] == 400
    assert "list of numbers" in read["a bad body"]["OriginalMessage"]
    assert read["no room"]["Error"]["Code"] == "ThrottlingException"
    assert read["too many rows"]["Error"]["Code"] == "RequestEntityTooLargeException"
    assert "Variant 9 is not found" in read["no such variant"]["Error"]["Message"]
