"""What an example input tells of the columns of data frames, and of the arrays of a signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import signature
from .articles import type_of
from .columns import PLAIN, check
from .errors import BadRequest
from .fields import ANY, CODES, MOST, TEXT
from .inputs import as_described, to_json
from .signature import BYTES, Kind

LISTED = 64  # numbers of an array that people may want to read


def of_model(
    names: Sequence[str] | Mapping[str, str] | None, example: object | None
) -> tuple[dict[str, str] | None, dict[str, Any] | None]:
    """The columns of a model that knows their `names`, or of its example; and the example as JSON has it.

    Where the model knows what each column holds, too, the example does not tell it. Raises BadRequest, also
    where the example lacks one.
    """
    known = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names or (), ANY)
    if names is not None:
        check(known)
    if example is None:
        return None if names is None else known, None
    columns, row = described(example)
    if names is None:
        return columns, row
    missing = [name for name in names if name not in columns]
    if missing:
        raise BadRequest(
            f"The example input lacks the column {missing[0]!r}, which the model was fitted with. Give a row "
            "of the data that it was fitted on."
        )
    types = known if isinstance(names, Mapping) else {name: columns[name] for name in names}
    return types, {name: row[name] for name in names}


def described(example: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The columns of an example, and its first row as JSON has it.

    It is a pandas DataFrame, a Series with names, or a dictionary, in which each number may have a fraction.
    Raises BadRequest.
    """
    if hasattr(example, "columns") and hasattr(example, "iloc"):
        if not len(example):
            raise BadRequest("The example input is a table without rows. Give one that has a row.")
        row = {name: example[name].iloc[0] for name in example.columns}
        columns = {name: _type_of(example[name]) for name in example.columns}
    elif hasattr(example, "to_dict") or isinstance(example, dict):
        row = example if isinstance(example, dict) else example.to_dict()
        columns = {name: _loosely(value) for name, value in row.items()}
    else:
        raise BadRequest(
            f"The example input is {type_of(example)}, and inputs are rows of a data frame. Give a "
            "DataFrame with a row, or a dictionary with a value for each column."
        )
    for name in row:
        if not isinstance(name, str):
            raise BadRequest(f"A column has the name {name!r}, and names are texts. Rename the columns.")
    check(columns)
    return columns, {name: _value(value) for name, value in row.items()}


def of_arrays(example: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The signature that an example input tells, and the example as JSON has it.

    It is a dictionary of arrays, lists, numbers, texts or bytes. Each keeps its type and its number of
    dimensions, which may be of any size. Raises BadRequest.
    """
    if not isinstance(example, dict):
        raise BadRequest(
            f"The example input is {type_of(example)}, and inputs are named arrays. Give a "
            "dictionary of one input's, without the batch's dimension: {'ids': np.array([3, 7])}."
        )
    types: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, value in example.items():
        if not isinstance(name, str):
            raise BadRequest(f"An array has the name {name!r}, and names are texts. Rename the arrays.")
        types[name], found[name] = _array(name, value)
    signature.check(types)
    return types, found


def of_signature(
    types: Mapping[str, str], example: object | None
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The arrays of a model that knows them, and the example as JSON has it. Raises BadRequest."""
    signature.check(types)
    found = None if example is None else of_arrays(example)[1]
    return dict(types), found


def _array(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, bytes | bytearray):
        return BYTES, to_json("bytes", value)
    array = as_array(value)
    free = (-1,) * array.ndim
    if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
        return str(Kind(array.dtype.newbyteorder("=").name, free)), written(value)
    if array.dtype.kind in "OU" and all(isinstance(each, str) for each in array.ravel()):
        return str(Kind(TEXT, free)), array.tolist()
    return ANY, to_json("json", value)


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """Of a tensor, a series, a list, or a single value. What is none is an object."""
    if hasattr(value, "detach"):  # a tensor of torch
        value = value.detach().cpu().numpy()
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    try:
        return np.asarray(value)
    except ValueError:  # rows of several lengths
        found = np.empty((), object)
        found[()] = value
        return found


def written(value: Any) -> Any:
    """A named array as JSON has it: as people read it where it is small, else as its bytes."""
    if isinstance(value, str | int | float | None):
        return to_json("json", value)
    if isinstance(value, bytes | bytearray):
        return to_json("bytes", value)
    array = as_array(value)
    if array.dtype.kind not in "biuf":
        return to_json("json", array if isinstance(value, np.ndarray) else value)
    told = array.size or array.ndim < 2  # lists of nothing do not tell their shape
    if isinstance(value, list | tuple) or (told and array.size <= LISTED and not np.isinf(array).any()):
        return to_json("json", array)
    return to_json("json", as_described(array))


def _type_of(series: Any) -> str:
    """What a column of pandas holds."""
    name, kind = str(series.dtype), getattr(series.dtype, "kind", "O")
    if name in CODES:
        return name
    if kind in "iub":  # pandas' own Int64 and boolean have holes
        return ANY
    if kind not in "OUST":
        return "float64" if kind == "f" else name
    values = series.tolist()[:MOST]
    found = {_loosely(value) for value in values if not is_missing(value)}
    if len(found) != 1 or (found == {"bool"} and any(map(is_missing, values))):
        return ANY
    return found.pop()


def is_missing(value: Any) -> bool:
    """Whether it stands for a value that is not there, as pandas has them."""
    is_nan = isinstance(value, float | np.floating) and value != value
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _loosely(value: Any) -> str:
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool | np.bool_):
        return "bool"
    return "float64" if isinstance(value, int | float | np.number) else ANY


def _value(value: Any) -> Any:
    if is_missing(value):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return value if type(value) in PLAIN else str(value)
