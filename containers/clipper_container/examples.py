"""What an example input tells of the columns of data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .columns import ANY, CODES, MOST, PLAIN, TEXT, check
from .errors import BadRequest


def of_model(
    names: Sequence[str] | None, example: object | None
) -> tuple[dict[str, str] | None, dict[str, Any] | None]:
    """The columns of a model that knows their `names`, or of its example; and the example as JSON has it.

    Raises BadRequest, also where the example lacks one.
    """
    if example is None:
        columns = None if names is None else dict.fromkeys(names, ANY)
        if columns is not None:
            check(columns)
        return columns, None
    columns, row = described(example)
    if names is None:
        return columns, row
    missing = [name for name in names if name not in columns]
    if missing:
        raise BadRequest(
            f"The example input lacks the column {missing[0]!r}, which the model was fitted with. Give a row "
            "of the data that it was fitted on."
        )
    return {name: columns[name] for name in names}, {name: row[name] for name in names}


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
            f"The example input is a {type(example).__name__}, and inputs are rows of a data frame. Give a "
            "DataFrame with a row, or a dictionary with a value for each column."
        )
    for name in row:
        if not isinstance(name, str):
            raise BadRequest(f"A column has the name {name!r}, and names are texts. Rename the columns.")
    check(columns)
    return columns, {name: _value(value) for name, value in row.items()}


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
