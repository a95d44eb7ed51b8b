"""The Open Inference Protocol over gRPC: the same requests and answers as over REST, as messages.

Contents of requests come raw or typed; those of answers are raw. What REST has in the answer's parameters is
in the same ones here, as JSON where it is a list or an object, and the reasons of default outputs are in the
trailing metadata x-default-answer, too. The call's deadline shortens the objective.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec
import numpy as np
from google.protobuf.message import DecodeError

from clipper_container.errors import BadRequest, ClipperException
from clipper_container.wire import Buffer

from ...request import are_small
from .. import Served, readiness
from ..rpc import Call, Method, Refused, Stream, ask, in_order
from ..structure import apart
from . import quick, raw, repository
from .bodies import Asked, Form, Input, InputParameters, Output, OutputParameters, Parameters
from .config import config
from .finding import adapter_of, find, is_ready
from .messages import messages, protos
from .metadata import about, metadata
from .refusals import NO_LOGGING, NO_REGIONS, NO_TRACE
from .statistics import statistics
from .tensors import DATATYPES

_TYPED = {
    "BOOL": ("bool_contents", "?"),
    "UINT8": ("uint_contents", "<u4"),
    "UINT16": ("uint_contents", "<u4"),
    "UINT32": ("uint_contents", "<u4"),
    "UINT64": ("uint64_contents", "<u8"),
    "INT8": ("int_contents", "<i4"),
    "INT16": ("int_contents", "<i4"),
    "INT32": ("int_contents", "<i4"),
    "INT64": ("int64_contents", "<i8"),
    "FP32": ("fp32_contents", "<f4"),
    "FP64": ("fp64_contents", "<f8"),
    "BYTES": ("bytes_contents", ""),
}
"""Of each datatype the field of typed contents, and of what numpy's type the numbers in it are."""
_COPIED = 20_000  # bytes of a message: to copy so few takes less time than to look through its fields
_RAW = messages.ModelInferRequest.DESCRIPTOR.fields_by_name["raw_input_contents"].number


def speak(served: Served) -> OpenInferenceOverGRPC:
    return OpenInferenceOverGRPC(served)


