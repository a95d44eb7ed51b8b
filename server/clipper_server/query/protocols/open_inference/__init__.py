"""The Open Inference Protocol, version 2, over REST, with the binary data extension.

A model's name is an application's here, so that its objective, default output and policy hold; `/versions/v`
is a version of the model that it is linked to. The first dimension of the input tensor counts the inputs.

A default output is an answer like any other, marked by the header X-Default-Answer and by the parameter
`defaults`, which has the reason for each input, by position. Where a policy has a choice, the parameters say
what it chose: `model`, or `models` for each input where they are several, with the `confidence` of a cascade
in each; or `confidence` and `used` for each input, of so many `asked`. Where the application collects
feedback, `feedback_token` has a token for each input, or null. `partial` says of each, where one is, whether
a pipeline did without the output of a model that it called, or a cascade without that of a model that it
wanted.

Outputs that JSON cannot have, FP16 and bytes that are no text, are binary even where JSON was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np

from clipper_container.errors import BadRequest
from clipper_container.inputs import Tensor, sized_tensor

from ...application import Application
from ...limits import DEFAULT, Limits
from ...request import Answer, Request
from ...slices import Steps, at_once
from .. import JSON, Headers, Response, may_be_cached, timeout_s, unit
from ..contexts import context
from ..json_body import Body, mistake, unmarked
from .bodies import Asked, Form, Input, Output, OutputParameters, Parameters, decode
from .checks import check_output, check_request
from .classification import classified
from .inputs import array, binary_size, rows, strings
from .outputs import as_json, as_tensor, as_texts, describe_output, elements, stacked, with_commas
from .tensors import DATATYPES, NAMES, split

OUTPUT = "output"
_TEXTS = ("bytes", "str", "json")
_BINARY = (b"content-type", b"application/octet-stream")
_HEADER_LENGTH = b"inference-header-content-length"


class Answered(NamedTuple):
    """What is said of the model, the parameters, the output's description, and the output."""

    about: dict[str, str]
    parameters: dict[str, Any]
    described: dict[str, Any]
    tensor: Tensor


