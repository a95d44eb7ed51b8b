"""What a protobuf message may cost, by its structure."""

from __future__ import annotations

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from clipper_container.errors import BadRequest, TooLarge
from clipper_server.query.protocols.open_inference.messages import messages, protos
from clipper_server.query.protocols.structure import MOST_FIELDS, apart, check, prefixed
from clipper_server.query.protocols.tensorflow_serving.messages import PROTOS, core, serving

MOST = 1 << 20
RAW = protos.raw["/inference.GRPCInferenceService/ModelInfer"]


def infer(raw: bytes = b"", inputs: int = 1, floats: int = 0, texts: bytes = b"") -> bytes:
    request = messages.ModelInferRequest(model_name="m")
    for i in range(inputs):
        request.inputs.add(name=f"x{i}", datatype="FP32", shape=[1, -1])
    request.inputs[0].contents.fp32_contents.extend([1.0] * floats)
    if texts:
        request.inputs[0].contents.bytes_contents.append(texts)
    if raw:
        request.raw_input_contents.append(raw)
    data: bytes = request.SerializeToString()
    return data


def test_raw_contents_cost_nothing() -> None:
    check(infer(raw=bytes(8 << 20)), RAW, MOST)
    check(infer(texts=bytes(8 << 20)), RAW, MOST)
    check(infer(floats=200_000), RAW, MOST)


def test_raw_contents_are_taken_out_of_a_message_and_not_copied() -> None:
    data = infer(raw=b"first") + infer(inputs=2, texts=b":" * 9) + infer(raw=bytes(1 << 20)) + b"\x3a\x00"
    data += b"\xba\x00\x03abc"  # the same tag, as long as one may write it
    whole = messages.ModelInferRequest.FromString(data)
    rest, raw = apart(data, 7)
    assert raw == [b"first", bytes(1 << 20), b"", b"abc"] == list(whole.raw_input_contents)
    assert all(each.obj is data for each in raw)
    whole.ClearField("raw_input_contents")
    assert messages.ModelInferRequest.FromString(rest) == whole
    assert apart(rest, 7) == (rest, [])
    with pytest.raises(BadRequest, match="it ends within a field"):
        apart(data + b"\x3a\x01", 7)


@pytest.mark.parametrize(
    "data",
    [
        infer(floats=300_000),
        infer(inputs=MOST_FIELDS + 1),
        b"\x2a\x00" * (8 << 20),
        b"\x0a\x80\x80\x80\x01" + bytes(2 << 20),
    ],
    ids=["numbers", "inputs", "inputs-of-nothing", "a-name"],
)
def test_what_becomes_many_objects_is_refused_before_it_does(data: bytes) -> None:
    with pytest.raises(TooLarge, match="Send numbers as raw bytes"):
        check(data, RAW, MOST)


@pytest.mark.parametrize("end", [b"\x0a\xff\xff\xff\x7f", b"\x0b", b"\xff" * 20, b"\x0d\x00"])
def test_what_is_no_message_is_refused(end: bytes) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        check(infer(raw=bytes(MOST)) + end, RAW, MOST)


def test_tensorflow_servings_bytes_are_raw_and_its_numbers_are_not() -> None:
    predict = serving.PredictRequest(model_spec={"name": "m"})
    predict.inputs["x"].CopyFrom(core.TensorProto(dtype=1, tensor_content=bytes(8 << 20)))
    predict.inputs["y"].CopyFrom(core.TensorProto(dtype=7, string_val=[bytes(MOST), bytes(MOST)]))
    check(predict.SerializeToString(), PROTOS.raw["/tensorflow.serving.PredictionService/Predict"], MOST)
    predict.inputs["z"].CopyFrom(core.TensorProto(dtype=1, float_val=[1.0] * 300_000))
    with pytest.raises(TooLarge):
        check(predict.SerializeToString(), PROTOS.raw["/tensorflow.serving.PredictionService/Predict"], MOST)
    classify = serving.ClassificationRequest(model_spec={"name": "m"})
    example = classify.input.example_list_with_context.examples.add()
    example.features.feature["x"].bytes_list.value.append(bytes(8 << 20))
    classify.input.example_list_with_context.context.features.feature["y"].bytes_list.value.append(
        bytes(MOST)
    )
    check(classify.SerializeToString(), PROTOS.raw["/tensorflow.serving.PredictionService/Classify"], MOST)


@pytest.mark.parametrize("size", [1, 127, 128, 129, 16_383, 16_384, 2_097_152])
def test_a_field_is_written_as_a_message_writes_it(size: int) -> None:
    assert prefixed(b"\n", memoryview(bytes(size))) == BytesValue(value=bytes(size)).SerializeToString()
