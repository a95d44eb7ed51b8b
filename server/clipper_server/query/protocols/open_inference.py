"""The Open Inference Protocol, version 2, over REST, with the binary data extension.

A model's name is an application's here, so that its objective, default output and policy hold; `/versions/v`
is a version of the model that it is linked to. The first dimension of the input tensor counts the inputs.

A default output is an answer like any other, marked by the header X-Default-Answer and by the parameter
`defaults`, which has the reason for each input, by position.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from clipper_container.errors import BadRequest
from clipper_container.inputs import Tensor, sized_tensor

from ..application import Answer, Application, Request
from . import JSON, Headers, Response, may_be_cached, timeout_s

DATATYPES = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
NAMES = {dtype: name for name, dtype in DATATYPES.items()}
OUTPUT = "output"
_TEXTS = ("bytes", "str", "json")
_BINARY = (b"content-type", b"application/octet-stream")
_HEADER_LENGTH = b"inference-header-content-length"


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Any = msgspec.UNSET


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Body(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


class _Context(msgspec.Struct):
    """What the answer needs of the request."""

    id: str | None
    output: str
    binary: bool
    bare: bool = False  # ... and nothing but the tensor's bytes


_decode = msgspec.json.Decoder(_Body).decode


class OpenInferenceProtocol:
    def __init__(self, application: Application, version: str | None) -> None:
        self.application = application
        self.output: tuple[str, list[int]] | None = None  # datatype and shape, as last answered
        self._version = version
        name = application.spec.name
        self.path = (
            f"/v2/models/{name}/infer" if version is None else f"/v2/models/{name}/versions/{version}/infer"
        )

    def parse(self, headers: Headers, body: bytes | bytearray) -> Request:
        try:
            header = _header_length(headers, len(body))
            if header == 0:
                return self._bare(headers, body)
            asked = _decode(memoryview(body)[:header] if header < len(body) else body)
            if len(asked.inputs) != 1:
                raise ValueError(f"it has {len(asked.inputs)} inputs, and an application takes one tensor")
            if len(asked.outputs) > 1:
                raise ValueError(
                    f"it asks for {len(asked.outputs)} outputs, and an application gives one tensor"
                )
            tensors = self._tensors(asked.inputs[0], memoryview(body)[header:])
        except msgspec.ValidationError as error:
            raise BadRequest(f"{error}. {self._expected()}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"Error parsing JSON: {error}. {self._expected()}") from None
        except RecursionError:
            raise BadRequest(f"The JSON is nested too deeply. {self._expected()}") from None
        except (ValueError, OverflowError) as error:
            raise BadRequest(f"The request does not fit: {error}. {self._expected()}") from None
        output = asked.outputs[0] if asked.outputs else _Output(OUTPUT)
        binary = output.parameters.get("binary_data", asked.parameters.get("binary_data_output", False))
        context = _Context(asked.id, output.name, bool(binary))
        return self._request(headers, tensors, context, _micros(asked.parameters.get("timeout")))

    def _request(
        self, headers: Headers, tensors: list[Tensor], context: _Context, micros: int | None
    ) -> Request:
        timeout = timeout_s(headers, micros)
        cached = may_be_cached(headers)
        return Request("open inference", tensors, self._version, timeout, cached, True, context)

    def _bare(self, headers: Headers, body: bytes | bytearray) -> Request:
        """The body is the one input's bytes, and nothing else."""
        kind = self.application.input_type.dtype
        if kind in ("bytes", "str", "json"):
            tensors = [self._text(bytes(body))]
        elif kind:
            size = np.dtype(kind).itemsize
            tensors = [sized_tensor(bytes(body), (len(body) // size,), kind)]
        else:
            raise ValueError("bytes alone do not tell their shape")
        return self._request(headers, tensors, _Context(None, OUTPUT, True, bare=True), None)

    def _tensors(self, given: _Input, rest: memoryview) -> list[Tensor]:
        if any(n < 0 for n in given.shape):
            raise ValueError(f"the shape {given.shape} has a negative dimension")
        size = given.parameters.get("binary_data_size")
        if (size is None) == (given.data is msgspec.UNSET):
            raise ValueError('the input must have either "data" or the parameter "binary_data_size"')
        if (size or 0) != len(rest):
            raise ValueError(f"{len(rest)} bytes follow the JSON, and binary_data_size is {size or 0}")
        kind = self.application.input_type.dtype
        if given.datatype == "BYTES":
            texts = list(_split(rest) if size is not None else _strings(given.data))
            if len(texts) != np.prod(given.shape, dtype=np.int64):
                raise ValueError(f"shape {given.shape} does not have {len(texts)} elements")
            if kind not in _TEXTS or len(given.shape) not in (1, 2) or given.shape[1:] not in ([], [1]):
                raise ValueError(f"the shape is {given.shape} of BYTES")
            return [self._text(text) for text in texts]
        if given.datatype not in DATATYPES:
            raise ValueError(f"there is no datatype {given.datatype}, only {', '.join(DATATYPES)} and BYTES")
        if kind in _TEXTS:
            raise ValueError(f"the datatype is {given.datatype}")
        dtype = DATATYPES[given.datatype]
        if size is None:
            rest = _array(given.data, dtype, given.datatype)
        whole = sized_tensor(rest, tuple(given.shape), dtype)
        return _rows(whole, kind)

    def _text(self, text: bytes) -> Tensor:
        kind = self.application.input_type.dtype
        if kind == "str":
            text.decode()
        elif kind == "json":
            text = msgspec.json.encode(msgspec.json.decode(text))
        return Tensor(text, (len(text),), kind)

    def _expected(self) -> str:
        wants = describe_input(self.application)
        return (
            f'{self.application.spec.name} takes one input tensor, {{"name": "{wants["name"]}", "datatype": '
            f'"{wants["datatype"]}", "shape": {wants["shape"]}, "data": [...]}}.'
        )

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        context: _Context = request.context
        defaults = {str(i): answer.fault for i, answer in enumerate(answers) if answer.fault is not None}
        tensor = _join([self._output(answer) for answer in answers])
        datatype = NAMES.get(tensor.dtype, "BYTES")
        self.output = datatype, [-1, *tensor.shape[1:]]
        described: dict[str, Any] = {"name": context.output, "shape": tensor.shape, "datatype": datatype}
        binary = b""
        if context.binary or datatype == "FP16":
            binary = bytes(tensor.data)
            described["parameters"] = {"binary_data_size": len(binary)}
        elif datatype == "BYTES":
            described["data"] = [text.decode(errors="replace") for text in _split(memoryview(tensor.data))]
        else:
            described["data"] = np.frombuffer(tensor.data, tensor.dtype).tolist()
        marks: list[tuple[bytes, bytes]] = []
        parameters: dict[str, Any] = {"query_ids": [answer.query_id for answer in answers]}
        if defaults:
            parameters["defaults"] = {i: [fault.reason, fault.message] for i, fault in defaults.items()}
            reasons = sorted({fault.reason for fault in defaults.values()})
            marks.append((b"x-default-answer", ", ".join(reasons).encode()))
        if context.bare:
            return Response(200, [_BINARY, (_HEADER_LENGTH, b"0"), *marks], binary)
        body: dict[str, Any] = {
            "model_name": self.application.spec.name,
            "model_version": answers[0].version if answers else "",
            "parameters": parameters,
            "outputs": [described],
        }
        if context.id is not None:
            body["id"] = context.id
        text = msgspec.json.encode(body)
        if not binary:
            return Response(200, [JSON, *marks], text)
        return Response(200, [_BINARY, (_HEADER_LENGTH, b"%d" % len(text)), *marks], text + binary)

    def _output(self, answer: Answer) -> Tensor:
        output = self.application.default_output if answer.output is None else answer.output
        if isinstance(output, Tensor):
            return output
        value = msgspec.json.decode(output)
        if isinstance(value, str):
            output = value.encode()
        elif isinstance(value, list | int | float):
            try:
                found = np.asarray(value)
            except ValueError:
                found = np.asarray(None)  # rows of several lengths
            if found.dtype.str in NAMES:
                return Tensor(found.tobytes(), found.shape, found.dtype.str)
        return Tensor(output, (len(output),), "bytes")

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, [JSON], msgspec.json.encode({"error": cause}))


def describe_input(application: Application) -> dict[str, Any]:
    """The application's input as the protocol's metadata has it."""
    dtype = application.input_type.dtype
    if dtype in _TEXTS:
        return {"name": "input", "datatype": "BYTES", "shape": [-1]}
    # Arrays of any shape and type have no datatype in the protocol: FP32 is what most models take.
    return {"name": "input", "datatype": NAMES.get(dtype, "FP32"), "shape": [-1, -1]}


def _header_length(headers: Headers, size: int) -> int:
    given = headers.get(_HEADER_LENGTH)
    if given is None:
        return size
    if not given.isdigit() or int(given) > size:
        text = given.decode("latin-1")
        raise ValueError(f"Inference-Header-Content-Length is {text}, and the body has {size} bytes")
    return int(given)


def _micros(given: Any) -> int | None:
    if given is None:
        return None
    try:
        return int(given)
    except (TypeError, ValueError):
        raise BadRequest(f"The parameter timeout is in microseconds, and not {given!r}.") from None


def _strings(data: Any) -> Iterator[bytes]:
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, list):
            yield from _strings(item)
        elif isinstance(item, str):
            yield item.encode()
        else:
            raise ValueError("the data of BYTES must be strings")


def _split(data: memoryview) -> Iterator[bytes]:
    """The elements of BYTES: each a length in 32 bits, and so many bytes."""
    start = 0
    while start < len(data):
        if start + 4 > len(data):
            raise ValueError("the binary data ends in the middle of an element's length")
        (size,) = struct.unpack_from("<I", data, start)
        start += 4 + size
        if start > len(data):
            raise ValueError("the binary data ends in the middle of an element")
        yield bytes(data[start - size : start])


def _array(data: Any, dtype: str, datatype: str) -> memoryview:
    if datatype == "FP16":
        raise ValueError("FP16 cannot travel as JSON: send it as binary data")
    try:
        found = np.asarray(data)
    except ValueError:
        raise ValueError("the rows of data have several lengths") from None
    wanted = np.dtype(dtype)
    good = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}[wanted.kind]
    if found.size and found.dtype.kind not in good:
        raise ValueError(f"the data are not {datatype}")
    if found.size and wanted.kind in "iu" and not _within(found, wanted):
        raise ValueError(f"a number lies outside {datatype}")
    return memoryview(found.astype(wanted).tobytes())


