"""Writes tests/golden/tensorflow_serving/messages.json, with TensorFlow's own classes.

Runs in the environment of `make peers`, which has them, and imports nothing of ours. `requests` are what
clients send, with what they mean by it; `responses` are what a client's classes make of the same values.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "tensorflow_serving" / "messages.json"
ARRAYS = {
    "float": np.array([[1.5, -2.0], [0.1, np.inf]], "f4"),
    "double": np.array([[1.5, -2.0], [0.1, 1e300]], "f8"),
    "int32": np.array([[1, -2], [3, 2**31 - 1]], "i4"),
    "int64": np.array([[1, -2], [3, 2**63 - 1]], "i8"),
    "int8": np.array([[1, -2], [3, 127]], "i1"),
    "int16": np.array([[1, -2], [3, 2**15 - 1]], "i2"),
    "uint8": np.array([[1, 2], [3, 255]], "u1"),
    "uint16": np.array([[1, 2], [3, 2**16 - 1]], "u2"),
    "uint32": np.array([[1, 2], [3, 2**32 - 1]], "u4"),
    "uint64": np.array([[1, 2], [3, 2**64 - 1]], "u8"),
    "half": np.array([[1.5, -2.0], [0.5, 65504]], "f2"),
    "bool": np.array([[True, False], [False, True]]),
    "string": np.array([b"a", b"\xff\x00"], object),
}
TYPED = {
    "float": "float_val",
    "double": "double_val",
    "int32": "int_val",
    "int8": "int_val",
    "int16": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
}


def main() -> None:
    golden = {
        "requests": {name: told(message, means) for name, (message, means) in requests().items()},
        "responses": {name: told(message, means) for name, (message, means) in responses().items()},
    }
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{GOLDEN.name}: {', '.join(f'{len(what)} {name}' for name, what in golden.items())}")  # noqa: T201


def told(message: Any, means: Any) -> dict[str, Any]:
    written = message.SerializeToString(deterministic=True)
    return {"message": message.DESCRIPTOR.full_name, "hex": written.hex(), "means": means}


def requests() -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    for name, array in ARRAYS.items():
        found[f"predict {name}"] = predict(tf.make_tensor_proto(array)), plain(array)
        if name in TYPED:
            found[f"predict {name} in typed fields"] = predict(typed(name, array)), plain(array)
    halves = tensor_pb2.TensorProto(
        dtype=tf.half.as_datatype_enum, half_val=ARRAYS["half"].view("u2").ravel().tolist()
    )
    halves.tensor_shape.CopyFrom(tf.TensorShape([2, 2]).as_proto())
    found["predict half in typed fields"] = predict(halves), plain(ARRAYS["half"])
    # One value, or fewer than the shape has, stand for all that follow.
    found["predict one value for all"] = predict(tf.make_tensor_proto(7.0, shape=[2, 2])), [[7.0] * 2] * 2
    labelled = predict(tf.make_tensor_proto(ARRAYS["float"]))
    labelled.model_spec.ClearField("version")
    labelled.model_spec.version_label = "stable"
    labelled.output_filter.append("output")
    found["predict by label"] = labelled, plain(ARRAYS["float"])
    several = predict(tf.make_tensor_proto(np.array([1.0, 2.0], "f4")), "age")
    several.inputs["city"].CopyFrom(tf.make_tensor_proto([b"Rome", b"Oslo"]))
    found["predict two inputs"] = several, {"age": [1.0, 2.0], "city": ["Rome", "Oslo"]}

    example = {"age": feature(3.0), "city": feature(b"Rome"), "count": feature(7)}
    means = {"age": [3.0], "city": ["Rome"], "count": [7]}
    for name, of in (("classify", classification_pb2), ("regress", regression_pb2)):
        kind = of.ClassificationRequest if name == "classify" else of.RegressionRequest
        request = kind()
        request.model_spec.name = "m"
        request.input.example_list.examples.append(tf.train.Example(features=features(example)))
        found[name] = request, [means]
        request = kind()
        request.model_spec.name = "m"
        rest = request.input.example_list_with_context
        rest.context.CopyFrom(tf.train.Example(features=features({"city": example["city"]})))
        for age in (3.0, 4.0):
            rest.examples.append(tf.train.Example(features=features({"age": feature(age)})))
        found[f"{name} with context"] = request, [{"age": [age], "city": ["Rome"]} for age in (3.0, 4.0)]

    about = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    about.model_spec.name = "m"
    about.model_spec.version.value = 1
    found["metadata"] = about, None
    state = get_model_status_pb2.GetModelStatusRequest()
    state.model_spec.name = "m"
    found["status"] = state, None
    return found


def responses() -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    for name, array in ARRAYS.items():
        response = predict_pb2.PredictResponse()
        spec(response.model_spec)
        tensor = tensor_pb2.TensorProto()
        if name in TYPED:
            tensor = typed(name, array)
        elif name == "half":
            tensor.dtype = tf.half.as_datatype_enum
            tensor.tensor_shape.CopyFrom(tf.TensorShape([2, 2]).as_proto())
            tensor.half_val.extend(array.view("u2").ravel().tolist())
        else:
            tensor = tf.make_tensor_proto(array)
        response.outputs["output_bytes" if name == "string" else "output"].CopyFrom(tensor)
        found[f"predict {name}"] = response, plain(array)
    classified = classification_pb2.ClassificationResponse()
    spec(classified.model_spec)
    for pairs in ([("cat", 0.75), ("dog", 0.25)], [("", 1.0)]):
        classes = classified.result.classifications.add()
        for label, score in pairs:
            classes.classes.add(label=label, score=score)
    found["classify"] = classified, [[["cat", 0.75], ["dog", 0.25]], [["", 1.0]]]
    regressed = regression_pb2.RegressionResponse()
    spec(regressed.model_spec)
    for value in (42.0, -0.5):
        regressed.result.regressions.add(value=value)
    found["regress"] = regressed, [42.0, -0.5]

    about = get_model_metadata_pb2.GetModelMetadataResponse()
    about.model_spec.name = "m"
    about.model_spec.version.value = 1
    signature = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
    info(signature.inputs["input"], "input:0", tf.float32, [-1, -1])
    info(signature.outputs["output"], "output:0", tf.float32, [-1])
    signatures = get_model_metadata_pb2.SignatureDefMap(signature_def={"serving_default": signature})
    about.metadata["signature_def"].Pack(signatures, deterministic=True)
    found["metadata"] = about, None
    state = get_model_status_pb2.GetModelStatusResponse()
    for version, of in ((2, "LOADING"), (1, "AVAILABLE")):
        one = state.model_version_status.add(version=version)
        one.state = get_model_status_pb2.ModelVersionStatus.State.Value(of)
        one.status.SetInParent()
    found["status"] = state, None
    return found


def predict(tensor: Any, name: str = "input") -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    request.model_spec.version.value = 1
    request.model_spec.signature_name = "serving_default"
    request.inputs[name].CopyFrom(tensor)
    return request


def typed(name: str, array: Any) -> Any:
    tensor = tensor_pb2.TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    tensor.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    getattr(tensor, TYPED[name]).extend(array.ravel().tolist())
    assert (tf.make_ndarray(tensor) == array).all()
    return tensor


def feature(value: float | bytes) -> Any:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def features(of: dict[str, Any]) -> Any:
    return tf.train.Features(feature=of)


def spec(message: Any) -> None:
    message.name = "m"
    message.version.value = 1
    message.signature_name = "serving_default"


def info(message: Any, name: str, dtype: Any, shape: list[int]) -> None:
    message.name = name
    message.dtype = dtype.as_datatype_enum
    for size in shape:
        message.tensor_shape.dim.add(size=size)


def plain(array: Any) -> Any:
    """As JSON can have it: numbers as they are, bytes in hexadecimal digits, infinity as a text."""
    if array.dtype == object:
        return [value.hex() for value in array]
    return [
        [str(x) if isinstance(x, float) and not np.isfinite(x) else x for x in row] for row in array.tolist()
    ]


if __name__ == "__main__":
    main()
