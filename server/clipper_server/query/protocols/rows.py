"""Rows as clients of many systems send them, in JSON, CSV or an array: inputs of an application's type.

A row is one input. Where inputs are lists of numbers, a list of numbers by itself is one row. Inputs with
names are objects; rows of data frames may be lists of values in the order of the model's columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from clipper_container.fields import TEXT
from clipper_container.inputs import SETS
from clipper_container.tensors import Tensor

from ..application import Application
from ..limits import Limits
from .sets import Sets, columns_of, records_of
from .tensors import rows_of

_TEXTS = ("str", "bytes")
_TRUTH = {"true": True, "false": False}


class Rows:
    """Makes inputs of what one application is asked."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.kind = application.input_type
        self.limits = limits
        self.sets = Sets(application, limits) if self.kind.name in SETS else None
        self.typed = list[self.kind.json]  # type: ignore[name-defined]
        """What msgspec is to read, so that `of_typed` can be called."""
        self.are_numbers = self.kind.dtype not in (*_TEXTS, "json", "")

    def of_typed(self, rows: list[Any], version: str | None) -> list[Tensor]:
        """Of rows that were read as `typed`. Raises ValueError, or TooLarge."""
        if self.sets is not None:
            return self._of_sets(rows, version)
        self.limits.check_inputs(len(rows))
        return self.kind.encode_all(rows)

    def of_json(self, value: Any, version: str | None) -> list[Tensor]:
        """Of a list of rows, which may be records, or of a table: an object of columns, or one as pandas
        splits it. Names are nothing to an input that has none.

        Raises ValueError, msgspec.ValidationError, or TooLarge.
        """
        if self.sets is not None:
            return self._of_sets(value, version)
        if isinstance(value, dict):
            columns, count = columns_of(value, named=self.kind.name == "json")
            self.limits.check_inputs(count)
            value = records_of(columns)
        if not isinstance(value, list):
            raise ValueError("it is no list of inputs")
        are_records = bool(value) and all(isinstance(row, dict) for row in value)
        is_one = self.are_numbers and not _holds_lists(value) and not are_records
        self.limits.check_inputs(1 if is_one else len(value))
        if is_one and value:
            value = [value]
        elif are_records and self.kind.name != "json":
            value = self._without_names(value)
        return self.of_typed(msgspec.convert(value, self.typed), version)

    def _without_names(self, records: list[dict[str, Any]]) -> list[Any]:
        """Of each its values; or the one, where that is an input by itself. Raises ValueError."""
        names = list(records[0])
        if any(record.keys() != records[0].keys() for record in records):
            raise ValueError(f"a record has other names than the first, which has {_told(names)}")
        if len(names) == 1 and (self.kind.dtype in _TEXTS or isinstance(records[0][names[0]], list)):
            return [record[names[0]] for record in records]
        return [[record[name] for name in names] for record in records]

    def _of_sets(self, value: Any, version: str | None) -> list[Tensor]:
        assert self.sets is not None
        if isinstance(value, list) and _holds_lists(value) and self.kind.name == "dataframe":
            names = self._names(version)
            wrong = next((row for row in value if not isinstance(row, list) or len(row) != len(names)), None)
            if wrong is not None:
                has = f"has {len(wrong)} values" if isinstance(wrong, list) else "is no list like the others"
                raise ValueError(f"a row {has}, and there are {len(names)} columns: {_told(names)}")
            value = [dict(zip(names, row, strict=True)) for row in value]
        return self.sets.of_json(value, version)

    def _names(self, version: str | None) -> list[str]:
        assert self.sets is not None
        columns = self.sets.fields(version)
        if columns is None:
            raise ValueError("the model does not tell its columns, so each row is to name them")
        return list(columns.types)

    def of_cells(self, lines: Sequence[list[str]], version: str | None) -> list[Tensor]:
        """Of the cells of each line; the first line may be names. Raises ValueError, or TooLarge."""
        self.limits.check_inputs(len(lines) - 1)
        if self.sets is not None:
            return self._of_sets(list(self._records(lines, version)), version)
        if self.kind.dtype in _TEXTS:
            wide = next((line for line in lines if len(line) != 1), None)
            if wide is not None:
                raise ValueError(f"a line has {len(wide)} cells, and an input is one text")
            return self.of_typed([line[0] for line in lines], version)
        if self.kind.dtype != "json" and lines and not all(map(_is_number, lines[0])):
            if len(lines) == 1:
                raise ValueError("its one line is no row of numbers, and after names there is to be one")
            lines = lines[1:]
        if self.are_numbers:
            number = int if self.kind.name == "integers" else float
            rows: list[Any] = [_numbers(line, number) for line in lines]
        else:
            rows = [list(map(_plain, line)) for line in lines]
        return self.of_typed(rows, version)

    def _records(self, lines: Sequence[list[str]], version: str | None) -> Iterator[dict[str, Any]]:
        assert self.sets is not None
        columns = self.sets.fields(version)
        types = {} if columns is None else columns.types
        names = list(types)
        if lines and (columns is None or types.keys() <= set(lines[0])):
            names, lines = lines[0], lines[1:]
            if len(set(names)) != len(names):
                raise ValueError("two columns have one name")
        for line in lines:
            if len(line) != len(names):
                raise ValueError(f"a line has {len(line)} cells, and not {len(names)}: {_told(names)}")
            yield {
                name: cell if types.get(name) == TEXT else _plain(cell)
                for name, cell in zip(names, line, strict=True)
            }

    def of_array(self, whole: Tensor, version: str | None) -> list[Tensor]:
        """Of the first dimension of an array. Raises ValueError, or TooLarge."""
        if self.kind.dtype in _TEXTS:
            raise ValueError("an array holds numbers, and the inputs are texts")
        if len(whole.shape) != 1 or not self.are_numbers:
            self.limits.check_inputs(whole.shape[0] if whole.shape else 1)
        if self.sets is None and self.kind.dtype != "json":
            return rows_of(whole, self.kind.dtype)
        if not whole.shape:
            raise ValueError("the shape is [], and its first dimension counts the inputs")
        if math.prod(whole.shape) > self.limits.json:
            raise ValueError("it is too large for inputs that are written as JSON")
        found = np.frombuffer(whole.data, whole.dtype).reshape(whole.shape)
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ValueError("it holds NaN or an infinity, which JSON has not")
        return self.of_json(found.tolist(), version)

    def of_bytes(self, body: bytes) -> list[Tensor]:
        """Of one input that is a body by itself. Raises ValueError."""
        if self.kind.dtype == "str":
            try:
                body.decode()
            except UnicodeDecodeError:
                raise ValueError("it is not UTF-8 text") from None
        elif self.kind.dtype != "bytes":
            raise ValueError("a body by itself is the input of an application of bytes or strings")
        return [Tensor(body, (len(body),), self.kind.dtype)]

    def words(self, version: str | None = None) -> str:
        """What one row is, for a sentence."""
        return self.kind.expects if self.sets is None else self.sets.words(version)


def _holds_lists(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], list)


def _numbers(line: list[str], number: type[int] | type[float]) -> list[float | None]:
    """What the cells of a line say; None where one is empty. Raises ValueError."""
    try:
        return list(map(number, line))
    except ValueError:
        if number is int:
            raise
        return [float(cell) if cell else None for cell in line]


def _is_number(cell: str) -> bool:
    if not cell:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _plain(cell: str) -> Any:
    """What a cell says where nobody told its type: nothing, a number, truth, or text."""
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        return _TRUTH.get(cell.lower(), cell)
    if not math.isfinite(number):
        return None if math.isnan(number) else cell
    try:
        whole = int(cell)
    except ValueError:
        return number
    return whole if abs(whole) < 1 << 63 else number


def _told(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])[:200]
    return f"{shown}, ..." if len(names) > 10 else shown
