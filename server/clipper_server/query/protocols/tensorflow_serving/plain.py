"""Inputs of one tensor, by the name of `input`: of all input types but those that are made of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipper_container.inputs import INPUT_TYPES, InputType
from clipper_container.tensors import Tensor

from ...limits import Limits
from ..tensors import rows_of, text_of
from . import reading, tensors
from .reading import from_base64, is_base64, mistyped
from .refusals import Refused
from .signatures import INPUT

_NDARRAY = INPUT_TYPES["ndarray"].encode


class Plain:
    """Makes inputs of what an application of that type is asked."""

    def __init__(self, kind: InputType, limits: Limits) -> None:
        self._kind = kind
        self._limits = limits
        self._is_json = kind.dtype == "json"
        self._is_text = kind.dtype in ("str", "bytes", "json")
        self._wanted = tensors.TYPES[kind.dtype][1] if kind.dtype in tensors.TYPES else tensors.STRING

    def of_rows(self, instances: Sequence[Any]) -> list[Tensor]:
        """An input for each. Raises Refused."""
        if not self._is_json:
            first = instances[0]
            instances = [self._value(i, element, first) for i, element in enumerate(instances)]
        return self._inputs(instances, by_rows=True)

    @staticmethod
    def _value(i: int, element: Any, first: Any) -> Any:
        """An element, which may name it."""
        named = _is_object(element)
        if named != _is_object(first):
            raise Refused(
                f"Expecting value/list but got object at item {i} of input list"
                if named
                else f"Expecting object but got list at item {i} of input list"
            )
        if not named:
            return element
        if element.keys() != {INPUT}:
            raise Refused(
                f"Failed to process element: {i} of 'instances' list. JSON object: {reading.shown(element)} "
                f"keys must be equal to: {INPUT}"
            )
        return element[INPUT]

    def of_columns(self, value: Any) -> list[Tensor]:
        """An input for each along the first dimension. Raises Refused."""
        if _is_object(value):
            if INPUT not in value:
                raise Refused(f"Missing named input: {INPUT} in 'inputs' object.")
            value = value[INPUT]
        if not isinstance(value, list):
            if not self._is_text:
                raise Refused(f"{reading.shown(value)} is no list, and its first dimension counts the inputs")
            value = [value]
        return self._inputs(value, by_rows=False)

    def of_protos(self, protos: Mapping[str, Any]) -> list[Tensor]:
        """An input for each along the first dimension. Raises Refused."""
        if protos.keys() != {INPUT}:
            raise Refused(_not_these(protos.keys(), [INPUT]))
        proto = protos[INPUT]
        if self._is_text:
            if proto.dtype != tensors.DT_STRING:
                raise Refused(f"Expects arg[0] to be string but {_name(proto.dtype)} is provided")
            texts, shape = tensors.strings(proto, self._limits)
            if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
                raise Refused(f"The input has the shape {list(shape)[:32]}, and it is to be [n]")
            return [self._from_text(text) for text in texts]
        whole = tensors.numbers(proto, self._limits)
        kind = self._kind.dtype
        if kind and len(whole.shape) == 1:
            whole = whole._replace(shape=(*whole.shape, 1))
        if kind and not _may_be(whole.dtype, kind):
            wanted, given = tensors.TYPES[kind][1], tensors.TYPES[whole.dtype][1]
            raise Refused(f"Expects arg[0] to be {wanted} but {given} is provided")
        try:
            return rows_of(whole, kind)
        except ValueError as error:
            raise Refused(f"The input does not fit: {error}") from None

    def of_examples(self, examples: Sequence[Mapping[str, list[Any]]]) -> list[Tensor]:
        """Of examples with one feature each, whatever its name is. Raises Refused."""
        for i, example in enumerate(examples):
            if len(example) != 1:
                raise Refused(f"Example {i} has {len(example)} features, and the signature has one input")
        values = [next(iter(example.values())) for example in examples]
        if self._is_json:
            values = [value[0] if len(value) == 1 else value for value in values]
        return self._inputs(values, by_rows=True)

    def _inputs(self, values: Sequence[Any], by_rows: bool) -> list[Tensor]:
        self._limits.check_inputs(len(values))
        if self._is_json:
            try:
                return [self._kind.encode(value) for value in values]
            except (ValueError, RecursionError) as error:
                raise Refused(f"The input does not fit: {error}") from None
        if self._is_text:
            return [self._text(value) for value in values]
        if not values:
            return []
        if not self._kind.dtype:
            return _arrays(values, by_rows)
        return self._lists(values, by_rows)

    def _lists(self, values: Sequence[Any], by_rows: bool) -> list[Tensor]:
        """Of lists of numbers of one length, or of numbers by themselves."""
        flat: list[Any] = []
        shape = _checked(values, by_rows, flat)
        if len(shape) > 1:
            raise Refused(f"The input has the shape {[len(values), *shape]}, and it is to be [n, m]")
        dtype = np.dtype(self._kind.dtype)
        good = {int, float} if dtype.kind == "f" else {int}
        if not good.issuperset(map(type, flat)):
            raise mistyped(next(value for value in flat if type(value) not in good), self._wanted)
        if dtype.kind == "i":
            bounds = np.iinfo(dtype)
            wrong = next((value for value in flat if not bounds.min <= value <= bounds.max), None)
            if wrong is not None:
                raise mistyped(wrong, self._wanted)
            found = np.array(flat, dtype)
        else:
            found = _floats(flat, dtype, self._wanted)
        size = shape[0] if shape else 1
        view = memoryview(found.tobytes())
        step = size * dtype.itemsize
        return [Tensor(view[i * step : (i + 1) * step], (size,), dtype.str) for i in range(len(values))]

    def _text(self, value: Any) -> Tensor:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if is_base64(value):
            return self._from_text(from_base64(value))
        if not isinstance(value, str):
            raise mistyped(value, tensors.STRING)
        return self._from_text(value.encode())

    def _from_text(self, text: bytes) -> Tensor:
        try:
            return text_of(text, self._kind.dtype)
        except ValueError as error:
            raise Refused(f"The input does not fit: {error}") from None


def _is_object(value: Any) -> bool:
    return type(value) is dict and not is_base64(value)


def _arrays(values: Sequence[Any], by_rows: bool) -> list[Tensor]:
    """Arrays of one shape, of the type that all numbers have in common."""
    try:
        return rows_of(_NDARRAY(values), "")
    except (ValueError, RecursionError) as error:
        flat: list[Any] = []
        _checked(values, by_rows, flat)
        wrong = next((value for value in flat if type(value) not in (int, float)), None)
        if wrong is not None:
            raise mistyped(wrong, "float") from None
        raise Refused(f"The input does not fit: {error}") from None


def _checked(values: Sequence[Any], by_rows: bool, flat: list[Any]) -> list[int]:
    """The shape that all values have. What they hold is added to `flat`. Raises Refused."""
    if not by_rows:
        whole = _shape(values)
        _flatten(values, whole, 0, flat)
        return whole[1:]
    first: list[int] = []
    for i, value in enumerate(values):
        shape = _shape(value)
        try:
            before = len(flat)
            _flatten(value, shape, 0, flat)
            if not i:
                first = shape
                size = len(flat)
            elif len(flat) - before != size:
                raise Refused(f"Expecting tensor size: {size} but got: {len(flat) - before}")
            elif shape != first:
                raise Refused(f"Expecting shape {_told(first)} but got: {_told(shape)}")
        except Refused as error:
            raise Refused(
                f"Failed to process element: {i} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
            ) from None
    return first


def _shape(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _flatten(value: Any, shape: list[int], level: int, flat: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise Refused(
                f"JSON Value: {reading.shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        flat.append(value)
        return
    if level >= len(shape):
        raise Refused(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise Refused(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for each in value:
        _flatten(each, shape, level + 1, flat)


def _told(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _floats(flat: list[Any], dtype: np.dtype[Any], wanted: str) -> np.ndarray[Any, Any]:
    try:
        doubles = np.array(flat, "<f8")
        with np.errstate(over="ignore", invalid="ignore"):
            found = doubles.astype(dtype, copy=False)
        wrong = np.isinf(found) & np.isfinite(doubles)
    except OverflowError:
        wrong = np.array([isinstance(value, int) and abs(value) > 2**1000 for value in flat])
    if wrong.any():
        value = flat[int(wrong.argmax())]
        raise Refused(f"Cannot convert JSON value: {str(value)[:50]} to {wanted} without loss of precision.")
    return found


def _may_be(given: str, wanted: str) -> bool:
    """Floats are not taken for whole numbers, nor truth for numbers."""
    kinds = {"f": "iuf", "i": "iu"}
    return given == wanted or np.dtype(given).kind in kinds.get(np.dtype(wanted).kind, "")


def _name(dtype: int) -> str:
    return tensors.TYPES[tensors.DTYPES[dtype]][1] if dtype in tensors.DTYPES else f"type {dtype}"


def _not_these(given: Any, wanted: Sequence[str]) -> str:
    extra, missing = sorted(set(given) - set(wanted)), sorted(set(wanted) - set(given))
    return (
        f"input size does not match signature: {len(given)}!={len(wanted)}. Sent extra: "
        f"{{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
    )
