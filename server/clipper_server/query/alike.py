"""Whether two outputs are the same, where numbers may differ a little."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from clipper_container.inputs import Tensor, as_plain

from .task import Output

MAX_COMPARED = 64 << 10
"""Bytes of an output: larger ones are the same to the byte, or are not."""


def alike(before: Output, after: Output, tolerance: float) -> bool:
    """Numbers are alike within `tolerance`, absolute; NaN is like NaN. All else has to be equal."""
    if before == after:
        return True
    if not tolerance or max(_size(before), _size(after)) > MAX_COMPARED:
        return False
    return _alike(_plain(before), _plain(after), tolerance)


def _size(output: Output) -> int:
    return len(output.data if isinstance(output, Tensor) else output)


def _plain(output: Output) -> Any:
    return as_plain(output) if isinstance(output, Tensor) else msgspec.json.decode(output)


def _alike(before: Any, after: Any, tolerance: float) -> bool:
    if isinstance(before, dict) and isinstance(after, dict):
        same = before.keys() == after.keys()
        return same and all(_alike(before[key], after[key], tolerance) for key in before)
    if isinstance(before, list) and isinstance(after, list):
        pairs = zip(before, after, strict=False)
        return len(before) == len(after) and all(_alike(a, b, tolerance) for a, b in pairs)
    if _is_number(before) and _is_number(after):
        if math.isnan(before) or math.isnan(after):
            return math.isnan(before) and math.isnan(after)
        return math.isclose(before, after, rel_tol=0.0, abs_tol=tolerance)
    return type(before) is type(after) and bool(before == after)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
