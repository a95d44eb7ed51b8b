"""The signature of a model that takes named arrays: what each holds, and how values become inputs.

It has, for each name in the model's order, a type with the shape of one input: "float32" for a single number,
"float32[-1,28]" for an array of two dimensions, of which the first may be of any size; so too "text" and
"text[-1]". "bytes" has no dimensions, and "any" is whatever JSON has, where nobody told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .conversions import converted
from .errors import BadRequest
from .fields import ANY, CODES, TEXT, Fields, check_names, numbers, shown
from .inputs import described, from_base64
from .named import MAX_DIMENSIONS, Part, dtype_of
from .tensors import Tensor
from .wire import Buffer

BYTES = "bytes"
_FORM = re.compile(r"([a-z]+\d*)(?:\[(-?\d{1,18}(?:,-?\d{1,18})*)\])?")
_json = msgspec.json.Encoder().encode
_Written = list[tuple[Buffer, tuple[int, ...]]]
"""Of one name: the bytes and the shape of each row's."""


class Kind(NamedTuple):
    """What one name holds. Dimensions of -1 may be of any size."""

    base: str
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str) -> Kind:
        """Raises ValueError where it is none."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no type of an array")
        base, shape = found[1], tuple(map(int, found[2].split(","))) if found[2] else ()
        alone = base in (BYTES, ANY)
        if not (alone or base == TEXT or base in CODES) or (alone and shape):
            raise ValueError(f"{text!r} is no type of an array")
        if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < -1:
            raise ValueError(f"{text!r} has a shape that no array has")
        return cls(base, shape)

    def __str__(self) -> str:
        return f"{self.base}[{','.join(map(str, self.shape))}]" if self.shape else self.base

    @property
    def part(self) -> tuple[str, int]:
        """Its dtype on the wire, and its dimensions there."""
        if self.base in CODES:
            return CODES[self.base], len(self.shape)
        return {BYTES: "bytes", TEXT: "json" if self.shape else "str"}.get(self.base, "json"), 1

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array may have that shape."""
        return len(shape) == len(self.shape) and all(
            wanted in (-1, size) for wanted, size in zip(self.shape, shape, strict=True)
        )

    def words(self) -> str:
        what = _WORDS.get(self.base, "numbers" if self.base in CODES else self.base)
        return f"{what} {list(self.shape)}" if self.shape else _ALONE.get(self.base, "a number")


_WORDS = {TEXT: "texts", "bool": "true or false"}
_ALONE = {TEXT: "a text", BYTES: "bytes in base64", ANY: "any JSON value", "bool": "true"}


def check(types: Mapping[str, str]) -> None:
    """Raises BadRequest where no model has such a signature."""
    check_names(types, "An input", "array", "Put those that are alike into one array.")
    for name, kind in types.items():
        try:
            Kind.of(kind)
        except ValueError as error:
            raise BadRequest(
                f"The array {name!r} cannot be: {error}. Give numbers, texts or bytes."
            ) from None


class Signature(Fields):
    """Makes inputs of sets of arrays."""

    noun = "array"

    def __init__(self, types: Mapping[str, str]) -> None:
        super().__init__(types)
        self.kinds = {name: Kind.of(text) for name, text in types.items()}
        self.texts = sum(kind.base not in CODES for kind in self.kinds.values())
        alone = [name for name, kind in self.kinds.items() if kind.base in CODES and not kind.shape]
        self._alone = [(name, CODES[self.kinds[name].base]) for name in alone]
        self._others = [(name, kind) for name, kind in self.kinds.items() if name not in set(alone)]
        self._record = np.dtype([(f"f{i}", code) for i, (_, code) in enumerate(self._alone)])
        ordered = [*alone, *(name for name, _ in self._others)]
        self._dtype = dtype_of([Part(name, *self.kinds[name].part) for name in ordered])

    def words(self) -> str:
        told = [f"{_json(name).decode()}: {kind.words()}" for name, kind in list(self.kinds.items())[:20]]
        return f"an object such as {{{', '.join(told)}{', ...' if len(self.kinds) > 20 else ''}}}"

    def _add(self) -> str:
        return "add what is missing"

    def _tensors(self, columns: Mapping[str, Any], count: int) -> list[Tensor]:
        record = np.empty(count, self._record)
        for i, (name, code) in enumerate(self._alone):
            values = columns[name]
            if isinstance(values, np.ndarray):
                record[f"f{i}"] = _fitting(name, self.kinds[name], values, values.shape[1:])
            else:
                record[f"f{i}"] = numbers(f"the array {name!r}", code, values)
        heads, size = memoryview(record.tobytes()), self._record.itemsize
        written = [_written(name, kind, columns[name]) for name, kind in self._others]
        found = []
        for i in range(count):
            head = heads[i * size : (i + 1) * size]
            rest = [each[i] for each in written]
            if len(rest) == 1 and not size:
                [(data, shape)] = rest
            else:
                data = b"".join((head, *(data for data, _ in rest)))
                shape = tuple(chain.from_iterable(shape for _, shape in rest))
            found.append(Tensor(data, shape, self._dtype))
        return found


