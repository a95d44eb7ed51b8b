"""Bodies that are no JSON: comma-separated values, and arrays as numpy saves them."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from clipper_container.named import DTYPES, MAX_DIMENSIONS
from clipper_container.tensors import Tensor, sized_tensor

from .json_body import Body


def cells(body: Body) -> list[list[str]]:
    """The cells of each line that is not empty. Raises ValueError."""
    try:
        text = bytes(body).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    if "\0" in text:
        raise ValueError("it has a zero byte, as UTF-16 and files that are no text have")
    try:
        return [line for line in csv.reader(io.StringIO(text, newline=""), skipinitialspace=True) if line]
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from None


_PLAIN = b"0123456789+-.eE,"


def as_json(body: Body) -> bytes | None:
    """Lines of plain numbers as JSON has them, which is read in half the time; None of anything else."""
    text = bytes(body).replace(b"\r\n", b"\n")
    if text.translate(None, _PLAIN + b"\n"):
        return None
    rows = b"],[".join(filter(None, text.split(b"\n")))
    return b"[[%b]]" % rows if rows else b"[]"


def array(body: Body) -> Tensor:
    """An array as numpy.save writes it. Raises ValueError."""
    end = 10 + int.from_bytes(body[8:10], "little")  # of version 1, which almost all have
    shape, by_columns, dtype, start = _head(bytes(body[: end if body[6:7] == b"\1" else _LONGEST]))
    code = dtype.newbyteorder("<").str if dtype.kind in "biuf" else ""
    if code not in DTYPES:
        raise ValueError(f"it holds {str(dtype)[:100]}, which is no type of numbers")
    if len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("its shape is none that an array has here")
    found = sized_tensor(memoryview(body)[start:], shape, code)
    if dtype.str == code and not (by_columns and len(shape) > 1):
        return found
    values = np.frombuffer(found.data, dtype).reshape(shape, order="F" if by_columns else "C")
    return Tensor(np.ascontiguousarray(values, code).tobytes(), shape, code)


@lru_cache(256)
def _head(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """What an array's head says, and how long it is: clients send the same one again and again."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version not in _READ:
            raise ValueError(f"it has the version {version}")
        shape, by_columns, dtype = _READ[version](file)
    except Exception as error:  # the head is a Python literal, of which anything may be wrong
        raise ValueError(f"it is no array as numpy.save writes it: {str(error)[:200]}") from None
    return shape, by_columns, dtype, file.tell()


_LONGEST = 12 + 10_000  # bytes of a head that numpy reads
_READ: Any = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def saved(tensor: Tensor) -> bytes:
    """The array as numpy.save writes it."""
    return b"".join((_head_of(tensor.dtype, tensor.shape), tensor.data))


@lru_cache(256)
def _head_of(dtype: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    head = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue()


def line(output: bytes) -> bytes:
    """An output, which is JSON, as a line of CSV: its elements, where it is a list."""
    plain = output[1:-1] if output[:1] == b"[" else output
    if plain and not plain.translate(None, _PLAIN):  # as most are
        return plain + b"\n"
    value = msgspec.json.decode(output)
    written = io.StringIO()
    values = value if isinstance(value, list) else [value]
    csv.writer(written, lineterminator="\n").writerow(list(map(_cell, values)))
    return written.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
