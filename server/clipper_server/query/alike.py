"""Whether two outputs are the same, where numbers may differ a little."""

from __future__ import annotations

from typing import Any

import msgspec

from clipper_container import differences
from clipper_container.tensors import Tensor, as_plain

from .task import Output

MAX_COMPARED = 64 << 10
"""Bytes of an output: larger ones are the same to the byte, or are not."""


def alike(before: Output, after: Output, tolerance: float) -> bool:
    """Numbers are alike within `tolerance`, absolute; NaN is like NaN. All else has to be equal."""
    if before == after:
        return True
    if not tolerance or max(_size(before), _size(after)) > MAX_COMPARED:
        return False
    try:
        return differences.alike(_plain(before), _plain(after), tolerance)
    except RecursionError:  # what is nested as deeply as JSON may be, and no deeper
        return False


def _size(output: Output) -> int:
    return len(output.data if isinstance(output, Tensor) else output)


def _plain(output: Output) -> Any:
    return as_plain(output) if isinstance(output, Tensor) else msgspec.json.decode(output)