class OpenInferenceOverGRPC:
    """What a frontend says over gRPC of what it serves."""

    app = None
    protos = protos

    def __init__(self, served: Served) -> None:
        self.routes: dict[bytes, Any] = {}
        self._served = served
        named: dict[str, Method | Stream] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
            "ModelStreamInfer": self.model_stream_infer,
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            "RepositoryIndex": self.repository_index,
            "RepositoryModelLoad": self.repository_model_load,
            "RepositoryModelUnload": self.repository_model_unload,
            "SystemSharedMemoryStatus": self.shared_memory_status,
            "SystemSharedMemoryRegister": self.shared_memory_register,
            "SystemSharedMemoryUnregister": self.shared_memory_unregister,
            "CudaSharedMemoryStatus": self.shared_memory_status,
            "CudaSharedMemoryRegister": self.shared_memory_register,
            "CudaSharedMemoryUnregister": self.shared_memory_unregister,
            "TraceSetting": _refuse(NO_TRACE),
            "LogSettings": _refuse(NO_LOGGING),
        }
        service = protos.services[0]
        self.methods = {f"/{service}/{name}": method for name, method in named.items()}

    def configure(self) -> None:
        """What it needs it looks up with each call."""

    async def server_live(self, _data: bytes, _call: Call) -> bytes:
        return _bytes(messages.ServerLiveResponse(live=True))

    async def server_ready(self, _data: bytes, _call: Call) -> bytes:
        return _bytes(messages.ServerReadyResponse(ready=readiness.is_ready(self._served)))

    async def model_ready(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.ModelReadyRequest, data)
        version = asked.version or None
        application = find(self._served, asked.name, version)
        return _bytes(messages.ModelReadyResponse(ready=is_ready(application, version)))

    async def server_metadata(self, _data: bytes, _call: Call) -> bytes:
        return _bytes(messages.ServerMetadataResponse(**about()))

    async def model_metadata(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.ModelMetadataRequest, data)
        version = asked.version or None
        versions = self._served.versions_of(find(self._served, asked.name, version))
        adapter = adapter_of(self._served, asked.name, version)
        return _bytes(messages.ModelMetadataResponse(**metadata(asked.name, versions, adapter)))

    async def model_config(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.ModelConfigRequest, data)
        version = asked.version or None
        versions = self._served.versions_of(find(self._served, asked.name, version))
        told = config(asked.name, versions, adapter_of(self._served, asked.name, version))
        return _bytes(messages.ModelConfigResponse(config=told))

    async def model_statistics(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.ModelStatisticsRequest, data)
        told = statistics(self._served, asked.name or None, asked.version or None)
        return _bytes(messages.ModelStatisticsResponse(model_stats=told))

    async def repository_index(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.RepositoryIndexRequest, data)
        models = repository.index(self._served, ready=asked.ready)
        return _bytes(messages.RepositoryIndexResponse(models=models))

    async def repository_model_load(self, data: bytes, call: Call) -> bytes:
        asked = _read(messages.RepositoryModelLoadRequest, data)
        await repository.load(self._served, asked.model_name, _values(asked.parameters), call.headers)
        return b""

    async def repository_model_unload(self, data: bytes, call: Call) -> bytes:
        asked = _read(messages.RepositoryModelUnloadRequest, data)
        await repository.unload(self._served, asked.model_name, _values(asked.parameters), call.headers)
        return b""

    async def shared_memory_status(self, data: bytes, _call: Call) -> bytes:
        if _read(messages.SystemSharedMemoryStatusRequest, data).name:
            raise BadRequest(NO_REGIONS)
        return b""

    async def shared_memory_register(self, _data: bytes, _call: Call) -> bytes:
        raise BadRequest(NO_REGIONS)

    async def shared_memory_unregister(self, _data: bytes, _call: Call) -> bytes:
        return b""  # clients do it before all else, in case

    async def model_stream_infer(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """One answer to each, in their order; what goes wrong with one of them ends no other."""

        async def answer(data: bytes) -> bytes:
            try:
                response = messages.ModelInferResponse.FromString(await self.model_infer(data, call))
            except (ClipperException, Refused) as error:
                return _bytes(messages.ModelStreamInferResponse(error_message=str(error)))
            response.parameters["triton_final_response"].bool_param = True
            return _bytes(messages.ModelStreamInferResponse(infer_response=response))

        async for answered in in_order(requests, answer):
            yield answered

    async def model_infer(self, data: bytes, call: Call) -> bytes:
        given = raw.read(data)
        if given is None:
            asked, contents = _infer_request(data)
            name, version = asked.model_name, asked.model_version or None
        else:
            name, version = given.model, given.version
        application = find(self._served, name, version)
        adapter = adapter_of(self._served, name, version)
        try:
            if given is None:
                request = adapter.request(call.headers, *_body(asked, contents))
            else:
                request = adapter.request_of(call.headers, given.id, given.tensors)
        except BadRequest:
            application.metrics.bad_requests += 1
            raise
        times = [timeout for timeout in (request.timeout_s, call.timeout_s()) if timeout is not None]
        request = request._replace(protocol="open-inference-grpc", timeout_s=min(times, default=None))
        answers = await ask(application, request)
        form: Form = request.form
        if not form.outputs and (whole := quick.whole(answers)) is not None:
            return raw.written(application.spec.name, form.id, answers, whole)
        call.mark_defaults(answers)
        if are_small(answers):
            told = adapter.answered(request, answers)
        else:
            told = await application.parts.slices.result(adapter.answered_in_steps(request, answers))
        response = messages.ModelInferResponse(**told.about)
        for described, tensor in told.outputs:
            response.outputs.add(**described)
            response.raw_output_contents.append(bytes(tensor.data))
        for name, value in told.parameters.items():
            _set(response.parameters[name], value)
        return _bytes(response)


def _refuse(text: str) -> Method:
    async def refuse(_data: bytes, _call: Call) -> bytes:
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, text)

    return refuse


