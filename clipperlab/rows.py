"""Inputs, as people have them: arrays, series, tables, rows of those, tensors and lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from clipper_container import inputs
from clipper_container.articles import type_of
from clipper_container.errors import BadRequest
from clipper_container.examples import is_missing, written

# How many dimensions one input has. Of JSON and of arrays it may have any.
_DIMENSIONS = {"integers": 1, "floats": 1, "doubles": 1, "bytes": 0, "strings": 0}


def rows(values: Any) -> Sequence[Any]:
    """The rows of a dataframe, an array or any iterable, as plain lists and numbers."""
    values = values.to_numpy() if hasattr(values, "to_numpy") else values
    if hasattr(values, "tolist"):
        found: list[Any] = values.tolist()
        return found
    several: Iterable[Any] = values
    return [value.tolist() if hasattr(value, "tolist") else value for value in several]


def is_plain(value: Any) -> bool:
    """Whether it is what JSON has, and one input of any type that it may be."""
    if isinstance(value, list | tuple):
        return all(isinstance(each, int | float | None) for each in value)
    if isinstance(value, dict):
        return not any(getattr(each, "ndim", 0) or isinstance(each, bytes) for each in value.values())
    return isinstance(value, str | int | float | None)


def is_several(input_type: str, value: Any) -> bool:
    """Whether it is more than one input: a table, or what has more dimensions than one input has."""
    if _is_table(value):
        return True
    if input_type in inputs.SETS:
        return isinstance(value, list | tuple)
    dimensions = _DIMENSIONS.get(input_type)
    return dimensions is not None and _dimensions(value) > dimensions


def one(input_type: str, value: Any) -> Any:
    """One input, as this input type has it in JSON. Raises BadRequest."""
    if input_type == "dataframe":
        return _row(value)
    if input_type == "named":
        return _arrays(value)
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif hasattr(value, "detach"):  # a tensor of torch
        value = value.detach().cpu().numpy()
    return inputs.to_json(input_type, value)


def several(input_type: str, values: Any) -> list[Any]:
    """Each row of a table, or each of several inputs, as `one` has it. Raises BadRequest."""
    if _is_table(values):
        named = input_type == "json" or input_type in inputs.SETS
        values = values.to_dict("records") if named else values.to_numpy()
    elif input_type in inputs.SETS and isinstance(values, dict):
        return several(input_type, _rows_of(values))
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    return [one(input_type, value) for value in values]


def _row(value: Any) -> Any:
    """A row of a data frame: a dictionary, or a series with names. Raises BadRequest."""
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise BadRequest(
            f"A row of a data frame names its columns, and {type_of(value)} does not. Give a row of "
            "a DataFrame, or a dictionary with a value for each column."
        )
    return inputs.to_json(
        "dataframe", {name: None if is_missing(each) else each for name, each in value.items()}
    )


def _arrays(value: Any) -> Any:
    """Named arrays: a dictionary of arrays, tensors, lists, numbers or texts. Raises BadRequest."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise BadRequest(
            f"An input names its arrays, and {type_of(value)} does not. Give a dictionary of arrays."
        )
    return {name: written(each) for name, each in value.items()}


def _rows_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Raises BadRequest."""
    try:
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    except (TypeError, ValueError):
        raise BadRequest(
            "The columns are not lists of one length: each has a value for each input."
        ) from None


def _is_table(value: Any) -> bool:
    return hasattr(value, "to_numpy") and hasattr(value, "columns")


def _dimensions(value: Any) -> int:
    if isinstance(value, list | tuple):
        return 1 + (_dimensions(value[0]) if value else 0)
    found = getattr(value, "ndim", 0)
    return found if isinstance(found, int) else 0