class OpenInferenceProtocol:
    def __init__(self, application: Application, version: str | None, limits: Limits = DEFAULT) -> None:
        self.application = application
        self.max_body = limits.body
        self.limits = limits
        self._version = version
        # Datatype and shape, as a model last answered. Until one does, those of the default output.
        self.output = describe_output(application.default_output)

    def parse(self, headers: Headers, body: Body) -> Request:
        try:
            length = _header_length(headers, len(body))
            whole = memoryview(body)
            if length == 0:
                return self._request(headers, self._bare(whole), Form(None, OUTPUT, True), Parameters())
            self.limits.check_json(len(body) if length is None else length)
            text = body if length is None else whole[:length]
            try:
                asked = decode(text)
            except msgspec.DecodeError as error:
                asked = decode(unmarked(text, error))
            return self._read(headers, asked, whole[len(body) if length is None else length :])
        except msgspec.ValidationError as error:
            raise BadRequest(f"{error}. {self._expected()}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"Error parsing JSON: {mistake(error, body)}. {self._expected()}") from None
        except RecursionError:
            raise BadRequest(f"The JSON is nested too deeply. {self._expected()}") from None
        except (ValueError, OverflowError) as error:
            raise BadRequest(f"The request does not fit: {error}. {self._expected()}") from None

    def request(self, headers: Headers, asked: Asked, rest: memoryview) -> Request:
        """The request that is said by `asked`, and by its tensors' bytes. Raises BadRequest or TooLarge."""
        try:
            return self._read(headers, asked, rest)
        except (ValueError, OverflowError) as error:
            raise BadRequest(f"The request does not fit: {error}. {self._expected()}") from None

    def _read(self, headers: Headers, asked: Asked, rest: memoryview) -> Request:
        outputs = asked.outputs or [Output(OUTPUT)]
        if len(outputs) > 1:
            raise ValueError(f"it asks for {len(outputs)} outputs, and an application gives one tensor")
        parameters = asked.parameters or Parameters()
        if outputs[0].name != OUTPUT:
            raise ValueError(f"there is no output {outputs[0].name!r}, only {OUTPUT!r}")
        wanted = outputs[0].parameters or OutputParameters()
        check_output(wanted)
        binary = parameters.binary_data_output if wanted.binary_data is None else wanted.binary_data
        form = Form(asked.id, outputs[0].name, bool(binary), wanted.classification or 0)
        return self._request(headers, self._tensors(asked.inputs, rest), form, parameters)

    def _request(
        self, headers: Headers, tensors: list[Tensor], form: Form, parameters: Parameters
    ) -> Request:
        check_request(parameters)
        timeout = timeout_s(headers, parameters.timeout)
        cached = may_be_cached(headers)
        whom = unit(headers, parameters.unit) if self.application.asks_for_units else None
        such = context(self.application, headers, parameters.context, self._version)
        return Request("open-inference", tensors, self._version, timeout, cached, True, form, whom, *such)

    def _bare(self, body: memoryview) -> list[Tensor]:
        """The body is the one input's bytes, and nothing else."""
        kind = self.application.input_type.dtype
        if kind in _TEXTS:
            return [self._text(bytes(body))]
        if not kind:
            raise ValueError("bytes alone do not tell their shape")
        size = np.dtype(kind).itemsize
        return rows(sized_tensor(body, (len(body) // size,), kind), kind)

    def _tensors(self, inputs: list[Input], rest: memoryview) -> list[Tensor]:
        """The inputs of a request, of which `rest` is what follows its JSON."""
        if len(inputs) != 1:
            raise ValueError(f"it has {len(inputs)} inputs, and an application takes one tensor")
        given = inputs[0]
        datatype, shape = given.datatype, given.shape
        if (size := binary_size(given)) != len(rest):
            raise ValueError(f"{len(rest)} bytes follow the JSON, and binary_data_size is {size}")
        kind = self.application.input_type.dtype
        if (datatype == "BYTES") != (kind in _TEXTS):
            raise ValueError(f"the datatype is {datatype}")
        if shape and (len(shape) > 1 or not kind or datatype == "BYTES"):
            self.limits.check_inputs(shape[0])
        if datatype == "BYTES":
            if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
                raise ValueError(f"the shape is {shape}")
            if given.data is None:
                texts = list(islice(split(rest), shape[0] + 1))
            else:
                texts = strings(given.data, shape)
            if len(texts) != shape[0]:
                raise ValueError(f"shape {shape} does not have {len(texts)} elements")
            return [self._text(text) for text in texts]
        dtype = DATATYPES[datatype]
        if given.data is not None:
            rest = memoryview(array(given.data, shape, datatype).tobytes())
        return rows(sized_tensor(rest, tuple(shape), dtype), kind)

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
        wants = self.described_inputs()[0]
        return (
            f'{self.application.spec.name} takes one input tensor, {{"name": "{wants["name"]}", "datatype": '
            f'"{wants["datatype"]}", "shape": {wants["shape"]}, "data": [...]}}.'
        )

    def described_inputs(self) -> list[dict[str, Any]]:
        """The application's inputs as the protocol's metadata has them."""
        dtype = self.application.input_type.dtype
        if dtype in _TEXTS:
            return [{"name": "input", "datatype": "BYTES", "shape": [-1]}]
        # Arrays of any shape and type have no datatype in the protocol: FP32 is what most models take.
        return [{"name": "input", "datatype": NAMES.get(dtype, "FP32"), "shape": [-1, -1]}]

    def described_output(self) -> tuple[str, list[int]]:
        """As the model answered its example; without one, as it last answered, or the default output is."""
        example = self.application.example(self._version)
        return self.output if example is None else describe_output(example)

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        form: Form = request.form
        try:
            about, parameters, described, tensor = self.answered(request, answers)
        except BadRequest as error:
            return self.refuse(400, "", str(error))
        data = None if form.binary else elements(tensor)
        if data is None:
            described["parameters"] = {"binary_data_size": len(tensor.data)}
        else:
            described["data"] = data
        text = msgspec.json.encode({**about, "parameters": parameters, "outputs": [described]})
        marks = marks_of({answer.fault.reason for answer in answers if answer.fault is not None})
        if data is not None:
            return Response(200, [JSON, *marks], text)
        length = _HEADER_LENGTH, b"%d" % len(text)
        return Response(200, [_BINARY, length, *marks], b"".join((text, tensor.data)))

    def answered(self, request: Request, answers: Sequence[Answer]) -> Answered:
        """All that is said of them. Raises BadRequest where classes are wanted of what has none."""
        return at_once(self.answered_in_steps(request, answers))

    def answered_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Answered]:
        """The same, for many answers."""
        form: Form = request.form
        default = as_tensor(self.application.default_output)
        outputs = []
        defaults: dict[str, Any] = {}
        for i, answer in enumerate(answers):
            if (fault := answer.fault) is not None:
                defaults[str(i)] = [fault.reason, fault.message]
            outputs.append(default if answer.output is None else as_tensor(answer.output))
            yield
        tensor = self._of_none() if not outputs else stacked(outputs) or (yield from as_texts(outputs))
        if form.classes:
            tensor = yield from classified(tensor, form.classes)
        learn = bool(answers) and not defaults and not form.classes
        described = self._described(form, tensor, learn=learn)
        parameters: dict[str, Any] = {"query_ids": [answer.query_id for answer in answers]}
        if defaults:
            parameters["defaults"] = defaults
        parameters.update(chosen(answers))
        return Answered(self._about(form, answers), parameters, described, tensor)

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        form: Form = request.form
        outputs = []
        defaults: list[bytes] = []
        reasons: set[str] = set()
        default = as_tensor(self.application.default_output)
        for i, answer in enumerate(answers):
            if (fault := answer.fault) is not None:
                defaults.append(b'"%d":%b' % (i, msgspec.json.encode([fault.reason, fault.message])))
                reasons.add(fault.reason)
            outputs.append(default if answer.output is None else as_tensor(answer.output))
            yield
        tensor = stacked(outputs) or (yield from as_texts(outputs))
        if form.classes:
            try:
                tensor = yield from classified(tensor, form.classes)
            except BadRequest as error:
                return self.refuse(400, "", str(error))
        described = self._described(form, tensor, learn=not defaults and not form.classes)
        data = None if form.binary else (yield from as_json(tensor))
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
            parts += [b',"defaults":{', *(yield from with_commas(defaults)), b"}"]
        if told := chosen(answers):
            parts += [b",", msgspec.json.encode(told)[1:-1]]
        parts += [b'},"outputs":[', msgspec.json.encode(described)[:-1]]
        if data is not None:
            parts += [b',"data":[', *data, b"]}]}"]
            return Response(200, [JSON, *marks_of(reasons)], parts[0], parts[1:])
        parts.append(b"}]}")
        length = _HEADER_LENGTH, b"%d" % sum(map(len, parts))
        parts.append(bytes(tensor.data))
        return Response(200, [_BINARY, length, *marks_of(reasons)], parts[0], parts[1:])

    def _of_none(self) -> Tensor:
        datatype, shape = self.described_output()
        return Tensor(b"", (0, *shape[1:]), DATATYPES.get(datatype, "bytes"))

    def _described(self, form: Form, tensor: Tensor, *, learn: bool) -> dict[str, Any]:
        datatype = NAMES.get(tensor.dtype, "BYTES")
        if learn:
            self.output = datatype, [-1, *tensor.shape[1:]]
        return {"name": form.output, "shape": tensor.shape, "datatype": datatype}

    def _about(self, form: Form, answers: Sequence[Answer]) -> dict[str, Any]:
        about = {"model_name": self.application.spec.name}
        about["model_version"] = answers[0].version if answers else ""
        return about if form.id is None else {**about, "id": form.id}

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, [JSON], msgspec.json.encode({"error": cause}))


def marks_of(reasons: set[str]) -> list[tuple[bytes, bytes]]:
    return [(b"x-default-answer", ", ".join(sorted(reasons)).encode())] if reasons else []


def infer_path(name: str, version: str | None) -> str:
    return f"/v2/models/{name}/infer" if version is None else f"/v2/models/{name}/versions/{version}/infer"


def _header_length(headers: Headers, size: int) -> int | None:
    given = headers.get(_HEADER_LENGTH)
    if given is None:
        return None
    if not given.isdigit() or len(given) > 18 or int(given) > size:
        text = given.decode("latin-1")
        raise ValueError(f"Inference-Header-Content-Length is {text}, and the body has {size} bytes")
    return int(given)


def chosen(answers: Sequence[Answer]) -> dict[str, Any]:
    """The parameters that tell of the choice that was made for all inputs of a request."""
    found: dict[str, Any] = {}
    choices = [answer.choice for answer in answers if answer.choice is not None]
    models = [choice.model for choice in choices]
    confidences = [choice.confidence for choice in choices]
    if choices and models[0] is None:
        found["confidence"] = confidences
        found.update(asked=choices[0].asked, used=[choice.used for choice in choices])
    elif choices:
        found.update({"model": models[0]} if len(set(models)) == 1 else {"models": models})
        if any(confidence is not None for confidence in confidences):
            found["confidence"] = confidences
    tokens = [answer.token for answer in answers]
    if any(tokens):
        found["feedback_token"] = tokens
    if any(answer.partial for answer in answers):
        found["partial"] = [answer.partial for answer in answers]
    return found
