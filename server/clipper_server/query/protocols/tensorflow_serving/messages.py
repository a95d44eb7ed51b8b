"""TensorFlow Serving's messages, as far as they are used here. What else clients send is read over."""

from __future__ import annotations

from google.protobuf import any_pb2, wrappers_pb2

from ..protos import Protos
from ..structure import Raw

PROTOS = Protos(any_pb2, wrappers_pb2)

error = PROTOS.add(
    "tensorflow.error",
    {
        "Code": {
            "OK": 0,
            "CANCELLED": 1,
            "UNKNOWN": 2,
            "INVALID_ARGUMENT": 3,
            "DEADLINE_EXCEEDED": 4,
            "NOT_FOUND": 5,
            "ALREADY_EXISTS": 6,
            "PERMISSION_DENIED": 7,
            "UNAUTHENTICATED": 16,
            "RESOURCE_EXHAUSTED": 8,
            "FAILED_PRECONDITION": 9,
            "ABORTED": 10,
            "OUT_OF_RANGE": 11,
            "UNIMPLEMENTED": 12,
            "INTERNAL": 13,
            "UNAVAILABLE": 14,
            "DATA_LOSS": 15,
        }
    },
)

core = PROTOS.add(
    "tensorflow",
    {
        "DataType": {
            "DT_INVALID": 0,
            "DT_FLOAT": 1,
            "DT_DOUBLE": 2,
            "DT_INT32": 3,
            "DT_UINT8": 4,
            "DT_INT16": 5,
            "DT_INT8": 6,
            "DT_STRING": 7,
            "DT_INT64": 9,
            "DT_BOOL": 10,
            "DT_UINT16": 17,
            "DT_HALF": 19,
            "DT_UINT32": 22,
            "DT_UINT64": 23,
        },
        "TensorShapeProto": {
            "Dim": {"size": (1, "int64"), "name": (2, "string")},
            "dim": (2, "[Dim]"),
            "unknown_rank": (3, "bool"),
        },
        "TensorProto": {
            "dtype": (1, "DataType"),
            "tensor_shape": (2, "TensorShapeProto"),
            "version_number": (3, "int32"),
            "tensor_content": (4, "bytes"),
            "half_val": (13, "[int32]"),
            "float_val": (5, "[float]"),
            "double_val": (6, "[double]"),
            "int_val": (7, "[int32]"),
            "string_val": (8, "[bytes]"),
            "int64_val": (10, "[int64]"),
            "bool_val": (11, "[bool]"),
            "uint32_val": (16, "[uint32]"),
            "uint64_val": (17, "[uint64]"),
        },
        "TensorInfo": {
            "name": (1, "string", "encoding"),
            "dtype": (2, "DataType"),
            "tensor_shape": (3, "TensorShapeProto"),
        },
        "SignatureDef": {
            "inputs": (1, "{string: TensorInfo}"),
            "outputs": (2, "{string: TensorInfo}"),
            "method_name": (3, "string"),
        },
        "BytesList": {"value": (1, "[bytes]")},
        "FloatList": {"value": (1, "[float]")},
        "Int64List": {"value": (1, "[int64]")},
        "Feature": {
            "bytes_list": (1, "BytesList", "kind"),
            "float_list": (2, "FloatList", "kind"),
            "int64_list": (3, "Int64List", "kind"),
        },
        "Features": {"feature": (1, "{string: Feature}")},
        "Example": {"features": (1, "Features")},
    },
)

serving = PROTOS.add(
    "tensorflow.serving",
    {
        "ModelSpec": {
            "name": (1, "string"),
            "version": (2, "google.protobuf.Int64Value", "version_choice"),
            "version_label": (4, "string", "version_choice"),
            "signature_name": (3, "string"),
        },
        "PredictRequest": {
            "model_spec": (1, "ModelSpec"),
            "inputs": (2, "{string: TensorProto}"),
            "output_filter": (3, "[string]"),
        },
        "PredictResponse": {"model_spec": (2, "ModelSpec"), "outputs": (1, "{string: TensorProto}")},
        "ExampleList": {"examples": (1, "[Example]")},
        "ExampleListWithContext": {"examples": (1, "[Example]"), "context": (2, "Example")},
        "Input": {
            "example_list": (1, "ExampleList", "kind"),
            "example_list_with_context": (2, "ExampleListWithContext", "kind"),
        },
        "Class": {"label": (1, "string"), "score": (2, "float")},
        "Classifications": {"classes": (1, "[Class]")},
        "ClassificationResult": {"classifications": (1, "[Classifications]")},
        "ClassificationRequest": {"model_spec": (1, "ModelSpec"), "input": (2, "Input")},
        "ClassificationResponse": {"model_spec": (2, "ModelSpec"), "result": (1, "ClassificationResult")},
        "Regression": {"value": (1, "float")},
        "RegressionResult": {"regressions": (1, "[Regression]")},
        "RegressionRequest": {"model_spec": (1, "ModelSpec"), "input": (2, "Input")},
        "RegressionResponse": {"model_spec": (2, "ModelSpec"), "result": (1, "RegressionResult")},
        "SignatureDefMap": {"signature_def": (1, "{string: SignatureDef}")},
        "GetModelMetadataRequest": {"model_spec": (1, "ModelSpec"), "metadata_field": (2, "[string]")},
        "GetModelMetadataResponse": {
            "model_spec": (1, "ModelSpec"),
            "metadata": (2, "{string: google.protobuf.Any}"),
        },
        "StatusProto": {"error_code": (1, "error.Code"), "error_message": (2, "string")},
        "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
        "ModelVersionStatus": {
            "State": {
                "UNKNOWN": 0,
                "START": 10,
                "LOADING": 20,
                "AVAILABLE": 30,
                "UNLOADING": 40,
                "END": 50,
            },
            "version": (1, "int64"),
            "state": (2, "State"),
            "status": (3, "StatusProto"),
        },
        "GetModelStatusResponse": {"model_version_status": (1, "[ModelVersionStatus]")},
    },
    {
        "PredictionService": {
            "Predict": ("PredictRequest", "PredictResponse"),
            "Classify": ("ClassificationRequest", "ClassificationResponse"),
            "Regress": ("RegressionRequest", "RegressionResponse"),
            "GetModelMetadata": ("GetModelMetadataRequest", "GetModelMetadataResponse"),
        },
        "ModelService": {"GetModelStatus": ("GetModelStatusRequest", "GetModelStatusResponse")},
    },
)

_EXAMPLE: Raw = {1: {1: {2: {1: {1: None}}}}}  # the values of a list of bytes
_RAW: dict[str, Raw] = {
    "Predict": {2: {2: {4: None, 8: None}}},  # tensor_content and string_val
    "Classify": {2: {1: {1: _EXAMPLE}, 2: {1: _EXAMPLE, 2: _EXAMPLE}}},
    "Regress": {2: {1: {1: _EXAMPLE}, 2: {1: _EXAMPLE, 2: _EXAMPLE}}},
}
for _name, _fields in _RAW.items():
    PROTOS.raw[f"/{PROTOS.services[0]}/{_name}"] = _fields
