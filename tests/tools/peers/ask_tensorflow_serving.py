"""TensorFlow Serving's own client over gRPC: what it reads, as JSON. Runs where TensorFlow is.

`python ask_tensorflow_serving.py 127.0.0.1:8500`
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        told = ask(
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )
    print(json.dumps(told))  # noqa: T201


def ask(predictions: Any, models: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["input"].CopyFrom(tf.make_tensor_proto(np.array([1, 2, 5], "f4")))
    response = predictions.Predict(request, timeout=30)
    told["predict"] = tf.make_ndarray(response.outputs["output"]).tolist()
    told["float_val"] = list(response.outputs["output"].float_val)
    told["version"] = response.model_spec.version.value
    request.model_spec.version_label = "stable"
    told["by label"] = tf.make_ndarray(predictions.Predict(request, timeout=30).outputs["output"]).tolist()
    request.model_spec.version.value = 50
    try:
        predictions.Predict(request, timeout=30)
    except grpc.RpcError as error:
        told["refused"] = [error.code().name, error.details()]
    two = predict_pb2.PredictRequest()
    two.model_spec.name = "two"
    two.inputs["age"].CopyFrom(tf.make_tensor_proto(np.array([3, 4], "f4")))
    two.inputs["city"].CopyFrom(tf.make_tensor_proto([b"Rome", b"Oslo"]))
    outputs = predictions.Predict(two, timeout=30).outputs
    told["twice"] = tf.make_ndarray(outputs["twice"]).tolist()
    told["shout"] = [text.decode() for text in tf.make_ndarray(outputs["shout"])]
    for name, of in (("regress", regression_pb2), ("classify", classification_pb2)):
        asked = of.RegressionRequest() if name == "regress" else of.ClassificationRequest()
        asked.model_spec.name = "half"
        features = tf.train.Features(
            feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[80]))}
        )
        asked.input.example_list.examples.append(tf.train.Example(features=features))
        if name == "regress":
            told[name] = [each.value for each in predictions.Regress(asked, timeout=30).result.regressions]
        else:
            result = predictions.Classify(asked, timeout=30).result
            told[name] = [[c.label, c.score] for c in result.classifications[0].classes]
    about = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    about.model_spec.name = "half"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    predictions.GetModelMetadata(about, timeout=30).metadata["signature_def"].Unpack(signatures)
    info = signatures.signature_def["serving_default"].inputs["input"]
    told["metadata"] = [tf.as_dtype(info.dtype).name, [dim.size for dim in info.tensor_shape.dim]]
    state = get_model_status_pb2.GetModelStatusRequest()
    state.model_spec.name = "half"
    told["status"] = [
        [each.version, get_model_status_pb2.ModelVersionStatus.State.Name(each.state)]
        for each in models.GetModelStatus(state, timeout=30).model_version_status
    ]
    return told


if __name__ == "__main__":
    main(sys.argv[1])
