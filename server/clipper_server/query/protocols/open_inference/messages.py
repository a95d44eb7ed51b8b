"""The protocol's messages over gRPC: the numbers and types of `open_inference_grpc.proto`.

With those of Triton's extensions, of `grpc_service.proto`.
"""

from __future__ import annotations

from ..protos import Protos

_PARAMETERS = "{string: InferParameter}"
_REPOSITORY_PARAMETERS = "{string: ModelRepositoryParameter}"
_TYPES = (
    *("INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "STRING", "BF16"),
)
_TENSOR = {"name": (1, "string"), "data_type": (2, "DataType")}

_CONFIG = {
    "DataType": {f"TYPE_{name}": number for number, name in enumerate(_TYPES)},
    "ModelInput": {**_TENSOR, "dims": (4, "[int64]")},
    "ModelOutput": {**_TENSOR, "dims": (3, "[int64]")},
    "ModelVersionPolicy": {
        "all": (2, "All", "policy_choice"),
        "All": {},
    },
    "ModelDynamicBatching": {},
    "ModelTransactionPolicy": {"decoupled": (1, "bool")},
    "ModelConfig": {
        "name": (1, "string"),
        "platform": (2, "string"),
        "version_policy": (3, "ModelVersionPolicy"),
        "max_batch_size": (4, "int32"),
        "input": (5, "[ModelInput]"),
        "output": (6, "[ModelOutput]"),
        "dynamic_batching": (11, "ModelDynamicBatching", "scheduling_choice"),
        "backend": (17, "string"),
        "model_transaction_policy": (19, "ModelTransactionPolicy"),
    },
    "ModelConfigRequest": {"name": (1, "string"), "version": (2, "string")},
    "ModelConfigResponse": {"config": (1, "ModelConfig")},
}
"""Of Triton's `model_config.proto`, what there is to tell."""

_STATISTICS = {
    "ModelStatisticsRequest": {"name": (1, "string"), "version": (2, "string")},
    "StatisticDuration": {"count": (1, "uint64"), "ns": (2, "uint64")},
    "InferStatistics": {
        name: (number, "StatisticDuration")
        for number, name in enumerate(
            (
                *("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"),
                *("cache_hit", "cache_miss"),
            ),
            1,
        )
    },
    "InferBatchStatistics": {
        "batch_size": (1, "uint64"),
        **{
            name: (number, "StatisticDuration")
            for number, name in enumerate(("compute_input", "compute_infer", "compute_output"), 2)
        },
    },
    "ModelStatistics": {
        "name": (1, "string"),
        "version": (2, "string"),
        "last_inference": (3, "uint64"),
        "inference_count": (4, "uint64"),
        "execution_count": (5, "uint64"),
        "inference_stats": (6, "InferStatistics"),
        "batch_stats": (7, "[InferBatchStatistics]"),
    },
    "ModelStatisticsResponse": {"model_stats": (1, "[ModelStatistics]")},
}

_REPOSITORY = {
    "ModelRepositoryParameter": {
        "bool_param": (1, "bool", "parameter_choice"),
        "int64_param": (2, "int64", "parameter_choice"),
        "string_param": (3, "string", "parameter_choice"),
        "bytes_param": (4, "bytes", "parameter_choice"),
    },
    "RepositoryIndexRequest": {"repository_name": (1, "string"), "ready": (2, "bool")},
    "RepositoryIndexResponse": {
        "models": (1, "[ModelIndex]"),
        "ModelIndex": {
            "name": (1, "string"),
            "version": (2, "string"),
            "state": (3, "string"),
            "reason": (4, "string"),
        },
    },
    **{
        f"RepositoryModel{does}Request": {
            "repository_name": (1, "string"),
            "model_name": (2, "string"),
            "parameters": (3, _REPOSITORY_PARAMETERS),
        }
        for does in ("Load", "Unload")
    },
    "RepositoryModelLoadResponse": {},
    "RepositoryModelUnloadResponse": {},
}

_NOT_HERE = {
    **{
        f"{kind}SharedMemory{does}": described
        for kind in ("System", "Cuda")
        for does, described in {
            "StatusRequest": {"name": (1, "string")},
            "StatusResponse": {
                "regions": (1, "{string: RegionStatus}"),
                "RegionStatus": {"name": (1, "string")},
            },
            "RegisterRequest": {"name": (1, "string")},
            "RegisterResponse": {},
            "UnregisterRequest": {"name": (1, "string")},
            "UnregisterResponse": {},
        }.items()
    },
    "TraceSettingRequest": {"model_name": (2, "string")},
    "TraceSettingResponse": {},
    "LogSettingsRequest": {},
    "LogSettingsResponse": {},
}
"""Of what is refused, or empty, no more than that it is there."""

_UNARY = (
    *("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"),
    *("ModelConfig", "ModelStatistics", "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    *(
        f"{kind}SharedMemory{does}"
        for kind in ("System", "Cuda")
        for does in ("Status", "Register", "Unregister")
    ),
    *("TraceSetting", "LogSettings"),
)

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
        "ModelStreamInferResponse": {
            "error_message": (1, "string"),
            "infer_response": (2, "ModelInferResponse"),
        },
        **_CONFIG,
        **_STATISTICS,
        **_REPOSITORY,
        **_NOT_HERE,
    },
    {
        "GRPCInferenceService": {
            **{name: (f"{name}Request", f"{name}Response") for name in _UNARY},
            "ModelStreamInfer": ("stream ModelInferRequest", "stream ModelStreamInferResponse"),
        }
    },
)

_INFER = {5: {5: {8: None}}, 7: None}  # the bytes among typed contents, and raw ones
for _name in ("ModelInfer", "ModelStreamInfer"):
    protos.raw[f"/{protos.services[0]}/{_name}"] = _INFER
