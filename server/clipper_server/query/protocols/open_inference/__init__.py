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

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.tensors import Tensor

from ...application import Application
from ...examples import default_like
from ...limits import DEFAULT, Limits
from ...request import Answer, Request
from ...slices import SMALL, Steps, at_once
from .. import JSON, Headers, Response, may_be_cached, timeout_s, unit
from ..contexts import context
from ..json_body import UNREAD, Body, unmarked, unread
from ..tensors import Tensors, Whole
from . import quick
from .beside import chosen, marks_of
from .bodies import Asked, Form, Input, Output, OutputParameters, Parameters, Wanted, decode
from .checks import check_output, check_request
from .classification import classified
from .inputs import binary_size, whole_of
from .outputs import (
    OUTPUT,
    as_json,
    as_tensor,
    as_texts,
    by_name,
    check_wanted,
    describe_outputs,
    elements,
    names_of,
    stacked,
    with_commas,
)
from .tensors import DATATYPES, NAMES

_JSON = [JSON]  # the same list, by which a connection knows that it wrote these headers before
_BINARY = (b"content-type", b"application/octet-stream")
_NONE = Parameters()
_PLAIN = Form(None, [], False)
"""Where a request says nothing but its inputs, as most do."""
_HEADER_LENGTH = b"inference-header-content-length"


class Answered(NamedTuple):
    """What is said of the model, the parameters, and each output that is told: its description and tensor."""

    about: dict[str, str]
    parameters: dict[str, Any]
    outputs: list[tuple[dict[str, Any], Tensor]]


