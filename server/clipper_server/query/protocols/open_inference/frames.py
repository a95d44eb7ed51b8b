"""Data frames as named tensors: one for each column, and in each a value for each row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from clipper_container.columns import ANY, CODES, TEXT
from clipper_container.errors import TooLarge
from clipper_container.inputs import Tensor, sized_tensor

from ...application import Application
from ...limits import DEFAULT, Limits
from ..frames import Frames
from . import OpenInferenceProtocol
from .bodies import Input
from .inputs import array, binary_size, converted, strings
from .tensors import DATATYPES, NAMES, split

MAX_CELLS = 50_000  # that are written one by one: texts, and what may be any


class FramesOverOpenInference(OpenInferenceProtocol):
    def __init__(self, application: Application, version: str | None, limits: Limits = DEFAULT) -> None:
        super().__init__(application, version, limits)
        self._frames = Frames(application, limits)

    def _bare(self, body: memoryview) -> list[Tensor]:
        raise ValueError("bytes alone do not name their columns")

    def _tensors(self, inputs: list[Input], rest: memoryview) -> list[Tensor]:
        sizes = [binary_size(given) for given in inputs]
        if sum(sizes) != len(rest):
            raise ValueError(
                f"{len(rest)} bytes follow the JSON, and the inputs' binary_data_size are {sum(sizes)}"
            )
        shapes = {tuple(given.shape) for given in inputs}
        counts = {shape[0] for shape in shapes if len(shape) == 1 or shape[1:] == (1,)}
        if len({given.name for given in inputs}) != len(inputs):
            raise ValueError("two inputs have one name")
        if len(counts) != 1 or not all(len(shape) == 1 or shape[1:] == (1,) for shape in shapes):
            raise ValueError(
                "the inputs are columns, and each has the shape [n] or [n, 1], with one n for all"
            )
        count = counts.pop()
        self.limits.check_inputs(count)
        columns = self._frames.columns(self._version)
        written = len(inputs) if columns is None else columns.texts
        if count * written > MAX_CELLS:
            raise TooLarge(
                f"The request has {count} rows of {written} columns of text; {MAX_CELLS} such values are the "
                "most. Send them in several requests."
            )
        types = {} if columns is None else columns.types
        found = {}
        start = 0
        for given, size in zip(inputs, sizes, strict=True):
            data = rest[start : (start := start + size)]
            found[given.name] = _values(given, data, types.get(given.name, ANY), count)
        return self._frames.of_columns(found, count, self._version)

    def _expected(self) -> str:
        tensors = ", ".join(
            f'{{"name": "{wants["name"]}", "datatype": "{wants["datatype"]}", "shape": [n], "data": [...]}}'
            for wants in self.described_inputs()[:10]
        )
        such = f", such as {tensors}" if tensors else ""
        return f"{self.application.spec.name} takes one input tensor a column, with n rows in each{such}."

    def described_inputs(self) -> list[dict[str, Any]]:
        columns = self._frames.columns(self._version)
        if columns is None:
            return []
        return [
            {"name": name, "datatype": _datatype(kind), "shape": [-1]} for name, kind in columns.types.items()
        ]


def _datatype(kind: str) -> str:
    if kind == TEXT:
        return "BYTES"
    return NAMES[CODES[kind]] if kind in CODES else "FP64"  # as most columns are, of which nobody told


def _values(given: Input, data: memoryview, kind: str, count: int) -> Sequence[Any] | np.ndarray[Any, Any]:
    """The column's values, as `columns.Columns` takes them."""
    datatype = given.datatype
    if (datatype == "BYTES") != (kind == TEXT) and kind != ANY:
        raise ValueError(f"the column {given.name!r} is of {_datatype(kind)}, and is sent as {datatype}")
    if datatype == "BYTES":
        texts = (
            strings(given.data, given.shape)
            if given.data is not None
            else list(islice(split(data), count + 1))
        )
        if len(texts) != count:
            raise ValueError(f"the column {given.name!r} has not {count} elements, as its shape says")
        try:
            return [text.decode() for text in texts]
        except UnicodeDecodeError:
            raise ValueError(f"an element of the column {given.name!r} is not UTF-8 text") from None
    dtype = np.dtype(DATATYPES[datatype])
    if given.data is not None:
        found = array(given.data, given.shape, datatype).reshape(-1)
    else:
        found = np.frombuffer(sized_tensor(data, (count,), dtype.str).data, dtype)
        if dtype.kind == "b" and found.view("u1").max(initial=0) > 1:
            raise ValueError("a BOOL is one byte, 0 or 1")
    if kind != ANY:
        try:
            return converted(found, np.dtype(kind))
        except ValueError as error:
            raise ValueError(f"the column {given.name!r} does not fit: {error}") from None
    if dtype.kind == "f" and np.isinf(found).any():
        raise ValueError(
            f"the column {given.name!r} has an infinity, which needs a model that tells its types"
        )
    values: list[Any] = found.tolist()
    return values
