"""What the query log keeps of inputs and outputs, in JSON's form; bytes as base64."""

from __future__ import annotations

from typing import Any

from clipper_container.tensors import decode

from ...querylog import Chosen, Pair


def given(record: Chosen | Pair) -> Any:
    """The input; None where it was not kept."""
    return None if record.data is None else value(record.data, record.dtype, record.shape)


def value(data: bytes, dtype: str, shape: tuple[int, ...]) -> Any:
    found = decode(1, [dtype], [shape], data)[0]
    return found.tolist() if hasattr(found, "tolist") else found


def plain(value: Any) -> Any:
    """Of numpy's kinds, as a row of a data frame has them."""
    return value.tolist()
