"""In which places two outputs differ, where numbers may differ a little."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

_NOTHING = object()
_Place = tuple[Any, object] | None  # the place above it, and the key there
_Leaf = tuple[_Place, Any, Any]


def differences(before: Any, after: Any, tolerance: float = 0.0) -> list[str]:
    """The places, such as "label" or "scores.3", from the top; [""] where the outputs differ as a whole.

    Numbers are alike within `tolerance`, absolute; NaN is like NaN.
    """
    return [_told(place) for place, a, b in _leaves(before, after) if not _alike(a, b, tolerance)]


def alike(before: Any, after: Any, tolerance: float) -> bool:
    """Whether they differ nowhere."""
    return all(_alike(a, b, tolerance) for _, a, b in _leaves(before, after))


def _leaves(before: Any, after: Any) -> Iterator[_Leaf]:
    """What is to be compared, in order. Without recursion: JSON may be nested deeper than that goes."""
    left: list[Iterator[_Leaf]] = [iter([(None, before, after)])]
    while left:
        for place, a, b in left[-1]:
            if isinstance(a, dict) and isinstance(b, dict):
                left.append(_of_objects(place, a, b))
                break
            if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
                left.append(_of_lists(place, a, b))
                break
            yield place, a, b
        else:
            left.pop()


def _of_objects(place: _Place, before: dict[Any, Any], after: dict[Any, Any]) -> Iterator[_Leaf]:
    for key in dict.fromkeys([*before, *after]):
        yield (place, key), before.get(key, _NOTHING), after.get(key, _NOTHING)


def _of_lists(place: _Place, before: list[Any], after: list[Any]) -> Iterator[_Leaf]:
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        yield (place, i), a, b


def _told(place: _Place) -> str:
    keys = []
    while place is not None:
        place, key = place
        keys.append(str(key))
    return ".".join(reversed(keys))


def _alike(before: Any, after: Any, tolerance: float) -> bool:
    is_same = type(before) is type(after) and bool(before == after)
    if is_same or not _is_number(before) or not _is_number(after):
        return is_same
    if math.isnan(before) or math.isnan(after):
        return math.isnan(before) and math.isnan(after)
    return math.isclose(before, after, rel_tol=0.0, abs_tol=tolerance)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