def _within(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> bool:
    bounds = np.iinfo(wanted)
    return int(found.min()) >= bounds.min and int(found.max()) <= bounds.max


def _rows(whole: Tensor, kind: str) -> list[Tensor]:
    """The inputs in a tensor, as tensors of the application's type, or of their own where `kind` is ""."""
    data, shape, dtype = whole
    if not kind:
        if not shape:
            raise ValueError("the shape is [], and its first dimension counts the inputs")
        size = len(data) // shape[0] if shape[0] else 0
        view = memoryview(data)
        return [Tensor(view[i * size : (i + 1) * size], shape[1:], dtype) for i in range(shape[0])]
    if len(shape) not in (1, 2):
        raise ValueError(f"the shape is {list(shape)}")
    found = np.frombuffer(data, dtype).reshape(shape if len(shape) == 2 else (1, *shape))
    wanted = np.dtype(kind)
    if wanted.kind == "i" and found.dtype.kind not in "iu":
        raise ValueError(f"the datatype is {NAMES[dtype]}, and the inputs are whole numbers")
    if wanted.kind == "i" and found.size and not _within(found, wanted):
        raise ValueError("a number lies outside the 32-bit integers")
    found = found.astype(wanted, copy=False)
    return [Tensor(row.tobytes(), row.shape, kind) for row in found]


def _join(outputs: list[Tensor]) -> Tensor:
    """One tensor of all outputs: of numbers where all are of one shape, else of BYTES."""
    if not outputs:
        return Tensor(b"", (0,), "bytes")
    first = outputs[0]
    count = len(outputs)
    if first.dtype in NAMES and all(o.shape == first.shape and o.dtype in NAMES for o in outputs):
        if all(o.dtype == first.dtype for o in outputs):
            data = first.data if count == 1 else b"".join(o.data for o in outputs)
            return Tensor(data, (count, *first.shape), first.dtype)
        joined = np.stack([np.frombuffer(o.data, o.dtype).reshape(o.shape) for o in outputs])
        return Tensor(joined.tobytes(), joined.shape, joined.dtype.str)
    texts = [_as_text(output) for output in outputs]
    return Tensor(b"".join(struct.pack("<I", len(text)) + text for text in texts), (count,), "bytes")


def _as_text(output: Tensor) -> bytes:
    if output.dtype in NAMES:
        return msgspec.json.encode(np.frombuffer(output.data, output.dtype).reshape(output.shape).tolist())
    return bytes(output.data)
