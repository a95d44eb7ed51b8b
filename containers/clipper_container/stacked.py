"""What a model that takes named arrays gets: a dictionary of arrays, in each a row for each input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .coroutines import is_async
from .fields import CODES, TEXT
from .inputs import described
from .named import Named
from .outputs import rows_of
from .signature import Kind
from .wire import Fault

Group = tuple[list[int], dict[str, Any]]
"""The places of inputs that are alike in their shapes, and their arrays."""


class Stacked:
    """Answers batches by `predict`, which takes {"a": an array [count, ...], "b": ...}.

    Numbers come in the signature's dtypes; texts, bytes and other values as arrays of Python's own. Where the
    inputs of a batch have several shapes, `predict` is called once for all that are alike. Without `types` it
    gets the names that its inputs have.
    """

    def __init__(self, predict: Callable[[Any], Any], types: Mapping[str, str] | None) -> None:
        self._predict = predict
        self._kinds = None if types is None else {name: Kind.of(text) for name, text in types.items()}

    @property
    def is_async(self) -> bool:
        return is_async(self._predict)

    def __call__(self, inputs: Named | Sequence[dict[str, Any]]) -> Any:
        count, groups = len(inputs), self.groups(inputs)
        if len(groups) == 1:
            return self._predict(groups[0][1])
        if self.is_async:
            return self._awaited(count, groups)
        return _together(count, groups, [self._predict(arrays) for _, arrays in groups])

    async def _awaited(self, count: int, groups: list[Group]) -> list[Any]:
        return _together(count, groups, [await self._predict(arrays) for _, arrays in groups])

    def groups(self, inputs: Named | Sequence[dict[str, Any]]) -> list[Group]:
        """Raises ValueError where inputs lack arrays of the model, or have others in them."""
        if self._kinds is None:
            return _alike([{name: _guessed(value) for name, value in row.items()} for row in inputs])
        given = inputs.columns if isinstance(inputs, Named) else _transposed(inputs, self._kinds)
        missing = [name for name in self._kinds if name not in given]
        if missing:
            raise ValueError(
                f"an input lacks the array {missing[0]!r}, which this version of the model takes"
            )
        columns = {name: _column(name, kind, given[name]) for name, kind in self._kinds.items()}
        if all(isinstance(found, np.ndarray) for found in columns.values()):
            return [(list(range(len(inputs))), columns)]
        return _alike([{name: found[i] for name, found in columns.items()} for i in range(len(inputs))])


def _alike(rows: list[dict[str, Any]]) -> list[Group]:
    """Those that have the same names, and of each the same shape and type."""
    groups: dict[Any, list[int]] = {}
    for i, row in enumerate(rows):
        form = {
            (name, getattr(value, "shape", ()), getattr(value, "dtype", None)) for name, value in row.items()
        }
        groups.setdefault(frozenset(form), []).append(i)
    return [
        (own, {name: _stack([rows[i][name] for i in own]) for name in rows[own[0]]})
        for own in groups.values()
    ]


def _stack(values: list[Any]) -> np.ndarray[Any, Any]:
    numbers = all(isinstance(value, np.ndarray | np.generic) for value in values)
    return np.stack(values) if numbers else objects(values)


def _transposed(rows: Sequence[dict[str, Any]], names: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names if all(name in row for row in rows)}


def _column(name: str, kind: Kind, values: Any) -> Any:
    if kind.base in CODES:
        dtype = np.dtype(kind.base)
        whole = isinstance(values, np.ndarray)
        arrays = [np.ascontiguousarray(values)] if whole else [_guessed(value) for value in values]
        if any(array.ndim != len(kind.shape) + whole for array in arrays):
            raise ValueError(f"the array {name!r} is to be {kind}, and has other dimensions")
        arrays = [_as(name, array, dtype) for array in arrays]
        return arrays[0] if whole else _joined(arrays)
    if kind.base == TEXT and kind.shape:
        return _joined([np.array(value, object) for value in values])
    return objects(values)


def _as(name: str, found: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if found.dtype == dtype:
        return found
    try:
        return found.astype(dtype, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise ValueError(f"the array {name!r} is to hold {dtype}: {error}") from None


def _guessed(value: Any) -> np.ndarray[Any, Any]:
    """A value as JSON has it, as an array: of numbers, or of Python's own."""
    if isinstance(value, dict) and value.keys() == {"dtype", "shape", "data"}:
        tensor = described(value)
        return np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape)
    if isinstance(value, list | np.ndarray | np.generic | int | float):
        try:
            found = np.asarray(value)
            if found.dtype.kind == "O":  # null stands for a number that is not there
                found = np.asarray(value, np.float64)
            if found.dtype.kind in "biuf":
                return found
            if found.dtype.kind == "U":
                return np.array(value, object)
        except (TypeError, ValueError, OverflowError):  # rows of several lengths, or of other values
            pass
    return objects([value]).reshape(())


def _joined(arrays: list[np.ndarray[Any, Any]]) -> Any:
    """One array of all of them, where they have one shape; else as they are."""
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays


def objects(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """An array of Python's own values, however much those look like arrays."""
    found = np.empty(len(values), object)
    for i, value in enumerate(values):
        found[i] = value
    return found


def _together(count: int, groups: list[Group], answers: list[Any]) -> list[Any]:
    """The outputs of all groups, each in its input's place."""
    outputs: list[Any] = [None] * count
    for (places, _), answer in zip(groups, answers, strict=True):
        found = rows_of(answer, len(places))
        for i, place in enumerate(places):
            outputs[place] = found if isinstance(found, Fault) else found[i]
    return outputs
