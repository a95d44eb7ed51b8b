"""What sets of named values have in common that models know the names of: columns, and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from .articles import type_of, with_article
from .errors import BadRequest
from .named import DTYPES
from .near import near
from .plain import is_text
from .tensors import Tensor

MOST = 1000
MAX_NAMES = 64 << 10  # bytes of all names
TEXT, ANY = "text", "any"
CODES = {np.dtype(code).name: code for code in DTYPES}
"""The dtypes of what holds numbers, or truth, by numpy's names."""

Spare = Callable[[], AbstractSet[str]]


class Fields:
    """Makes inputs of sets that have the names of `types`.

    Where others are there, `spare` gives the names of those that may be, and are left out.
    """

    noun = "column"

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = types
        self.texts = 0  # names whose values are written one by one

    def words(self) -> str:
        """Such a set, for a sentence."""
        raise NotImplementedError

    def of_rows(self, rows: Sequence[Any], spare: Spare = frozenset) -> list[Tensor]:
        """An input for each row, a dictionary of values as JSON has them. Raises ValueError."""
        self._check_rows(rows, spare)
        return self._tensors({name: [row[name] for row in rows] for name in self.types}, len(rows))

    def of_columns(self, columns: Mapping[str, Any], count: int, spare: Spare = frozenset) -> list[Tensor]:
        """An input for each of `count` rows, from as many values of each name.

        Those are a list of values as JSON has them, or an array of numbers, whose first dimension counts the
        rows. Raises ValueError.
        """
        names = self.types.keys()
        if columns.keys() != names:
            known = names | spare()
            if not names <= columns.keys() <= known:
                raise self._refuse(columns, known)
        return self._tensors(columns, count) if count else []

    def _tensors(self, columns: Mapping[str, Any], count: int) -> list[Tensor]:
        raise NotImplementedError

    def _check_rows(self, rows: Sequence[Any], spare: Spare) -> None:
        names = self.types.keys()
        known: AbstractSet[str] | None = None
        for row in rows:
            if row.__class__ is not dict:
                raise ValueError(f"{shown(row)} is not an object that names its {self.noun}s")
            if row.keys() != names:
                known = names | spare() if known is None else known
                if not names <= row.keys() <= known:
                    raise self._refuse(row, known)

    def _refuse(self, given: Iterable[str], known: AbstractSet[str]) -> ValueError:
        """Why a row with the names `given` is none: some are missing, or are not `known`."""
        there = set(given)
        missing = [name for name in self.types if name not in there]
        unknown = sorted(there - known)
        if unknown:
            what = self._listed("no model here takes", unknown)
            return ValueError(f"{what}: {_advice(unknown, missing)}")
        return ValueError(f"{self._listed('it lacks', missing)}: {self._add()}")

    def _add(self) -> str:
        return "add what is missing, or null where it is not known"

    def _listed(self, what: str, names: list[str]) -> str:
        listed = ", ".join(repr(name[:100]) for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"{what} the {self.noun}{'s' if len(names) > 1 else ''} {listed}{more}"


def _advice(unknown: list[str], missing: list[str]) -> str:
    for name in unknown[:2]:
        for meant in near(name[:50], missing[:20]):
            return f"{meant!r} is missing, and may be meant"
    return "leave it out" if len(unknown) == 1 else "leave them out"


def check_names(names: Iterable[str], what: str, noun: str, advice: str) -> None:
    """Raises BadRequest where no set has such names. `what` it is: "A data frame"."""
    names = list(names)
    if not all(map(is_text, names)):
        raise BadRequest(
            f"The name of {with_article(noun)} is no text that can be written as UTF-8. Rename the {noun}."
        )
    if not 0 < len(names) <= MOST or sum(len(name.encode()) for name in names) > MAX_NAMES:
        raise BadRequest(
            f"{what} has from 1 to {MOST} {noun}s here, with {MAX_NAMES >> 10} KiB of names, and not "
            f"{len(names)}. {advice}"
        )


def numbers(what: str, code: str, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Values, as JSON has them, as an array of that dtype. Raises ValueError: `what` holds others."""
    dtype = np.dtype(code)
    kinds = set(map(type, values))
    if dtype.kind == "b":
        if not kinds <= {bool}:
            raise mistaken(what, "true or false", values, lambda value: type(value) is bool)
        return np.array(values, dtype)
    if dtype.kind == "f":
        if not kinds <= {int, float, type(None)}:
            raise mistaken(what, "numbers", values, _is_number)
        try:
            with np.errstate(over="raise"):
                return np.array(values, np.float64).astype(dtype, copy=False)
        except (OverflowError, FloatingPointError):
            raise ValueError(f"a number in {what} lies outside {dtype}") from None
    if not kinds <= {int} and not all(map(_is_whole, values)):
        raise mistaken(what, f"whole numbers ({dtype})", values, _is_whole)
    bounds = np.iinfo(dtype)
    if values and (min(values) < bounds.min or max(values) > bounds.max):
        raise ValueError(f"a number in {what} lies outside {dtype}")
    return np.array(values if kinds <= {int} else list(map(int, values)), dtype)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float, type(None))


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def mistaken(what: str, wants: str, values: Sequence[Any], fits: Callable[[Any], bool]) -> ValueError:
    """Why the first value that does not fit is none."""
    i, value = next(((i, value) for i, value in enumerate(values) if not fits(value)), (0, None))
    where = f" of input {i}" if len(values) > 1 else ""
    return ValueError(f"{what} holds {wants}, and {shown(value)}{where} is not that")


def shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "a list (several rows are an input_batch)"
    text = repr(value) if isinstance(value, str | int | float | bool) else type_of(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
