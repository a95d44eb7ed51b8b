"""An application, or one version of its model, as TensorFlow Serving's clients see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import numpy as np

from clipper_container.inputs import SETS
from clipper_container.tensors import Tensor, array_tensor

from ...application import Application
from ...examples import default_like
from ...limits import Limits
from ...request import Answer, Request
from ...task import Output
from .. import Headers, may_be_cached, timeout_s, unit
from ..contexts import context
from ..json_body import Body
from ..tensors import Tensors
from . import examples, reading, signatures, tensors
from .plain import Plain
from .refusals import Refused
from .sets import OfSets
from .signatures import Entry

NAME = "tensorflow-serving"
ROWS, COLUMNS = "instances", "inputs"
_FLOATS = ("<f2", "<f4", "<f8")
_DEEP = "The JSON is nested too deeply: send lists of as many levels as the model's inputs have"
_BOTH = f"Not formatted correctly expecting only one of '{COLUMNS}' or '{ROWS}' keys to exist"


class Inputs(Protocol):
    """Makes inputs of what is asked."""

    def of_rows(self, instances: Sequence[Any]) -> list[Tensor]: ...

    def of_columns(self, value: Any) -> list[Tensor]: ...

    def of_protos(self, protos: Mapping[str, Any]) -> list[Tensor]: ...

    def of_examples(self, examples: Sequence[Mapping[str, list[Any]]]) -> list[Tensor]: ...


class Model:
    def __init__(self, application: Application, version: str | None, limits: Limits) -> None:
        self.application = application
        self.version = version
        self.limits = limits
        self._kind = kind = application.input_type
        has_names = kind.name in SETS
        self.inputs: Inputs = OfSets(application, limits, version) if has_names else Plain(kind, limits)
        self._quickly = _decoder(kind.name) if kind.name in _QUICK else None

    def predict(self, headers: Headers, body: Body) -> Request:
        """The request for what is in the body. Raises Refused, or TooLarge."""
        try:
            form, tensors = self._rows_as_most_are(body) or self._read(body)
        except RecursionError:
            raise Refused(_DEEP) from None
        return self.request(headers, form, tensors)

    def examples(self, headers: Headers, body: Body, form: str) -> Request:
        """The request to classify, or to regress, what is in the body. Raises Refused, or TooLarge."""
        try:
            asked = reading.read(body)
            signatures.check(reading.signature_name(asked))
            tensors = self.inputs.of_examples(examples.of_json(asked, self.limits))
        except RecursionError:
            raise Refused(_DEEP) from None
        return self.request(headers, form, tensors)

    def _rows_as_most_are(self, body: Body) -> tuple[str, list[Tensor]] | None:
        """None of what is anything but rows of one length, all of the kind that they should be."""
        if self._quickly is None:
            return None
        try:
            found = self._quickly(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        rows = found.instances
        if (
            not rows
            or found.inputs is not msgspec.UNSET
            or found.signature_name not in ("", signatures.DEFAULT)
        ):
            return None
        self.limits.check_inputs(len(rows))
        encode, kinds = self._kind.encode, {*map(type, rows)}
        try:
            if len(rows) == 1 and rows[0].__class__ is list:
                return ROWS, [encode(rows[0])]
            if kinds == {list}:
                alike = len({*map(len, rows)}) == 1
                return (ROWS, self._kind.encode_all(rows)) if alike else None
            if list in kinds:
                return None
            return ROWS, [encode(row if row.__class__ is str else [row]) for row in rows]
        except ValueError:
            return None

    def _read(self, body: Body) -> tuple[str, list[Tensor]]:
        asked = reading.read(body)
        signatures.check(reading.signature_name(asked))
        if ROWS in asked and COLUMNS in asked:
            raise Refused(f"JSON Value: {reading.shown(asked)} {_BOTH}")
        if ROWS in asked:
            instances = asked[ROWS]
            if not isinstance(instances, list):
                raise Refused(f"JSON Value: {reading.shown(asked)} Expecting '{ROWS}' to be an list/array")
            if not instances:
                raise Refused(f"JSON Value: {reading.shown(asked)} No values in '{ROWS}' array")
            self.limits.check_inputs(len(instances))
            return ROWS, self.inputs.of_rows(instances)
        if COLUMNS in asked:
            return COLUMNS, self.inputs.of_columns(asked[COLUMNS])
        raise Refused(f"Missing '{COLUMNS}' or '{ROWS}' key")

    def request(self, headers: Headers, form: Any, tensors: list[Tensor]) -> Request:
        application = self.application
        whom = unit(headers, None) if application.asks_for_units else None
        such = context(application, headers, None, self.version)
        timeout = timeout_s(headers, None)
        return Request(NAME, tensors, self.version, timeout, may_be_cached(headers), True, form, whom, *such)

    def described_inputs(self) -> dict[str, Entry]:
        if self._kind.name in SETS:
            return signatures.of_sets(Tensors(self.application, self.limits).described(self.version))
        return signatures.input_of(self._kind)

    def described_outputs(self) -> dict[str, Entry]:
        return signatures.outputs_of(self.application.outputs(self.version))

    def default(self) -> bytes:
        """The default output: a number with a point, where the model's outputs have one."""
        text = default_like(self.application.default_output, self.application.example(self.version))
        outputs = self.described_outputs()
        if len(outputs) == 1 and outputs.get(signatures.OUTPUT, Entry("", None)).dtype in _FLOATS:
            value = msgspec.json.decode(text)
            if type(value) is int and abs(value) < 1 << 53:
                return msgspec.json.encode(float(value))
        return text

    def default_tensor(self) -> Output:
        """The default output as a tensor of the model's type and shape, where it is a number: in one tensor
        with the others there is room for nothing else.
        """
        value = msgspec.json.decode(self.default())
        dtype, shape = self.described_outputs().get(signatures.OUTPUT, Entry("", None))
        if shape is None or dtype not in tensors.TYPES or not _fits(value, np.dtype(dtype)):
            return self.application.default_output
        return array_tensor(np.full(shape[1:], value, dtype))

    def version_of(self, answers: Sequence[Answer]) -> str:
        """Of the model that answered, or the one that is current."""
        found = next((answer.version for answer in answers if answer.version), self.version)
        if found is not None:
            return found
        return next((queue.spec.version for queue in self.application.queues()), "")


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return type(value) in (int, float) and abs(value) <= float(np.finfo(dtype).max)
    return dtype.kind in "iu" and type(value) is int and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


_QUICK: dict[str, Any] = {"integers": int, "floats": float, "doubles": float, "strings": str}


@lru_cache
def _decoder(kind: str) -> Callable[[Body], Any]:
    one = _QUICK[kind]
    rows: Any = list[str] if one is str else list[list[one] | one]  # type: ignore[valid-type]
    request: Any = msgspec.defstruct(
        "Rows",
        [
            ("instances", rows),
            ("inputs", Any, msgspec.UNSET),
            ("signature_name", str, ""),
        ],
    )
    return msgspec.json.Decoder(request).decode
