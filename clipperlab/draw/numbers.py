"""Numbers as the live pictures write them, and where they lie."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from clipper_container.errors import BadRequest


def known(value: Any, *, what: str) -> float | None:
    """The number, or None where it is not known. Raises BadRequest where it cannot be drawn."""
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise BadRequest(f"{what} is to be a number, or None where it is not known: {value!r}.") from None
    if math.isinf(number):
        raise BadRequest(f"{what} is infinite, which cannot be drawn. Give None where it is not known.")
    return None if math.isnan(number) else number


def length(value: Any, *, what: str) -> float | None:
    """As `known`, and not below 0, for what has a length."""
    number = known(value, what=what)
    if number is not None and number < 0:
        raise BadRequest(
            f"{what} is {number:g}, and nothing is shorter than 0: draw.lines shows such numbers."
        )
    return number


def short(value: float) -> str:
    """Three digits that count, and all of those before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}'):f}"


def said(value: float | None, unit: str = "") -> str:
    """A number with its unit: 0.91 as "91%" where that is "%", and 1500 as "1.5 s" where it is "ms"."""
    if value is None:
        return "unknown"
    if unit == "%":
        return f"{short(100 * value)}%"
    if unit == "ms" and abs(value) >= 1000:
        return f"{short(value / 1000)} s"
    return f"{short(value)} {unit}".rstrip()


def round_up(value: float) -> float:
    """A round number at or above `value`, for the top of an axis."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return power * next(step for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, evenly apart."""
    step = round_up((high - low) / most) if high > low else 1.0
    first = math.ceil(low / step - 1e-9)
    return [step * n for n in range(first, first + most + 2) if step * n <= high + step * 1e-9]
