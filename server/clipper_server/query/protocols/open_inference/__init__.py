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

from ...application import Answer, Application, Request
from ...limits import DEFAULT, Limits
from ...slices import SMALL, Steps, at_once
from ...task import Output
from .. import JSON, Headers, Response, may_be_cached, timeout_s
from ..json_body import mistake, unmarked

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
            text = body if length is None else whole[:length]
            try:
                asked = _decode(text)
            except msgspec.DecodeError as error:
                asked = _decode(unmarked(text, error))
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
        form: _Form = request.form
        default = self.application.default_output
        outputs = [_as_tensor(default if a.output is None else a.output) for a in answers]
        tensor = self._of_none() if not outputs else _stacked(outputs) or at_once(_as_texts(outputs))
        defaults = {str(i): answer.fault for i, answer in enumerate(answers) if answer.fault is not None}
        described = self._described(form, tensor, learn=bool(answers) and not defaults)
        data = None if form.binary else _elements(tensor)
        if data is None:
            described["parameters"] = {"binary_data_size": len(tensor.data)}
        else:
            described["data"] = data
        parameters: dict[str, Any] = {"query_ids": [answer.query_id for answer in answers]}
        if defaults:
            parameters["defaults"] = {i: [fault.reason, fault.message] for i, fault in defaults.items()}
        body = {**self._about(form, answers), "parameters": parameters, "outputs": [described]}
        text = msgspec.json.encode(body)
        marks = _marks({fault.reason for fault in defaults.values()})
        if data is not None:
            return Response(200, [JSON, *marks], text)
        length = _HEADER_LENGTH, b"%d" % len(text)
        return Response(200, [_BINARY, length, *marks], b"".join((text, tensor.data)))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        form: _Form = request.form
        outputs = []
        defaults: list[bytes] = []
        reasons: set[str] = set()
        default = _as_tensor(self.application.default_output)
        for i, answer in enumerate(answers):
            if (fault := answer.fault) is not None:
                defaults.append(b'"%d":%b' % (i, msgspec.json.encode([fault.reason, fault.message])))
                reasons.add(fault.reason)
            outputs.append(default if answer.output is None else _as_tensor(answer.output))
            yield
        tensor = _stacked(outputs) or (yield from _as_texts(outputs))
        described = self._described(form, tensor, learn=not defaults)
        data = None if form.binary else (yield from _as_json(tensor))
        if data is None:
            described["parameters"] = {"binary_data_size": len(tensor.data)}
        query_ids = msgspec.json.encode([answer.query_id for answer in answers])
        # In parts, which nobody joins.
        parts = [
            msgspec.json.encode(self._about(form, answers))[:-1],
            b',"parameters":{"query_ids":',
            query_ids,
        ]
        if defaults:
            parts += [b',"defaults":{', *(yield from _with_commas(defaults)), b"}"]
        parts += [b'},"outputs":[', msgspec.json.encode(described)[:-1]]
        if data is not None:
            parts += [b',"data":[', *data, b"]}]}"]
            return Response(200, [JSON, *_marks(reasons)], parts[0], parts[1:])
        parts.append(b"}]}")
        length = _HEADER_LENGTH, b"%d" % sum(map(len, parts))
        parts.append(bytes(tensor.data))
        return Response(200, [_BINARY, length, *_marks(reasons)], parts[0], parts[1:])

    def _of_none(self) -> Tensor:
        datatype, shape = self.described_output()
        return Tensor(b"", (0, *shape[1:]), DATATYPES.get(datatype, "bytes"))

    def _described(self, form: _Form, tensor: Tensor, *, learn: bool) -> dict[str, Any]:
        datatype = NAMES.get(tensor.dtype, "BYTES")
        if learn:
            self.output = datatype, [-1, *tensor.shape[1:]]
        return {"name": form.output, "shape": tensor.shape, "datatype": datatype}

    def _about(self, form: _Form, answers: Sequence[Answer]) -> dict[str, Any]:
        about = {"model_name": self.application.spec.name}
        about["model_version"] = answers[0].version if answers else ""
        return about if form.id is None else {**about, "id": form.id}

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, [JSON], msgspec.json.encode({"error": cause}))


def _marks(reasons: set[str]) -> list[tuple[bytes, bytes]]:
    return [(b"x-default-answer", ", ".join(sorted(reasons)).encode())] if reasons else []


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


def _stacked(outputs: list[Tensor]) -> Tensor | None:
    """One tensor of all outputs, where all are numbers of one shape."""
    first = outputs[0]
    count = len(outputs)
    if first.dtype not in NAMES or any(o.shape != first.shape or o.dtype not in NAMES for o in outputs):
        return None
    if all(o.dtype == first.dtype for o in outputs):
        data = first.data if count == 1 else b"".join(o.data for o in outputs)
        return Tensor(data, (count, *first.shape), first.dtype)
    dtype = np.result_type(*{o.dtype for o in outputs})
    data = b"".join(np.frombuffer(o.data, o.dtype).astype(dtype).tobytes() for o in outputs)
    return Tensor(data, (count, *first.shape), dtype.str)


def _as_texts(outputs: list[Tensor]) -> Steps[Tensor]:
    """One tensor of BYTES: of all outputs' texts."""
    parts = []
    for output in outputs:
        text = _as_text(output)
        parts.append(struct.pack("<I", len(text)) + text)
        yield
    return Tensor(b"".join(parts), (len(outputs),), "bytes")


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


def _elements(tensor: Tensor) -> list[Any] | None:
    """The elements of an output, or None where JSON cannot have them."""
    if tensor.dtype == DATATYPES["FP16"]:
        return None
    if tensor.dtype in NAMES:
        numbers: list[Any] = np.frombuffer(tensor.data, tensor.dtype).tolist()
        return numbers
    try:
        return [text.decode() for text in _split(memoryview(tensor.data))]
    except UnicodeDecodeError:
        return None


def _as_json(tensor: Tensor) -> Steps[list[bytes] | None]:
    """The same as an array of JSON has them, in parts."""
    texts: list[bytes] = []
    if tensor.dtype in NAMES:
        size = _AT_ONCE * np.dtype(tensor.dtype).itemsize
        for start in range(0, len(tensor.data), size):
            numbers = _elements(Tensor(tensor.data[start : start + size], (), tensor.dtype))
            if numbers is None:
                return None
            texts.append(msgspec.json.encode(numbers)[1:-1])
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
    parts: list[bytes] = []
    for start in range(0, len(texts), SMALL):
        if start:
            parts.append(b",")
        parts.append(b",".join(texts[start : start + SMALL]))
        yield
    return parts
