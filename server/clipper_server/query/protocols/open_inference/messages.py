"""The protocol's messages over gRPC: the numbers and types of `open_inference_grpc.proto`."""

from __future__ import annotations

from ..protos import Protos

_PARAMETERS = "{string: InferParameter}"

protos = Protos()
messages = protos.add(
    "inference",
    {
        "ServerLiveRequest": {},
        "ServerLiveResponse": {"live": (1, "bool")},
        "ServerReadyRequest": {},
        "ServerReadyResponse": {"ready": (1, "bool")},
        "ModelReadyRequest": {"name": (1, "string"), "version": (2, "string")},
        "ModelReadyResponse": {"ready": (1, "bool")},
        "ServerMetadataRequest": {},
        "ServerMetadataResponse": {
            "name": (1, "string"),
            "version": (2, "string"),
            "extensions": (3, "[string]"),
        },
        "ModelMetadataRequest": {"name": (1, "string"), "version": (2, "string")},
        "ModelMetadataResponse": {
            "name": (1, "string"),
            "versions": (2, "[string]"),
            "platform": (3, "string"),
            "inputs": (4, "[TensorMetadata]"),
            "outputs": (5, "[TensorMetadata]"),
            "TensorMetadata": {
                "name": (1, "string"),
                "datatype": (2, "string"),
                "shape": (3, "[int64]"),
            },
        },
        "InferParameter": {
            "bool_param": (1, "bool", "parameter_choice"),
            "int64_param": (2, "int64", "parameter_choice"),
            "string_param": (3, "string", "parameter_choice"),
            "double_param": (4, "double", "parameter_choice"),
            "uint64_param": (5, "uint64", "parameter_choice"),
        },
        "InferTensorContents": {
            "bool_contents": (1, "[bool]"),
            "int_contents": (2, "[int32]"),
            "int64_contents": (3, "[int64]"),
            "uint_contents": (4, "[uint32]"),
            "uint64_contents": (5, "[uint64]"),
            "fp32_contents": (6, "[float]"),
            "fp64_contents": (7, "[double]"),
            "bytes_contents": (8, "[bytes]"),
        },
        "ModelInferRequest": {
            "model_name": (1, "string"),
            "model_version": (2, "string"),
            "id": (3, "string"),
            "parameters": (4, _PARAMETERS),
            "inputs": (5, "[InferInputTensor]"),
            "outputs": (6, "[InferRequestedOutputTensor]"),
            "raw_input_contents": (7, "[bytes]"),
            "InferInputTensor": {
                "name": (1, "string"),
                "datatype": (2, "string"),
                "shape": (3, "[int64]"),
                "parameters": (4, _PARAMETERS),
                "contents": (5, "InferTensorContents"),
            },
            "InferRequestedOutputTensor": {"name": (1, "string"), "parameters": (2, _PARAMETERS)},
        },
        "ModelInferResponse": {
            "model_name": (1, "string"),
            "model_version": (2, "string"),
            "id": (3, "string"),
            "parameters": (4, _PARAMETERS),
            "outputs": (5, "[InferOutputTensor]"),
            "raw_output_contents": (6, "[bytes]"),
            "InferOutputTensor": {
                "name": (1, "string"),
                "datatype": (2, "string"),
                "shape": (3, "[int64]"),
                "parameters": (4, _PARAMETERS),
                "contents": (5, "InferTensorContents"),
            },
        },
    },
    {
        "GRPCInferenceService": {
            "ServerLive": ("ServerLiveRequest", "ServerLiveResponse"),
            "ServerReady": ("ServerReadyRequest", "ServerReadyResponse"),
            "ModelReady": ("ModelReadyRequest", "ModelReadyResponse"),
            "ServerMetadata": ("ServerMetadataRequest", "ServerMetadataResponse"),
            "ModelMetadata": ("ModelMetadataRequest", "ModelMetadataResponse"),
            "ModelInfer": ("ModelInferRequest", "ModelInferResponse"),
        }
    },
)
