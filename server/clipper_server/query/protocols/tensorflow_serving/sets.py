"""Inputs of several names: rows of data frames, of which each column is a tensor, or sets of named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipper_container.tensors import Tensor

from ...application import Application
from ...limits import Limits
from ..sets import Sets
from ..tensors import Tensors, Whole
from . import reading, tensors
from .reading import from_base64, is_base64
from .refusals import Refused


class OfSets:
    """Makes inputs that have names, of what is asked of one version, or of the current one."""

    def __init__(self, application: Application, limits: Limits, version: str | None) -> None:
        self.sets = Sets(application, limits)
        self._tensors = Tensors(application, limits)
        self._limits = limits
        self._are_frames = application.input_type.name == "dataframe"
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
        lengths = {len(each) if isinstance(each, list) else -1 for each in value.values()}
        if len(lengths) != 1 or -1 in lengths:
            raise Refused(
                "The inputs do not fit: they are not lists of one length, with an element for each row"
            )
        self._limits.check_inputs(lengths.pop())
        rows = zip(*value.values(), strict=True)
        return self._rows([dict(zip(value, row, strict=True)) for row in rows])

    def of_protos(self, protos: Mapping[str, Any]) -> list[Tensor]:
        """An input for each row. Raises Refused."""
        limits, found = self._limits, {}
        try:
            self.sets.of_columns(dict.fromkeys(protos, ()), 0, self._version)  # the names alone
            for name, proto in protos.items():
                found[name], size = _whole(proto, limits)
                limits = limits._replace(body=limits.body - size)  # what one takes, the others have not
            return self._tensors.inputs(found, self._version)
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
        fields = self.sets.fields(self._version)
        return None if fields is None else fields.types

    def _rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        cell = _cell if self._are_frames else _plain
        try:
            return self.sets.of_rows([{k: cell(v) for k, v in row.items()} for row in rows], self._version)
        except ValueError as error:
            raise Refused(f"The inputs do not fit: {error}") from None


def _whole(proto: Any, limits: Limits) -> tuple[Whole, int]:
    """With its size in bytes."""
    if proto.dtype == tensors.DT_STRING:
        texts, shape = tensors.strings(proto, limits)
        return Whole("bytes", shape, texts), sum(map(len, texts))
    data, shape, dtype = tensors.numbers(proto, limits)
    return Whole(dtype, shape, data), len(data)


def _is_object(value: Any) -> bool:
    return type(value) is dict and not is_base64(value)


def _cell(value: Any) -> Any:
    """A value of a row; those of TensorFlow's models are often lists of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return from_base64(value).decode() if is_base64(value) else value


def _plain(value: Any) -> Any:
    return from_base64(value).decode() if is_base64(value) else value
