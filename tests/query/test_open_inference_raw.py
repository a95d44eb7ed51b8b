"""What most requests over gRPC say is read, and answered, as by their messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_container.tensors import Tensor
from clipper_server.query.protocols.open_inference import raw
from clipper_server.query.protocols.open_inference.messages import messages
from clipper_server.query.protocols.open_inference.tensors import DATATYPES
from clipper_server.query.request import Answer

ONE = messages.InferParameter(int64_param=1)
DATATYPE = {dtype: name for name, dtype in DATATYPES.items()}


def asking(contents: bytes = b"\x01\x02", **more: Any) -> Any:
    request = messages.ModelInferRequest(model_name="m", raw_input_contents=[contents], **more)
    request.inputs.add(name="input", datatype="UINT8", shape=[1, 2])
    return request


@given(
    st.text(max_size=200), st.text(max_size=3), st.text(max_size=3), st.sampled_from([0, 1, 127, 128, 40_000])
)
def test_a_request_says_what_its_message_does(model: str, version: str, id: str, size: int) -> None:
    contents = bytes(size)
    request = asking(contents, model_version=version, id=id)
    request.model_name = model
    found = raw.read(request.SerializeToString())
    if found is None:
        assert len(model.encode()) > 400
        return
    assert found[:3] == (model, version or None, id or None)
    assert list(found.tensors) == ["input"]
    assert found.tensors["input"] == ("|u1", (1, 2), contents)


def test_requests_alike_have_their_own_contents() -> None:
    for contents in (b"\x01\x02", b"\x03\x04", bytes(200)):
        found = raw.read(asking(contents).SerializeToString())
        assert found is not None
        assert found.tensors["input"].data == contents


def _with(change: Any) -> bytes:
    request = asking()
    change(request)
    data: bytes = request.SerializeToString()
    return data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        asking().SerializeToString()[:-1],
        asking().SerializeToString() + b'"',
        asking().SerializeToString() + messages.ModelInferRequest(id="1").SerializeToString(),
        b"\x0b" + asking().SerializeToString(),
        b"\x0a\x01\xff" + asking().SerializeToString(),
        _with(lambda request: request.raw_input_contents.append(b"")),
        _with(lambda request: request.ClearField("raw_input_contents")),
        _with(lambda request: request.inputs.add(name="b", datatype="UINT8", shape=[1])),
        _with(lambda request: request.ClearField("inputs")),
        _with(lambda request: request.outputs.add(name="output")),
        _with(lambda request: request.parameters["timeout"].CopyFrom(ONE)),
        _with(lambda request: request.inputs[0].shape.append(-1)),
        _with(lambda request: request.inputs[0].contents.uint_contents.append(1)),
        _with(lambda request: setattr(request.inputs[0], "datatype", "BYTES")),
        _with(lambda request: request.inputs[0].parameters["a"].CopyFrom(ONE)),
    ],
)
def test_what_is_anything_else_is_left_to_its_message(data: bytes) -> None:
    assert raw.read(data) is None


@given(
    st.sampled_from(sorted(DATATYPE)),
    st.sampled_from([(1,), (1, 3), (2, 100), (3, 70, 70)]),
    st.none() | st.text(min_size=1, max_size=300),
    st.integers(1, 40),
)
def test_an_answer_is_what_its_message_is(
    dtype: str, shape: tuple[int, ...], id: str | None, count: int
) -> None:
    data = np.ones(shape, dtype).tobytes()
    answers = [Answer(120_980_596_850_688 + 64 * i, None, None, "v1") for i in range(count)]
    message = messages.ModelInferResponse(model_name="m", model_version="v1", id=id or "")
    message.parameters["query_ids"].string_param = (
        "[" + ",".join(str(answer.query_id) for answer in answers) + "]"
    )
    message.outputs.add(name="output", datatype=DATATYPE[dtype], shape=shape)
    message.raw_output_contents.append(data)
    assert (
        raw.written("m", id, answers, Tensor(memoryview(data), shape, dtype)) == message.SerializeToString()
    )