def _read(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise BadRequest(f"The message is no {kind.DESCRIPTOR.name}: {error}.") from None


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _infer_request(data: bytes) -> tuple[Any, list[Buffer]]:
    """A request, and its raw contents: large ones are not copied."""
    if len(data) <= _COPIED:
        asked = _read(messages.ModelInferRequest, data)
        return asked, [*asked.raw_input_contents]
    rest, contents = apart(data, _RAW)
    return _read(messages.ModelInferRequest, rest), [*contents]


def _body(asked: Any, contents: list[Buffer]) -> tuple[Asked, memoryview]:
    """The same as JSON with binary tensors behind it. Raises BadRequest."""
    if any("shared_memory_region" in each.parameters for each in (*asked.inputs, *asked.outputs)):
        raise BadRequest(NO_REGIONS)
    if any(size < 0 for each in asked.inputs for size in each.shape):
        raise BadRequest("A shape has sizes of 0 or more.")
    if contents and len(contents) != len(asked.inputs):
        raise BadRequest(f"There are {len(contents)} raw contents, and {len(asked.inputs)} inputs.")
    if not contents:
        contents = [_typed(each) for each in asked.inputs]
    elif any(each.HasField("contents") for each in asked.inputs):
        raise BadRequest("Contents are either raw, for all inputs, or typed, in each input.")
    inputs = [
        Input(each.name, list(each.shape), each.datatype, InputParameters(len(content)))
        for each, content in zip(asked.inputs, contents, strict=True)
    ]
    try:
        parameters = msgspec.convert(_values(asked.parameters), Parameters)
        outputs = [
            Output(each.name, msgspec.convert(_values(each.parameters), OutputParameters))
            for each in asked.outputs
        ]
    except msgspec.ValidationError as error:
        raise BadRequest(f"The parameters do not fit: {error}.") from None
    body = Asked(inputs, asked.id or None, parameters, outputs)
    return body, memoryview(contents[0] if len(contents) == 1 else b"".join(contents))


def _typed(given: Any) -> bytes:
    """The contents of an input as raw ones. Raises BadRequest."""
    name, travels = _TYPED.get(given.datatype, (None, ""))
    if name is None:
        if given.datatype in DATATYPES:
            raise BadRequest(f"The input {given.name!r} is of {given.datatype}, which is always raw.")
        raise BadRequest(f"The input {given.name!r} has the datatype {given.datatype!r}, which there is not.")
    for field, _ in given.contents.ListFields():
        if field.name != name:
            raise BadRequest(f"The input {given.name!r} is of {given.datatype}, and has {field.name}.")
    values = getattr(given.contents, name)
    if given.datatype == "BYTES":
        return b"".join(struct.pack("<I", len(each)) + each for each in values)
    found = np.asarray(values, travels)
    wanted = np.dtype(DATATYPES[given.datatype])
    if wanted.kind in "iu" and found.size:
        bounds = np.iinfo(wanted)
        if found.min() < bounds.min or found.max() > bounds.max:
            raise BadRequest(f"A number in the input {given.name!r} lies outside {given.datatype}.")
    return found.astype(wanted).tobytes()


def _values(parameters: Any) -> dict[str, Any]:
    """What they are set to. Those that are set to nothing are left out."""
    found = {name: (each.WhichOneof("parameter_choice"), each) for name, each in parameters.items()}
    return {name: getattr(each, which) for name, (which, each) in found.items() if which is not None}


def _set(parameter: Any, value: Any) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, str):
        parameter.string_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = msgspec.json.encode(value).decode()
