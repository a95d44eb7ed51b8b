"""The columns of data frames: what each holds, and how rows with them become inputs.

Columns are names, in a model's order, each with the type of what it holds: one of numpy's types of numbers,
"bool", "text", or "any" where nobody told.
"""

from __future__ import annotations

import difflib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
import numpy as np

from .errors import BadRequest
from .inputs import DTYPES, Tensor
from .named import Part, dtype_of
from .plain import is_text

MOST = 1000
MAX_NAMES = 64 << 10  # bytes of all names
TEXT, ANY = "text", "any"
CODES = {np.dtype(code).name: code for code in DTYPES}
"""The dtypes of types that are none of the two: of numbers, and of truth."""
TYPES = (*CODES, TEXT, ANY)
PLAIN = {int, float, bool, str, type(None)}

Spare = Callable[[], AbstractSet[str]]

_json = msgspec.json.Encoder().encode


def check(columns: Mapping[str, str]) -> None:
    """Raises BadRequest where no data frame has such columns."""
    if not all(map(is_text, columns)):
        raise BadRequest("The name of a column is no text that can be written as UTF-8. Rename the column.")
    if not 0 < len(columns) <= MOST or sum(len(name.encode()) for name in columns) > MAX_NAMES:
        raise BadRequest(
            f"A data frame has from 1 to {MOST} columns here, with {MAX_NAMES >> 10} KiB of names, and not "
            f"{len(columns)}. Let the model take an array, as one of ndarray, where there are more."
        )
    for name, kind in columns.items():
        if kind not in TYPES:
            raise BadRequest(
                f"The column {name!r} holds {kind}, which does not travel. Columns hold numbers, texts or "
                "truth: write moments and categories as text or as numbers."
            )


def words(columns: Mapping[str, str]) -> str:
    """A row with such columns, for a sentence."""
    told = [f"{_json(name).decode()}: {_WORDS.get(kind, kind)}" for name, kind in columns.items()]
    return f"an object such as {{{', '.join(told[:_TOLD])}{', ...' if len(told) > _TOLD else ''}}}"


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


class Columns:
    """Makes inputs of rows that have these columns.

    Where others are there, `spare` gives the names of those that may be, and are left out.
    """

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = types
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

    def _refuse(self, given: Iterable[str], known: AbstractSet[str]) -> ValueError:
        """Why a row with the columns `given` is none: some are missing, or are not `known`."""
        there = set(given)
        missing = [name for name in self.types if name not in there]
        unknown = sorted(there - known)
        if unknown:
            what = self._listed("no model here takes", unknown)
            return ValueError(f"{what}: {self._advice(unknown, missing)}")
        what = self._listed("it lacks", missing)
        return ValueError(f"{what}: add what is missing, or null where it is not known")

    @staticmethod
    def _listed(what: str, names: list[str]) -> str:
        shown = ", ".join(repr(name[:100]) for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"{what} the column{'s' if len(names) > 1 else ''} {shown}{more}"

    @staticmethod
    def _advice(unknown: list[str], missing: list[str]) -> str:
        for name in unknown[:2]:
            meant = difflib.get_close_matches(name[:50], missing[:20], 1)
            if meant:
                return f"{meant[0]!r} is missing, and may be meant"
        return "leave it out" if len(unknown) == 1 else "leave them out"

    def of_rows(self, rows: Sequence[Any], spare: Spare = frozenset) -> list[Tensor]:
        """An input for each row, a dictionary of values as JSON has them. Raises ValueError."""
        names = self.types.keys()
        known: AbstractSet[str] | None = None
        for row in rows:
            if row.__class__ is not dict:
                raise ValueError(f"{_shown(row)} is not an object that names its columns")
            if row.keys() != names:
                known = names | spare() if known is None else known
                if not names <= row.keys() <= known:
                    raise self._refuse(row, known)
        found = [self._quickly(row) for row in rows]
        if None not in found:
            return found  # type: ignore[return-value]
        return self._tensors({name: [row[name] for row in rows] for name in names}, len(rows))

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

    def of_columns(self, columns: Mapping[str, Any], count: int, spare: Spare = frozenset) -> list[Tensor]:
        """An input for each of `count` rows, from as many values of each column.

        Those are a list of values as JSON has them, or an array of the column's own numbers. Raises
        ValueError.
        """
        names = self.types.keys()
        if columns.keys() != names:
            known = names | spare()
            if not names <= columns.keys() <= known:
                raise self._refuse(columns, known)
        return self._tensors(columns, count)

    def _tensors(self, columns: Mapping[str, Any], count: int) -> list[Tensor]:
        if not count:
            return []
        record = np.empty(count, self._record)
        for i, (name, code) in enumerate(self._numbers):
            values = columns[name]
            numbers = values if isinstance(values, np.ndarray) else _numbers(name, code, values)
            record[f"f{i}"] = numbers
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


def _numbers(name: str, code: str, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """A column's values, as JSON has them, as an array. Raises ValueError."""
    dtype = np.dtype(code)
    kinds = set(map(type, values))
    if dtype.kind == "b":
        if kinds != {bool}:
            raise _mistaken(name, "true or false", values, lambda value: type(value) is bool)
        return np.array(values, dtype)
    if dtype.kind == "f":
        if not kinds <= {int, float, type(None)}:
            raise _mistaken(name, "numbers", values, _is_number)
        try:
            with np.errstate(over="raise"):
                return np.array(values, np.float64).astype(dtype, copy=False)
        except (OverflowError, FloatingPointError):
            raise ValueError(f"a number in the column {name!r} lies outside {dtype}") from None
    if kinds != {int} and not all(map(_is_whole, values)):
        raise _mistaken(name, f"whole numbers ({dtype})", values, _is_whole)
    bounds = np.iinfo(dtype)
    if min(values) < bounds.min or max(values) > bounds.max:
        raise ValueError(f"a number in the column {name!r} lies outside {dtype}")
    return np.array(values if kinds == {int} else list(map(int, values)), dtype)


def _cells(name: str, kind: str, values: Sequence[Any]) -> list[bytes]:
    kinds = set(map(type, values))
    if kind == TEXT and not kinds <= {str, type(None)}:
        raise _mistaken(name, "text", values, lambda value: type(value) in (str, type(None)))
    if not kinds <= PLAIN:
        raise _mistaken(name, "one number or text a row", values, lambda value: type(value) in PLAIN)
    return [_json(value) for value in values]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float, type(None))


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _mistaken(name: str, wants: str, values: Sequence[Any], fits: Callable[[Any], bool]) -> ValueError:
    i, value = next(((i, value) for i, value in enumerate(values) if not fits(value)), (0, None))
    where = f" of input {i}" if len(values) > 1 else ""
    return ValueError(f"the column {name!r} holds {wants}, and {_shown(value)}{where} is not that")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "a list (several rows are an input_batch)"
    text = repr(value) if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."
