"""Times as ISO 8601 has them: numpy's moments and durations in every unit, as Python would write its own."""

from __future__ import annotations

import numpy as np

_DAY = 86_400 * 10**18
_ATTOSECONDS = {
    **{"W": 7 * _DAY, "D": _DAY, "h": 3600 * 10**18, "m": 60 * 10**18, "s": 10**18},
    **{"ms": 10**15, "us": 10**12, "ns": 10**9, "ps": 10**6, "fs": 10**3, "as": 1},
}


def moment(value: np.datetime64) -> str | None:
    """ "2024-01-02T03:04:05"; a day alone where the unit is no shorter; None for NaT."""
    if np.isnat(value):
        return None
    unit = np.datetime_data(value.dtype)[0]
    if unit in ("Y", "M", "W", "D"):
        return str(np.datetime_as_string(value, unit="D", casting="unsafe"))
    if unit in ("h", "m"):
        return str(np.datetime_as_string(value, unit="s", casting="unsafe"))
    whole, _, fraction = str(np.datetime_as_string(value)).partition(".")
    return whole + _fraction(fraction)


def duration(value: np.timedelta64) -> str | int | None:
    """ "P1DT1.5S"; None for NaT. One without a unit is a number."""
    if np.isnat(value):
        return None
    unit, step = np.datetime_data(value.dtype)
    count = int(value.astype(np.int64)) * step
    if unit == "generic":
        return count
    sign, count = "-" if count < 0 else "", abs(count)
    if unit in ("Y", "M"):
        return f"{sign}P{count}{unit}"
    days, rest = divmod(count * _ATTOSECONDS[unit], _DAY)
    seconds, fraction = divmod(rest, 10**18)
    text = f"{seconds}{f'.{fraction:018}'.rstrip('0').rstrip('.')}"
    time = f"T{text}S" if rest else ""
    return f"{sign}P{f'{days}D' if days or not rest else ''}{time}"


def _fraction(digits: str) -> str:
    """Of seconds: none where it is zero, else six digits or as many as it has."""
    least = digits.rstrip("0")
    return f".{least.ljust(6, '0')}" if least else ""
