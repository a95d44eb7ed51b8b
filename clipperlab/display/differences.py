"""In which places two outputs differ."""

from __future__ import annotations

import math
from typing import Any


def differences(before: Any, after: Any, tolerance: float = 0.0) -> list[str]:
    """The places, such as "label" or "scores.3", from the top; [""] where the outputs differ as a whole.

    Numbers are alike within `tolerance`, absolute; NaN is like NaN.
    """
    return [*_differences(before, after, tolerance, "")]


def _differences(before: Any, after: Any, tolerance: float, place: str) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in dict.fromkeys([*before, *after]):
            below = f"{place}.{key}" if place else str(key)
            if key in before and key in after:
                found += _differences(before[key], after[key], tolerance, below)
            else:
                found.append(below)
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [
            found
            for i, (a, b) in pairs
            for found in _differences(a, b, tolerance, f"{place}.{i}" if place else str(i))
        ]
    return [] if _alike(before, after, tolerance) else [place]


def _alike(before: Any, after: Any, tolerance: float) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (before, after))
    if not numbers:
        return type(before) is type(after) and bool(before == after)
    if math.isnan(before) or math.isnan(after):
        return math.isnan(before) and math.isnan(after)
    return math.isclose(before, after, rel_tol=0.0, abs_tol=tolerance)
