"""Inputs that have names, for the protocols: read by the columns, or by the signatures, of the versions that
may be asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipper_container.fields import ANY, Fields
from clipper_container.sets import fields_of
from clipper_container.tensors import Tensor

from ..application import Application
from ..limits import Limits

_SPLIT = {"columns", "data"}


class Sets:
    """Makes inputs of what one application is asked."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.limits = limits
        self._application = application
        self._last: tuple[list[dict[str, str]], Fields] | None = None

    def fields(self, version: str | None) -> Fields | None:
        """What that version takes, or all that may be asked, at this moment; None where nobody knows."""
        found = [q.spec.columns for q in self._application.queues(version) if q.spec.columns is not None]
        if not found:
            return None
        if self._last is None or self._last[0] != found:
            fields = fields_of(self._application.input_type.name, _joined(found))
            assert fields is not None
            self._last = found, fields
        return self._last[1]

    def _spare(self) -> set[str]:
        """What another version takes: clients may send it before that one is current, or after."""
        return {name for queue in self._application.all_queues() for name in queue.spec.columns or ()}

    def of_rows(self, rows: Sequence[Any], version: str | None) -> list[Tensor]:
        """Raises ValueError, or TooLarge."""
        self.limits.check_inputs(len(rows))
        fields = self.fields(version)
        if fields is None:
            return [self._application.input_type.encode(row) for row in rows]
        return fields.of_rows(rows, self._spare)

    def of_columns(self, given: Mapping[str, Any], count: int, version: str | None) -> list[Tensor]:
        """From `count` values of each name, as `Fields` takes them. Raises ValueError."""
        fields = self.fields(version)
        if fields is None:
            return self.of_rows(records_of(given), version)
        return fields.of_columns(given, count, self._spare)

    def of_json(self, value: Any, version: str | None) -> list[Tensor]:
        """From a list of rows, or from a table.

        Raises ValueError, or TooLarge.
        """
        if isinstance(value, list):
            return self.of_rows(value, version)
        if not isinstance(value, dict):
            raise ValueError("several inputs are neither a list of rows nor an object of columns")
        columns, count = columns_of(value)
        self.limits.check_inputs(count)
        if self._application.input_type.name == "named":
            return self.of_rows(records_of(columns), version)
        return self.of_columns(columns, count, version)

    def words(self, version: str | None = None) -> str:
        """What one row is, for a sentence."""
        fields = self.fields(version)
        return self._application.input_type.expects if fields is None else fields.words()


def _joined(found: list[dict[str, str]]) -> dict[str, str]:
    """All columns; those of which several versions say different things may hold any."""
    first, *others = found
    if not others:
        return first
    types: dict[str, str] = {}
    for columns in found:
        for name, kind in columns.items():
            types[name] = kind if types.get(name, kind) == kind else ANY
    return types


def columns_of(table: dict[str, Any], *, named: bool = True) -> tuple[dict[str, list[Any]], int]:
    """Those of a table, which is an object of them, or one as pandas splits it; and how many rows it has.

    Where they need not be `named`, those that are split may have names in common, and have their places for
    names. Raises ValueError.
    """
    if _SPLIT <= table.keys() <= _SPLIT | {"index"} and _is_table(table["data"]):
        table = _put_together(table["columns"], table["data"], named=named)
    lengths = {len(values) if isinstance(values, list) else -1 for values in table.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise ValueError("the columns are not lists of one length: each has a value for each row")
    return table, lengths.pop()


def records_of(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_table(data: Any) -> bool:
    return isinstance(data, list) and all(isinstance(row, list) for row in data)


def _put_together(names: Any, rows: list[list[Any]], *, named: bool) -> dict[str, list[Any]]:
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise ValueError("the columns are no list of names")
    if any(len(row) != len(names) for row in rows):
        raise ValueError("the rows are not as long as there are columns")
    names = list(map(str, names if named else range(len(names))))
    if len(set(names)) != len(names):
        raise ValueError("two columns have one name")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}