def _written(name: str, kind: Kind, values: Any) -> _Written:
    if kind.base in CODES:
        if isinstance(values, np.ndarray):
            whole = _fitting(name, kind, values, values.shape[1:])
            rows = list(whole) if len(whole) else []
        else:
            rows = [_row(name, kind, value) for value in values]
        return [(_bytes_of(row), row.shape) for row in rows]
    if kind.base == ANY:
        texts: list[Buffer] = [_json(value) for value in values]
    elif kind.base == BYTES:
        texts = [_blob(name, value) for value in values]
    elif not kind.shape:
        texts = [_text(name, value) for value in values]
    else:
        texts = [_texts(name, kind, value) for value in values]
    return [(text, (len(text),)) for text in texts]


def _bytes_of(row: np.ndarray[Any, Any]) -> memoryview:
    return memoryview(np.ascontiguousarray(row).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _fitting(
    name: str, kind: Kind, found: np.ndarray[Any, Any], shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """Numbers in that type, if each input's has such a `shape`. Raises ValueError."""
    _check_shape(name, kind, shape)
    try:
        return converted(found, np.dtype(CODES[kind.base]))
    except ValueError as error:
        raise ValueError(f"the array {name!r} does not fit: {error}") from None


def _check_shape(name: str, kind: Kind, shape: tuple[int, ...]) -> None:
    if not kind.takes(shape):
        free = " (-1 is any size)" if -1 in kind.shape else ""
        raise ValueError(f"the array {name!r} has the shape {list(kind.shape)}{free}, and not {list(shape)}")


def _row(name: str, kind: Kind, value: Any) -> np.ndarray[Any, Any]:
    """One input's, of JSON. Raises ValueError."""
    if isinstance(value, dict):
        try:
            given = described(value)
        except ValueError as error:
            raise ValueError(f"the array {name!r} is none: {error}") from None
        return _fitting(name, kind, np.frombuffer(given.data, given.dtype).reshape(given.shape), given.shape)
    shape, flat = _flattened(name, kind, value)
    return numbers(f"the array {name!r}", CODES[kind.base], flat).reshape(shape)


def _flattened(name: str, kind: Kind, value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and what is in them. Raises ValueError."""
    shape: list[int] = []
    flat = [value]
    for _ in kind.shape:
        if not all(type(each) is list for each in flat):
            raise _shallow(name, kind, flat)
        widths = set(map(len, flat))
        if len(widths) > 1:
            raise ValueError(f"the array {name!r} has rows of several lengths")
        shape.append(widths.pop() if widths else 0)
        flat = list(chain.from_iterable(flat))
    if any(type(each) is list for each in flat):
        raise ValueError(f"the array {name!r} has {len(kind.shape)} dimensions, and more are given")
    _check_shape(name, kind, tuple(shape))
    return tuple(shape), flat


def _shallow(name: str, kind: Kind, flat: list[Any]) -> ValueError:
    odd = next(each for each in flat if type(each) is not list)
    return ValueError(
        f"the array {name!r} is nested as {list(kind.shape)} is, and there is {shown(odd)} for a list"
    )


def _text(name: str, value: Any) -> bytes:
    if type(value) is not str:
        raise ValueError(f"the array {name!r} holds a text, and {shown(value)} is not that")
    return value.encode()


def _texts(name: str, kind: Kind, value: Any) -> bytes:
    _, flat = _flattened(name, kind, value)
    for each in flat:
        if type(each) is not str:
            raise ValueError(f"the array {name!r} holds texts, and {shown(each)} is not that")
    return _json(value)


def _blob(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return from_base64(value)
    except (TypeError, ValueError):
        raise ValueError(f"the array {name!r} holds bytes, and {shown(value)} is no base64") from None
