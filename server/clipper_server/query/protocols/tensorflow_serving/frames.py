"""Inputs of several names: rows of data frames, of which each column is a tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipper_container.columns import ANY, CODES, TEXT
from clipper_container.errors import TooLarge
from clipper_container.inputs import Tensor

from ..frames import Frames
from ..open_inference.frames import MAX_CELLS
from ..open_inference.inputs import converted
from . import reading, tensors
from .reading import from_base64, is_base64
from .refusals import Refused


class OfFrames:
    """Makes inputs of what an application of data frames is asked, for one version or the current one."""

    def __init__(self, frames: Frames, version: str | None) -> None:
        self._frames = frames
        self._version = version

    def of_rows(self, instances: Sequence[Any]) -> list[Tensor]:
        """An input for each. Raises Refused."""
        types = self._types()
        if types is not None and len(types) > 1 and not isinstance(instances[0], dict):
            raise Refused(
                "instances is a plain list, but expecting list of objects as multiple input tensors required "
                "as per tensorinfo_map"
            )
        if types is not None and len(types) == 1 and not _is_object(instances[0]):
            (name,) = types
            return self._rows([{name: element} for element in instances])
        names = None if types is None else types.keys()
        for i, element in enumerate(instances):
            if not _is_object(element):
                raise Refused(f"Expecting object but got list at item {i} of input list")
            if names is not None and element.keys() != names:
                raise Refused(
                    f"Failed to process element: {i} of 'instances' list. JSON object: "
                    f"{reading.shown(element)} keys must be equal to: {','.join(sorted(names))}"
                )
        return self._rows(instances)

    def of_columns(self, value: Any) -> list[Tensor]:
        """An input for each row. Raises Refused."""
        types = self._types()
        if not _is_object(value):
            if types is None or len(types) != 1:
                raise Refused(
                    "inputs is a plain value/list, but expecting an object as multiple input tensors "
                    "required as per tensorinfo_map"
                )
            value = {next(iter(types)): value}
        if types is not None:
            for name in types:
                if name not in value:
                    raise Refused(f"Missing named input: {name} in 'inputs' object.")
            value = {name: value[name] for name in types}
        try:
            return self._frames.of_json({name: _cells(cells) for name, cells in value.items()}, self._version)
        except ValueError as error:
            raise Refused(f"The inputs do not fit: {error}") from None

    def of_protos(self, protos: Mapping[str, Any]) -> list[Tensor]:
        """An input for each row. Raises Refused."""
        types = self._types() or {}
        limits = self._frames.limits
        found: dict[str, Any] = {}
        counts = set()
        for name, proto in protos.items():
            shape = tensors.shape_of(proto)
            if len(shape) != 1 and shape[1:] != (1,):
                raise Refused(f"The input {name} has the shape {list(shape)[:32]}, and it is to be [n]")
            limits.check_inputs(shape[0])
            counts.add(shape[0])
        if len(counts) != 1:
            raise Refused(f"The inputs have {sorted(counts)[:10]} rows, and all are to have as many")
        count = counts.pop()
        written = sum(types.get(name, ANY) not in CODES for name in protos)
        if count * written > MAX_CELLS:
            raise TooLarge(
                f"The request has {count} rows of {written} columns of text; {MAX_CELLS} such values are the "
                "most. Send them in several requests."
            )
        try:
            for name, proto in protos.items():
                found[name] = self._values(proto, types.get(name, ANY))
            return self._frames.of_columns(found, count, self._version)
        except ValueError as error:
            raise Refused(f"The inputs do not fit: {error}") from None

    def of_examples(self, examples: Sequence[Mapping[str, list[Any]]]) -> list[Tensor]:
        """An input for each. Raises Refused."""
        rows = [
            {name: values[0] if len(values) == 1 else values for name, values in each.items()}
            for each in examples
        ]
        return self._rows(rows)

    def _types(self) -> Mapping[str, str] | None:
        columns = self._frames.columns(self._version)
        return None if columns is None else columns.types

    def _rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        try:
            return self._frames.of_rows(
                [{k: _cell(v) for k, v in row.items()} for row in rows], self._version
            )
        except ValueError as error:
            raise Refused(f"The inputs do not fit: {error}") from None

    def _values(self, proto: Any, kind: str) -> Any:
        if proto.dtype == tensors.DT_STRING:
            if kind not in (TEXT, ANY):
                raise ValueError("a column of numbers is sent as string")
            texts, _ = tensors.strings(proto, self._frames.limits)
            return [text.decode() for text in texts]
        whole = tensors.numbers(proto, self._frames.limits.body)
        found = np.frombuffer(whole.data, whole.dtype)
        if kind == TEXT:
            raise ValueError(f"a column of text is sent as {found.dtype}")
        if kind in CODES:
            return converted(found, np.dtype(CODES[kind]))
        return found.tolist()


def _is_object(value: Any) -> bool:
    return type(value) is dict and not is_base64(value)


def _cells(values: Any) -> Any:
    return list(map(_cell, values)) if isinstance(values, list) else values


def _cell(value: Any) -> Any:
    """A value of a row; those of TensorFlow's models are often lists of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return from_base64(value).decode() if is_base64(value) else value
