"""The columns of data frames: what each holds, and how rows with them become inputs.

Columns are names, in a model's order, each with the type of what it holds: one of numpy's types of numbers,
"bool", "text", or "any" where nobody told.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
import numpy as np

from .errors import BadRequest
from .fields import ANY, CODES, TEXT, Fields, Spare, check_names, mistaken, numbers
from .named import Part, dtype_of
from .tensors import Tensor

TYPES = (*CODES, TEXT, ANY)
PLAIN = {int, float, bool, str, type(None)}

_json = msgspec.json.Encoder().encode


def check(columns: Mapping[str, str]) -> None:
    """Raises BadRequest where no data frame has such columns."""
    advice = "Let the model take an array, as one of ndarray, where there are more."
    check_names(columns, "A data frame", "column", advice)
    for name, kind in columns.items():
        if kind not in TYPES:
            raise BadRequest(
                f"The column {name!r} holds {kind}, which does not travel. Columns hold numbers, texts or "
                "truth: write moments and categories as text or as numbers."
            )


_TOLD = 20
_WORDS = {
    TEXT: "a text",
    ANY: "a number or text",
    "bool": "true",
    **dict.fromkeys(("float16", "float32", "float64"), "a number"),
}
_WORDS |= {name: "a whole number" for name in CODES if name.startswith(("int", "uint"))}
_FIT: dict[str, AbstractSet[type]] = {
    **dict.fromkeys(CODES, frozenset({int})),
    **dict.fromkeys(("float16", "float32", "float64"), frozenset({int, float})),
    "bool": frozenset({bool}),
    TEXT: frozenset({str, type(None)}),
    ANY: frozenset(PLAIN),
}
_PACKED = {
    **{"b1": "?", "f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q"},
    **{"u1": "B", "u2": "H", "u4": "I", "u8": "Q"},
}
_GOOD = 64  # kinds of rows that are known to fit


class Columns(Fields):
    """Makes inputs of rows that have these columns."""

    def __init__(self, types: Mapping[str, str]) -> None:
        super().__init__(types)
        self._numbers = [(name, CODES[kind]) for name, kind in types.items() if kind in CODES]
        self._cells = [(name, kind) for name, kind in types.items() if kind not in CODES]
        self.texts = len(self._cells)  # columns whose values are written one by one
        self._record = np.dtype([(f"f{i}", code) for i, (_, code) in enumerate(self._numbers)])
        self._pack = struct.Struct("<" + "".join(_PACKED[code[1:]] for _, code in self._numbers)).pack
        self._order = [name for name, _ in (*self._numbers, *self._cells)]
        self._fit = [_FIT[types[name]] for name in self._order]
        self._good: set[tuple[type, ...]] = set()  # what values of rows that fit are
        parts = [Part(name, code, 0) for name, code in self._numbers]
        self._dtype = dtype_of(parts + [Part(name, "json", 1) for name, _ in self._cells])

    def words(self) -> str:
        told = [f"{_json(name).decode()}: {_WORDS.get(kind, kind)}" for name, kind in self.types.items()]
        return f"an object such as {{{', '.join(told[:_TOLD])}{', ...' if len(told) > _TOLD else ''}}}"

    def of_rows(self, rows: Sequence[Any], spare: Spare = frozenset) -> list[Tensor]:
        self._check_rows(rows, spare)
        found = [self._quickly(row) for row in rows]
        if None not in found:
            return found  # type: ignore[return-value]
        return self._tensors({name: [row[name] for row in rows] for name in self.types}, len(rows))

    def _quickly(self, row: dict[str, Any]) -> Tensor | None:
        """The input of a row that fits as it is; None where something does not, or a number is missing."""
        values = [row[name] for name in self._order]
        kinds = tuple(map(type, values))
        if kinds not in self._good:
            if not all(kind in fit for kind, fit in zip(kinds, self._fit, strict=True)):
                return None
            if len(self._good) < _GOOD:
                self._good.add(kinds)
        count = len(self._numbers)
        try:
            head = self._pack(*values[:count])
        except (struct.error, OverflowError):
            return None
        if not self._cells:
            return Tensor(head, (), self._dtype)
        texts = [_json(value) for value in values[count:]]
        return Tensor(b"".join((head, *texts)), tuple(map(len, texts)), self._dtype)

    def _tensors(self, columns: Mapping[str, Any], count: int) -> list[Tensor]:
        record = np.empty(count, self._record)
        for i, (name, code) in enumerate(self._numbers):
            values = columns[name]
            found = (
                values if isinstance(values, np.ndarray) else numbers(f"the column {name!r}", code, values)
            )
            record[f"f{i}"] = found
        heads = memoryview(record.tobytes())
        size = self._record.itemsize
        starts = range(0, count * size, size) if size else [0] * count
        if not self._cells:
            return [Tensor(heads[start : start + size], (), self._dtype) for start in starts]
        cells = [_cells(name, kind, columns[name]) for name, kind in self._cells]
        return [
            Tensor(b"".join((heads[start : start + size], *texts)), tuple(map(len, texts)), self._dtype)
            for start, texts in zip(starts, zip(*cells, strict=True), strict=True)
        ]


def _cells(name: str, kind: str, values: Sequence[Any]) -> list[bytes]:
    kinds = set(map(type, values))
    if kind == TEXT and not kinds <= {str, type(None)}:
        raise mistaken(f"the column {name!r}", "text", values, lambda value: type(value) in (str, type(None)))
    if not kinds <= PLAIN:
        raise mistaken(
            f"the column {name!r}", "one number or text a row", values, lambda value: type(value) in PLAIN
        )
    return [_json(value) for value in values]
