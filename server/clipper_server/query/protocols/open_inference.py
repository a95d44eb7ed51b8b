"""The Open Inference Protocol, version 2, over REST, with the binary data extension.

A model's name is an application's here, so that its objective, default output and policy hold; `/versions/v`
is a version of the model that it is linked to. The first dimension of the input tensor counts the inputs.

A default output is an answer like any other, marked by the header X-Default-Answer and by the parameter
`defaults`, which has the reason for each input, by position.

Outputs that JSON cannot have, FP16 and bytes that are no text, are binary even where JSON was asked for.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Annotated, Any

import msgspec
import numpy as np

from clipper_container.errors import BadRequest
from clipper_container.inputs import MAX_DIMENSIONS, Tensor, sized_tensor

from ..application import Answer, Application, Request
from ..limits import DEFAULT, Limits
from ..slices import SMALL, Steps, at_once
from ..task import Output
from . import JSON, Headers, Response, may_be_cached, timeout_s
from .json_body import mistake, read

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
_AT_ONCE = 1024  # numbers that are written in one step
_TEXTS = ("bytes", "str", "json")
_BINARY = (b"content-type", b"application/octet-stream")
_HEADER_LENGTH = b"inference-header-content-length"
_Dimension = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _InputParameters(msgspec.Struct):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Input(msgspec.Struct):
    name: str
    shape: Annotated[list[_Dimension], msgspec.Meta(max_length=MAX_DIMENSIONS)]
    datatype: str
    parameters: _InputParameters | None = None
    data: list[Any] | None = None


class _OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: Any = None


class _Output(msgspec.Struct):
    name: str
    parameters: _OutputParameters | None = None


class _Parameters(msgspec.Struct):
    binary_data_output: bool | None = None
    timeout: Annotated[int, msgspec.Meta(le=2**63 - 1)] | None = None


class _Body(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: _Parameters | None = None
    outputs: list[_Output] | None = None


class _Form(msgspec.Struct):
    """How the answer is to be written."""

    id: str | None
    output: str
    binary: bool


_decode = msgspec.json.Decoder(_Body).decode


class OpenInferenceProtocol:
    def __init__(self, application: Application, version: str | None, limits: Limits = DEFAULT) -> None:
        self.application = application
        self.max_body = limits.body
        self.limits = limits
        self._version = version
        # Datatype and shape, as a model last answered. Until one does, those of the default output.
        self.output = describe_output(application.default_output)

    def parse(self, headers: Headers, body: bytes | bytearray) -> Request:
        try:
            length = _header_length(headers, len(body))
            whole = memoryview(body)
            if length == 0:
                return self._request(headers, self._bare(whole), _Form(None, OUTPUT, True), None)
            self.limits.check_json(len(body) if length is None else length)
            asked = read(_decode, body if length is None else whole[:length])
            if len(asked.inputs) != 1:
                raise ValueError(f"it has {len(asked.inputs)} inputs, and an application takes one tensor")
            outputs = asked.outputs or [_Output(OUTPUT)]
            if len(outputs) > 1:
                raise ValueError(f"it asks for {len(outputs)} outputs, and an application gives one tensor")
            parameters = asked.parameters or _Parameters()
            wanted = outputs[0].parameters or _OutputParameters()
            if wanted.classification is not None:
                raise ValueError("the output parameter classification is not supported")
            binary = parameters.binary_data_output if wanted.binary_data is None else wanted.binary_data
            form = _Form(asked.id, outputs[0].name, bool(binary))
            tensors = self._tensors(asked.inputs[0], whole[len(body) if length is None else length :])
            return self._request(headers, tensors, form, parameters.timeout)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{error}. {self._expected()}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"Error parsing JSON: {mistake(error, body)}. {self._expected()}") from None
        except RecursionError:
            raise BadRequest(f"The JSON is nested too deeply. {self._expected()}") from None
        except (ValueError, OverflowError) as error:
            raise BadRequest(f"The request does not fit: {error}. {self._expected()}") from None

    def _request(self, headers: Headers, tensors: list[Tensor], form: _Form, micros: int | None) -> Request:
        timeout = timeout_s(headers, micros)
        cached = may_be_cached(headers)
        return Request("open inference", tensors, self._version, timeout, cached, True, form)

    def _bare(self, body: memoryview) -> list[Tensor]:
        """The body is the one input's bytes, and nothing else."""
        kind = self.application.input_type.dtype
        if kind in _TEXTS:
            return [self._text(bytes(body))]
        if not kind:
            raise ValueError("bytes alone do not tell their shape")
        size = np.dtype(kind).itemsize
        return _rows(sized_tensor(body, (len(body) // size,), kind), kind)

    def _tensors(self, given: _Input, rest: memoryview) -> list[Tensor]:
        datatype, shape = given.datatype, given.shape
        size = given.parameters.binary_data_size if given.parameters else None
        if (size is None) == (given.data is None):
            raise ValueError('the input must have either "data" or the parameter "binary_data_size"')
        if (size or 0) != len(rest):
            raise ValueError(f"{len(rest)} bytes follow the JSON, and binary_data_size is {size or 0}")
        if datatype != "BYTES" and datatype not in DATATYPES:
            raise ValueError(f"there is no datatype {datatype}, only {', '.join(DATATYPES)} and BYTES")
        kind = self.application.input_type.dtype
        if (datatype == "BYTES") != (kind in _TEXTS):
            raise ValueError(f"the datatype is {datatype}")
        if shape and (len(shape) > 1 or not kind or datatype == "BYTES"):
            self.limits.check_inputs(shape[0])
        if datatype == "BYTES":
            if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
                raise ValueError(f"the shape is {shape}")
            if given.data is None:
                texts = list(islice(_split(rest), shape[0] + 1))
            else:
                texts = _strings(given.data, shape)
            if len(texts) != shape[0]:
                raise ValueError(f"shape {shape} does not have {len(texts)} elements")
            return [self._text(text) for text in texts]
        dtype = DATATYPES[datatype]
        if given.data is not None:
            rest = memoryview(_array(given.data, shape, datatype).tobytes())
        return _rows(sized_tensor(rest, tuple(shape), dtype), kind)

    def _text(self, text: bytes) -> Tensor:
        kind = self.application.input_type.dtype
        try:
            if kind == "str":
                text.decode()
            elif kind == "json":
                text = msgspec.json.encode(msgspec.json.decode(text))
        except UnicodeDecodeError:
            raise ValueError("an element is not UTF-8 text") from None
        except msgspec.DecodeError as error:
            raise ValueError(f"an element is not JSON: {error}") from None
        return Tensor(text, (len(text),), kind)

    def _expected(self) -> str:
        wants = describe_input(self.application)
        return (
            f'{self.application.spec.name} takes one input tensor, {{"name": "{wants["name"]}", "datatype": '
            f'"{wants["datatype"]}", "shape": {wants["shape"]}, "data": [...]}}.'
        )

    def described_output(self) -> tuple[str, list[int]]:
        """As the model answered its example; without one, as it last answered, or the default output is."""
        example = self.application.example(self._version)
        return self.output if example is None else describe_output(example)

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        return at_once(self.encode_in_steps(request, answers))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        form: _Form = request.form
        outputs = []
        defaults: list[bytes] = []
        reasons: set[str] = set()
        default: Tensor | None = None
        for i, answer in enumerate(answers):
            if (fault := answer.fault) is not None:
                defaults.append(b'"%d":%b' % (i, msgspec.json.encode([fault.reason, fault.message])))
                reasons.add(fault.reason)
            if answer.output is not None:
                outputs.append(_as_tensor(answer.output))
            else:
                default = default or _as_tensor(self.application.default_output)
                outputs.append(default)
            yield
        if answers:
            tensor = yield from _join(outputs)
            datatype = NAMES.get(tensor.dtype, "BYTES")
        else:
            datatype, shape = self.described_output()
            tensor = Tensor(b"", (0, *shape[1:]), DATATYPES.get(datatype, "bytes"))
        if answers and not defaults:
            self.output = datatype, [-1, *tensor.shape[1:]]
        data = None if form.binary else (yield from _as_json(tensor))
        described: dict[str, Any] = {"name": form.output, "shape": tensor.shape, "datatype": datatype}
        if data is None:
            described["parameters"] = {"binary_data_size": len(tensor.data)}
        about = {"model_name": self.application.spec.name}
        about["model_version"] = answers[0].version if answers else ""
        if form.id is not None:
            about["id"] = form.id
        query_ids = msgspec.json.encode([answer.query_id for answer in answers])
        # Text by text, for those of many answers are large.
        parts = [msgspec.json.encode(about)[:-1], b',"parameters":{"query_ids":', query_ids]
        marks: list[tuple[bytes, bytes]] = []
        if defaults:
            marks.append((b"x-default-answer", ", ".join(sorted(reasons)).encode()))
            parts += [b',"defaults":{', *(yield from _with_commas(defaults)), b"}"]
        parts += [b'},"outputs":[', msgspec.json.encode(described)[:-1]]
        if data is not None:
            parts += [b',"data":[', *data, b"]}]}"]
            return _response([JSON, *marks], parts, len(answers) > SMALL)
        parts.append(b"}]}")
        length = _HEADER_LENGTH, b"%d" % sum(map(len, parts))
        parts.append(bytes(tensor.data))
        return _response([_BINARY, length, *marks], parts, len(answers) > SMALL)

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, [JSON], msgspec.json.encode({"error": cause}))


def _response(headers: list[tuple[bytes, bytes]], parts: list[bytes], is_large: bool) -> Response:
    return (
        Response(200, headers, parts[0], parts[1:]) if is_large else Response(200, headers, b"".join(parts))
    )


def infer_path(name: str, version: str | None) -> str:
    return f"/v2/models/{name}/infer" if version is None else f"/v2/models/{name}/versions/{version}/infer"


def describe_input(application: Application) -> dict[str, Any]:
    """The application's input as the protocol's metadata has it."""
    dtype = application.input_type.dtype
    if dtype in _TEXTS:
        return {"name": "input", "datatype": "BYTES", "shape": [-1]}
    # Arrays of any shape and type have no datatype in the protocol: FP32 is what most models take.
    return {"name": "input", "datatype": NAMES.get(dtype, "FP32"), "shape": [-1, -1]}


def _header_length(headers: Headers, size: int) -> int | None:
    given = headers.get(_HEADER_LENGTH)
    if given is None:
        return None
    if not given.isdigit() or len(given) > 18 or int(given) > size:
        text = given.decode("latin-1")
        raise ValueError(f"Inference-Header-Content-Length is {text}, and the body has {size} bytes")
    return int(given)


def _flat(data: list[Any], shape: list[int]) -> list[Any]:
    """The elements of data that is flat already, or is nested as the shape says."""
    if list in map(type, data):
        for width in shape[1:]:
            if not all(type(row) is list and len(row) == width for row in data):
                raise ValueError(f"the data is nested, but not as the shape {shape} is")
            data = list(chain.from_iterable(data))
    if len(data) != math.prod(shape):
        raise ValueError(f"shape {shape} has {math.prod(shape)} elements, and the data has {len(data)}")
    return data


def _strings(data: list[Any], shape: list[int]) -> list[bytes]:
    texts = _flat(data, shape)
    if not all(type(text) is str for text in texts):
        raise ValueError("the data of BYTES must be strings")
    return [text.encode() for text in texts]


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


def _array(data: list[Any], shape: list[int], datatype: str) -> np.ndarray[Any, Any]:
    if datatype == "FP16":
        raise ValueError("FP16 cannot travel as JSON: send it as binary data")
    wanted = np.dtype(DATATYPES[datatype])
    found = _flat(data, shape)
    good: dict[str, set[type]] = {"b": {bool}, "f": {int, float, type(None)}}
    if not good.get(wanted.kind, {int}).issuperset(map(type, found)):
        raise ValueError(f"the data is not all {datatype}")
    if wanted.kind == "b":
        return np.array(found, wanted)
    if wanted.kind != "f":
        _check_bounds(min(found, default=0), max(found, default=0), wanted)
        return np.array(found, wanted)
    try:
        return _cast(np.array(found, "<f8"), wanted)
    except OverflowError:
        raise ValueError(f"a number lies outside {datatype}") from None


def _check_bounds(low: int, high: int, wanted: np.dtype[Any]) -> None:
    bounds = np.iinfo(wanted)
    if low < bounds.min or high > bounds.max:
        raise ValueError(f"a number lies outside {NAMES[wanted.str]}")


def _cast(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers as floats. An infinity stays one, but none comes of a number that is too large."""
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return found.astype(wanted, copy=False)
    except FloatingPointError:
        raise ValueError(f"a number lies outside {NAMES[wanted.str]}") from None


def _rows(whole: Tensor, kind: str) -> list[Tensor]:
    """The inputs in a tensor, as tensors of the application's type, or of their own where `kind` is ""."""
    data, shape, dtype = whole
    if not shape:
        raise ValueError("the shape is [], and its first dimension counts the inputs")
    if kind and len(shape) > 2:
        raise ValueError(f"the shape {list(shape)} has {len(shape)} dimensions")
    if kind and len(shape) == 1:
        shape = (1, *shape)
    if shape[0] > 1 and not len(data):  # a few bytes could ask for millions of them
        raise ValueError(f"the shape {list(shape)} has several inputs without elements: send one at a time")
    if dtype == "|b1" and np.frombuffer(data, "u1").max(initial=0) > 1:
        raise ValueError("a BOOL is one byte, 0 or 1")
    if kind and kind != dtype:
        data = _converted(np.frombuffer(data, dtype), np.dtype(kind)).tobytes()
    view = memoryview(data)
    size = len(view) // shape[0] if shape[0] else 0
    return [Tensor(view[i * size : (i + 1) * size], shape[1:], kind or dtype) for i in range(shape[0])]


def _converted(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers in the application's type. Floats are not taken for integers, nor truth for numbers."""
    if found.dtype.kind not in ("iu" if wanted.kind == "i" else "iuf"):
        raise ValueError(f"the datatype is {NAMES[found.dtype.str]}, and the inputs are {NAMES[wanted.str]}")
    if wanted.kind == "f":
        return _cast(found, wanted)
    if found.size:
        _check_bounds(int(found.min()), int(found.max()), wanted)
    return found.astype(wanted)


def describe_output(example: tuple[str, tuple[int, ...]] | bytes) -> tuple[str, list[int]]:
    """Datatype and shape of a tensor of outputs like this one: a JSON text, or a tensor's dtype and shape."""
    if isinstance(example, bytes):
        tensor = _as_tensor(example)
        example = tensor.dtype, tensor.shape
    dtype, shape = example
    return (NAMES[dtype], [-1, *shape]) if dtype in NAMES else ("BYTES", [-1])


def _join(outputs: list[Tensor]) -> Steps[Tensor]:
    """One tensor of all outputs: of numbers where all are of one shape, else of BYTES."""
    first = outputs[0]
    count = len(outputs)
    if first.dtype in NAMES and all(o.shape == first.shape and o.dtype in NAMES for o in outputs):
        if all(o.dtype == first.dtype for o in outputs):
            data = first.data if count == 1 else b"".join(o.data for o in outputs)
            return Tensor(data, (count, *first.shape), first.dtype)
        dtype = np.result_type(*{o.dtype for o in outputs})
        parts = []
        for output in outputs:
            parts.append(np.frombuffer(output.data, output.dtype).astype(dtype).tobytes())
            yield
        return Tensor(b"".join(parts), (count, *first.shape), dtype.str)
    parts = []
    for output in outputs:
        text = _as_text(output)
        parts.append(struct.pack("<I", len(text)) + text)
        yield
    return Tensor(b"".join(parts), (count,), "bytes")


def _as_tensor(output: Output) -> Tensor:
    if isinstance(output, Tensor):
        return output
    try:
        value = msgspec.json.decode(output)
    except (msgspec.DecodeError, RecursionError):
        value = None  # as JSON text it can still be told
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


def _as_text(output: Tensor) -> bytes:
    if output.dtype in NAMES:
        return msgspec.json.encode(np.frombuffer(output.data, output.dtype).reshape(output.shape).tolist())
    return bytes(output.data)


def _as_json(tensor: Tensor) -> Steps[list[bytes] | None]:
    """The elements of an output, as a JSON array has them; or None where JSON cannot have them."""
    if tensor.dtype == DATATYPES["FP16"]:
        return None
    texts = []
    if tensor.dtype in NAMES:
        numbers = np.frombuffer(tensor.data, tensor.dtype)
        for start in range(0, len(numbers), _AT_ONCE):
            texts.append(msgspec.json.encode(numbers[start : start + _AT_ONCE].tolist())[1:-1])
            yield
    else:
        try:
            for text in _split(memoryview(tensor.data)):
                texts.append(msgspec.json.encode(text.decode()))
                yield
        except UnicodeDecodeError:
            return None
    return (yield from _with_commas(texts))


def _with_commas(texts: list[bytes]) -> Steps[list[bytes]]:
    """What stands between the brackets, in parts that are neither many nor large."""
    parts = []
    for start in range(0, len(texts), SMALL):
        if start:
            parts.append(b",")
        parts.append(b",".join(texts[start : start + SMALL]))
        yield
    return parts