class OpenInferenceProtocol:
    def __init__(self, application: Application, version: str | None, limits: Limits = DEFAULT) -> None:
        self.application = application
        self.max_body = limits.body
        self.limits = limits
        self._version = version
        self._inputs = Tensors(application, limits)
        self._quick = quick.reader(application.input_type)

    def parse(self, headers: Headers, body: Body) -> Request:
        try:
            length = _header_length(headers, len(body))
            whole = memoryview(body)
            if length == 0:
                return self._request(headers, self._inputs.bare(whole), Form(None, [], True), Parameters())
            self.limits.check_json(len(body) if length is None else length)
            if length is None and (found := self._as_most_are(headers, body)) is not None:
                return found
            text = body if length is None else whole[:length]
            try:
                asked = decode(text)
            except msgspec.DecodeError as error:
                asked = decode(unmarked(text, error))
            return self._read(headers, asked, whole[len(body) if length is None else length :])
        except UNREAD as error:
            raise unread(error, body, self._expected(), "The request does not fit") from None

    def _as_most_are(self, headers: Headers, body: Body) -> Request | None:
        """The request, where it is one tensor of numbers as the model takes them, in a list."""
        if self._quick is None:
            return None
        try:
            asked = self._quick(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        tensors = quick.tensors(self.application.input_type, asked, self.limits.check_inputs)
        if tensors is None:
            return None
        if asked.id is None and asked.parameters is None and not asked.outputs:
            return self._request(headers, tensors, _PLAIN, _NONE)
        parameters = asked.parameters or _NONE
        form = self._form(asked.id, asked.outputs, bool(parameters.binary_data_output))
        return self._request(headers, tensors, form, parameters)

    def request(self, headers: Headers, asked: Asked, rest: memoryview) -> Request:
        """The request that is said by `asked`, and by its tensors' bytes. Raises BadRequest or TooLarge."""
        try:
            return self._read(headers, asked, rest)
        except UNREAD as error:
            raise unread(error, b"", self._expected(), "The request does not fit") from None

    def request_of(self, headers: Headers, id: str | None, given: Mapping[str, Whole]) -> Request:
        """The same of tensors of which nothing else is said."""
        try:
            tensors = self._inputs.inputs(given, self._version)
            return self._request(headers, tensors, Form(id, [], False), _NONE)
        except UNREAD as error:
            raise unread(error, b"", self._expected(), "The request does not fit") from None

    def _read(self, headers: Headers, asked: Asked, rest: memoryview) -> Request:
        parameters = asked.parameters or Parameters()
        form = self._form(asked.id, asked.outputs, bool(parameters.binary_data_output))
        return self._request(headers, self._tensors(asked.inputs, rest), form, parameters)

    def _request(
        self, headers: Headers, tensors: list[Tensor], form: Form, parameters: Parameters
    ) -> Request:
        if parameters is not _NONE:
            check_request(parameters)
        timeout = timeout_s(headers, parameters.timeout)
        cached = may_be_cached(headers)
        whom = unit(headers, parameters.unit) if self.application.asks_for_units else None
        such = context(self.application, headers, parameters.context, self._version)
        return Request("open-inference", tensors, self._version, timeout, cached, True, form, whom, *such)

    def _form(self, id: str | None, outputs: list[Output] | None, binary: bool) -> Form:
        """How the answer is to be written. Raises ValueError."""
        if not outputs:
            return Form(id, [], binary)  # as most are
        wanted = []
        for output in outputs:
            parameters = output.parameters or OutputParameters()
            check_output(parameters)
            own = parameters.binary_data
            wanted.append(Wanted(output.name, binary if own is None else own, parameters.classification or 0))
        if len({output.name for output in wanted}) != len(wanted):
            raise ValueError("two outputs have one name")
        if (names := self._known()) is not None:
            check_wanted(wanted, names)
        return Form(id, wanted, binary)

    def _known(self) -> list[str] | None:
        """The outputs that any version has that may answer; None where not all have told them. The names of
        an object are no promise: another one may have others.
        """
        examples = [queue.example for queue in self.application.queues(self._version)]
        told = [names_of(e) for e in examples if e is not None and not (isinstance(e, bytes) and names_of(e))]
        if not told or len(told) < len(examples) or (not all(told) and any(told)):
            return None
        return list(dict.fromkeys(name for names in told for name in names))

    def _names(self) -> list[str] | None:
        """Those of the outputs, as far as anybody knows; None where nobody does, and empty without names."""
        example = self.application.example(self._version)
        return None if example is None else names_of(example)

    def _tensors(self, inputs: list[Input], rest: memoryview) -> list[Tensor]:
        """The inputs of a request, of which `rest` is what follows its JSON."""
        if len({given.name for given in inputs}) != len(inputs):
            raise ValueError("two inputs have one name")
        sizes = [binary_size(given) for given in inputs]
        if (size := sum(sizes)) != len(rest):
            raise ValueError(f"{len(rest)} bytes follow the JSON, and binary_data_size is {size}")
        found = {}
        start = 0
        for given, size in zip(inputs, sizes, strict=True):
            found[given.name] = whole_of(given, rest[start : (start := start + size)])
        return self._inputs.inputs(found, self._version)

    def _expected(self) -> str:
        name, wants = self.application.spec.name, self.described_inputs()
        if self._inputs.sets is None:
            return f"{name} takes one input tensor, {_shown(wants[0])}."
        such = f", such as {', '.join(map(_shown, wants[:10]))}" if wants else ""
        what = "column" if self.application.input_type.name == "dataframe" else "array"
        return f"{name} takes one input tensor for each {what}, with n rows in each{such}."

    def described_inputs(self) -> list[dict[str, Any]]:
        """The application's inputs as the protocol's metadata has them."""
        return [
            {"name": name, "datatype": NAMES.get(dtype, "BYTES"), "shape": list(shape)}
            for name, dtype, shape in self._inputs.described(self._version)
        ]

    def described_outputs(self) -> dict[str, tuple[str, list[int]]]:
        """Datatype and shape, by name."""
        return describe_outputs(self.application.outputs(self._version))

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        form: Form = request.form
        if (response := self._encode_quickly(form, answers)) is not None:
            return response
        try:
            about, parameters, outputs = self.answered(request, answers)
        except BadRequest as error:
            return self.refuse(400, "", str(error))
        said, data = [], []
        for described, tensor in outputs:
            found = None if form.is_binary(described["name"]) else elements(tensor)
            if found is None:
                said.append({**described, "parameters": {"binary_data_size": len(tensor.data)}})
                data.append(tensor.data)
            else:
                said.append({**described, "data": found})
        text = msgspec.json.encode({**about, "parameters": parameters, "outputs": said})
        marks = marks_of({answer.fault.reason for answer in answers if answer.fault is not None})
        if not data:
            return Response(200, [JSON, *marks], text)
        length = _HEADER_LENGTH, b"%d" % len(text)
        return Response(200, [_BINARY, length, *marks], b"".join((text, *data)))

    def _encode_quickly(self, form: Form, answers: Sequence[Answer]) -> Response | None:
        name = self.application.spec.name
        if form is _PLAIN and len(answers) == 1 and (text := quick.one(name, answers[0])) is not None:
            return Response(200, _JSON, text)
        text = quick.written(name, form, answers)
        return None if text is None else Response(200, _JSON, text)

    def _plainly(self, form: Form, answers: Sequence[Answer]) -> Answered | None:
        """Of answers of which nothing is to be told but their numbers, and all of these; None of others."""
        whole = None if form.outputs else quick.whole(answers)
        if whole is None:
            return None
        ids = {"query_ids": [answer.query_id for answer in answers]}
        described = {"name": OUTPUT, "shape": whole.shape, "datatype": NAMES[whole.dtype]}
        return Answered(self._about(form, answers), ids, [(described, whole)])

    def answered(self, request: Request, answers: Sequence[Answer]) -> Answered:
        """All that is said of them. Raises BadRequest where what is wanted of the outputs is not there."""
        return at_once(self.answered_in_steps(request, answers))

    def answered_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Answered]:
        """The same, for many answers."""
        form: Form = request.form
        if (found := self._plainly(form, answers)) is not None:
            return found
        example = self.application.example(self._version)
        default = as_tensor(default_like(self.application.default_output, example))
        rows = []
        defaults: dict[str, Any] = {}
        for i, answer in enumerate(answers):
            if (fault := answer.fault) is not None:
                defaults[str(i)] = [fault.reason, fault.message]
            rows.append(default if answer.output is None else as_tensor(answer.output))
            yield
        try:
            columns = yield from self._columns(form, rows, len(defaults) < len(answers))
        except ValueError as error:
            raise BadRequest(f"The request does not fit: {error}.") from None
        outputs = []
        for wanted, column in columns:
            tensor = self._of_none(wanted.name) if not column else stacked(column)
            if tensor is None:
                tensor = yield from as_texts(column)
            if wanted.classes:
                tensor = yield from classified(tensor, wanted.classes)
            datatype = NAMES.get(tensor.dtype, "BYTES")
            outputs.append(({"name": wanted.name, "shape": tensor.shape, "datatype": datatype}, tensor))
        parameters: dict[str, Any] = {"query_ids": [answer.query_id for answer in answers]}
        if defaults:
            parameters["defaults"] = defaults
        parameters.update(chosen(answers))
        return Answered(self._about(form, answers), parameters, outputs)

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        form: Form = request.form
        if (response := self._encode_quickly(form, answers)) is not None:
            return response
        try:
            about, parameters, outputs = yield from self.answered_in_steps(request, answers)
        except BadRequest as error:
            return self.refuse(400, "", str(error))
        defaults = parameters.pop("defaults", {})
        reasons = {reason for reason, _ in defaults.values()}
        # In parts, which nobody joins.
        parts = [msgspec.json.encode(about)[:-1], b',"parameters":', msgspec.json.encode(parameters)[:-1]]
        if defaults:
            texts = []
            for i, why in defaults.items():
                texts.append(b'"%b":%b' % (i.encode(), msgspec.json.encode(why)))
                if len(texts) % SMALL == 0:
                    yield
            parts += [b',"defaults":{', *(yield from with_commas(texts)), b"}"]
        parts.append(b'},"outputs":[')
        binary = []
        for i, (described, tensor) in enumerate(outputs):
            data = None if form.is_binary(described["name"]) else (yield from as_json(tensor))
            if data is None:
                described["parameters"] = {"binary_data_size": len(tensor.data)}
                binary.append(bytes(tensor.data))
            parts += [b"," if i else b"", msgspec.json.encode(described)[:-1]]
            parts += [b"}"] if data is None else [b',"data":[', *data, b"]}"]
        parts.append(b"]}")
        if not binary:
            return Response(200, [JSON, *marks_of(reasons)], parts[0], parts[1:])
        length = _HEADER_LENGTH, b"%d" % sum(map(len, parts))
        return Response(200, [_BINARY, length, *marks_of(reasons)], parts[0], [*parts[1:], *binary])

    def _columns(
        self, form: Form, rows: list[Tensor], by_model: bool
    ) -> Steps[list[tuple[Wanted, list[Tensor]]]]:
        """The outputs to be told, with all rows of each.

        Raises ValueError where another one is wanted. A default output has any name, where no model told its
        outputs.
        """
        names = self._names()
        found: dict[str, list[Tensor]] = {name: [] for name in names or ()}
        if rows:
            found = yield from by_name(rows, names or [])
        if found:
            check_wanted(form.outputs, list(found))
            every = form.outputs or [Wanted(name, form.binary) for name in found]
            return [(wanted, found[wanted.name]) for wanted in every]
        if names == [] or (names is None and by_model):
            check_wanted(form.outputs, [])
        wanted = form.outputs[0] if len(form.outputs) == 1 else Wanted(OUTPUT, form.binary)
        return [(wanted, rows)]

    def _of_none(self, name: str) -> Tensor:
        known = self.described_outputs()
        datatype, shape = known[name] if name in known else next(iter(known.values()))
        return Tensor(b"", (0, *(max(0, size) for size in shape[1:])), DATATYPES.get(datatype, "bytes"))

    def _about(self, form: Form, answers: Sequence[Answer]) -> dict[str, Any]:
        about = {"model_name": self.application.spec.name}
        about["model_version"] = answers[0].version if answers else ""
        return about if form.id is None else {**about, "id": form.id}

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, [JSON], msgspec.json.encode({"error": cause}))


def _shown(wants: dict[str, Any]) -> str:
    """A tensor, for a sentence."""
    shape = str(wants["shape"])
    return (
        f'{{"name": "{wants["name"]}", "datatype": "{wants["datatype"]}", "shape": {shape}, "data": [...]}}'
    )


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
