"""Bodies that are no JSON: comma-separated values, and arrays as numpy saves them."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import numpy as np

from clipper_container.inputs import DTYPES, MAX_DIMENSIONS, Tensor, sized_tensor

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


def array(body: Body) -> Tensor:
    """An array as numpy.save writes it. Raises ValueError."""
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        if version not in _READ:
            raise ValueError(f"it has the version {version}")
        shape, by_columns, dtype = _READ[version](file)
    except Exception as error:  # the head is a Python literal, of which anything may be wrong
        raise ValueError(f"it is no array as numpy.save writes it: {str(error)[:200]}") from None
    code = dtype.newbyteorder("<").str if dtype.kind in "biuf" else ""
    if code not in DTYPES:
        raise ValueError(f"it holds {str(dtype)[:100]}, which is no type of numbers")
    if len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("its shape is none that an array has here")
    found = sized_tensor(memoryview(body)[file.tell() :], shape, code)
    if dtype.str == code and not (by_columns and len(shape) > 1):
        return found
    values = np.frombuffer(found.data, dtype).reshape(shape, order="F" if by_columns else "C")
    return Tensor(np.ascontiguousarray(values, code).tobytes(), shape, code)


_READ: Any = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def saved(tensor: Tensor) -> bytes:
    """The array as numpy.save writes it."""
    file = io.BytesIO()
    head = {"descr": tensor.dtype, "fortran_order": False, "shape": tensor.shape}
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue() + bytes(tensor.data)


def line(value: Any) -> str:
    """An output as a line of CSV: its elements, where it is a list."""
    written = io.StringIO()
    values = value if isinstance(value, list) else [value]
    csv.writer(written, lineterminator="\n").writerow(list(map(_cell, values)))
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
