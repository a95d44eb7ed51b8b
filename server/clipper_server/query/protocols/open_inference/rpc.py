"""The Open Inference Protocol over gRPC: the same requests and answers as over REST, as messages.

Contents of requests come raw or typed; those of answers are raw. What REST has in the answer's parameters is
in the same ones here, as JSON where it is a list or an object, and the reasons of default outputs are in the
trailing metadata x-default-answer, too. The call's deadline shortens the objective.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
from google.protobuf.message import DecodeError

import clipper_server
from clipper_container.errors import BadRequest, NotFound

from ...application import Application
from .. import Served
from ..rpc import Call, Method, ask
from . import OUTPUT, OpenInferenceProtocol, infer_path
from .bodies import Asked, Input, InputParameters, Output, Parameters
from .messages import messages, protos
from .metadata import EXTENSIONS, NAME, PLATFORM
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


def speak(served: Served) -> OpenInferenceOverGRPC:
    return OpenInferenceOverGRPC(served)


class OpenInferenceOverGRPC:
    """What a frontend says over gRPC of what it serves."""

    app = None
    protos = protos

    def __init__(self, served: Served) -> None:
        self.routes: dict[bytes, Any] = {}
        self._served = served
        service = protos.services[0]
        self.methods: dict[str, Method] = {
            f"/{service}/{name}": method
            for name, method in {
                "ServerLive": self.server_live,
                "ServerReady": self.server_ready,
                "ModelReady": self.model_ready,
                "ServerMetadata": self.server_metadata,
                "ModelMetadata": self.model_metadata,
                "ModelInfer": self.model_infer,
            }.items()
        }

    def configure(self) -> None:
        """What it needs it looks up with each call."""

    async def server_live(self, _data: bytes, _call: Call) -> bytes:
        return _bytes(messages.ServerLiveResponse(live=True))

    async def server_ready(self, _data: bytes, _call: Call) -> bytes:
        return _bytes(messages.ServerReadyResponse(ready=True))

    async def model_ready(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.ModelReadyRequest, data)
        application, version = self._find(asked.name, asked.version)
        ready = any(queue.ready for queue in application.queues(version))
        return _bytes(messages.ModelReadyResponse(ready=ready))

    async def server_metadata(self, _data: bytes, _call: Call) -> bytes:
        about = {"name": NAME, "version": clipper_server.__version__, "extensions": EXTENSIONS}
        return _bytes(messages.ServerMetadataResponse(**about))

    async def model_metadata(self, data: bytes, _call: Call) -> bytes:
        asked = _read(messages.ModelMetadataRequest, data)
        application, version = self._find(asked.name, asked.version)
        adapter = self._adapter(asked.name, version)
        datatype, shape = adapter.described_output()
        return _bytes(
            messages.ModelMetadataResponse(
                name=asked.name,
                versions=self._served.versions_of(application),
                platform=PLATFORM,
                inputs=adapter.described_inputs(),
                outputs=[{"name": OUTPUT, "datatype": datatype, "shape": shape}],
            )
        )

    async def model_infer(self, data: bytes, call: Call) -> bytes:
        asked = _read(messages.ModelInferRequest, data)
        application, version = self._find(asked.model_name, asked.model_version)
        adapter = self._adapter(asked.model_name, version)
        try:
            body, raw = _body(asked)
            request = adapter.request(call.headers, body, raw)
        except BadRequest:
            application.metrics.bad_requests += 1
            raise
        left_s = call.timeout_s()
        if left_s is not None and (request.timeout_s is None or left_s < request.timeout_s):
            request = request._replace(timeout_s=left_s)
        answers = await ask(application, request._replace(protocol="open-inference-grpc"))
        call.mark_defaults(answers)
        about, parameters, described, tensor = adapter.answered(request, answers)
        response = messages.ModelInferResponse(
            **about,
            outputs=[{**described, "shape": list(tensor.shape)}],
            raw_output_contents=[bytes(tensor.data)],
        )
        for name, value in parameters.items():
            _set(response.parameters[name], value)
        return _bytes(response)

    def _find(self, name: str, version: str) -> tuple[Application, str | None]:
        """Raises NotFound."""
        application = self._served.applications.get(name)
        if application is None:
            raise NotFound(f"Model with name {name} does not exist.")
        if version and version not in self._served.versions_of(application):
            raise NotFound(f"Model with name {name} and version {version} does not exist.")
        return application, version or None

    def _adapter(self, name: str, version: str | None) -> OpenInferenceProtocol:
        found = self._served.routes[infer_path(name, version).encode()]
        assert isinstance(found, OpenInferenceProtocol)
        return found


def _read(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise BadRequest(f"The message is no {kind.DESCRIPTOR.name}: {error}.") from None


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _body(asked: Any) -> tuple[Asked, memoryview]:
    """The same as JSON with binary tensors behind it. Raises BadRequest."""
    raw = list(asked.raw_input_contents)
    if raw and len(raw) != len(asked.inputs):
        raise BadRequest(f"There are {len(raw)} raw contents, and {len(asked.inputs)} inputs.")
    if not raw:
        raw = [_typed(each) for each in asked.inputs]
    elif any(each.HasField("contents") for each in asked.inputs):
        raise BadRequest("Contents are either raw, for all inputs, or typed, in each input.")
    inputs = [
        Input(each.name, list(each.shape), each.datatype, InputParameters(len(content)))
        for each, content in zip(asked.inputs, raw, strict=True)
    ]
    outputs = [Output(each.name) for each in asked.outputs]
    said = {name: _value(value) for name, value in asked.parameters.items()}
    try:
        parameters = msgspec.convert(said, Parameters)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The parameters do not fit: {error}.") from None
    body = Asked(inputs, asked.id or None, parameters, outputs)
    return body, memoryview(raw[0] if len(raw) == 1 else b"".join(raw))


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


def _value(parameter: Any) -> Any:
    which = parameter.WhichOneof("parameter_choice")
    return None if which is None else getattr(parameter, which)


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
