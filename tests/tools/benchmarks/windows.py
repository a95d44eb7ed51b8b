"""When things are well again, in a series over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
IN_A_ROW = 5


def first_well(series: Sequence[T], is_well: Callable[[T], bool]) -> int | None:
    """How many come before the first few in a row that are well; None where there are none such."""
    well = 0
    for i, one in enumerate(series):
        well = well + 1 if is_well(one) else 0
        if well == IN_A_ROW:
            return i + 1 - IN_A_ROW
    return None
